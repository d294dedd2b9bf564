"""Proves that servers are added with load and removed without ending a session.

Skipped without `styletalk-live[ray]`.
"""

from collections.abc import Iterator

import pytest
from live_server import RtcClient, silence
from ray_cluster import Client, call, servers
from waiting import until

pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def front() -> Iterator[str]:
    with servers(2, least=1, most=2, grow_seconds=1, shrink_seconds=2, drain_seconds=120) as address:
        yield address


def running() -> int:
    """Servers that are up or coming."""
    from ray import serve

    states = serve.status().applications["default"].deployments["servers"].replica_states
    return states.get("RUNNING", 0)


async def until_running(count: int) -> None:
    await until(lambda: running() == count, every=0.5)


async def test_servers_come_with_the_sessions_and_go_without_ending_one(front: str) -> None:
    clients = [Client(front) for _ in range(3)]
    rtc_clients = [RtcClient(silence(1)) for _ in clients]
    assert running() == 1
    assert [
        await call(client, rtc_client) for client, rtc_client in zip(clients[:2], rtc_clients[:2], strict=True)
    ] == [201] * 2
    assert clients[0].server == clients[1].server
    await until_running(2)

    async def accepted() -> bool:
        return await call(clients[2], rtc_clients[2]) == 201

    await until(accepted, every=0.5)
    assert clients[2].server != clients[0].server
    for rtc_client in rtc_clients:
        await rtc_client.until_frame(15)

    await rtc_clients[1].aclose()  # of the two that remain, each has a server of its own: one of them is told to go
    await rtc_clients[0].aclose()
    await until_running(1)
    seen = len(rtc_clients[2].frames)
    await rtc_clients[2].receive(5)
    assert len(rtc_clients[2].frames) > seen + 20
    again = RtcClient(silence(1))
    assert await call(Client(front), again) == 201
    for rtc_client in (rtc_clients[2], again):
        await rtc_client.aclose()
