"""The page behind a gateway: when its server is killed, it continues its session on another server.

Skipped without `styletalk-live[ray]`.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page
from ray_cluster import process_at, servers

from browser.conftest import start_call, wait_until

pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def front() -> Iterator[str]:
    with servers(places=2) as address:
        yield address


def server_of(page: Page) -> str:
    """The address that the page's offer went to."""
    address: str = page.evaluate(
        "performance.getEntriesByType('resource').filter(e => e.name.includes('whip')).at(-1).name"
    )
    return address.partition("whip")[0]


def test_a_page_goes_on_at_another_server(
    front: str, open_page: Callable[..., Page], speaking_browser: Browser
) -> None:
    first, second = (open_page(speaking_browser, front) for _ in range(2))
    start_call(first)
    start_call(second)
    lasting, lost = server_of(first), server_of(second)
    assert lasting != lost and front not in (lasting, lost)
    second.locator("#styles input").nth(1).check(force=True)
    wait_until(second, "styletalk.events.some(({type}) => type === 'style.applied')")
    session = second.evaluate("styletalk.session")
    time.sleep(1)  # by the real clock the gateway hears of a choice within a quarter of a second
    os.kill(process_at(lost), signal.SIGKILL)
    wait_until(second, "styletalk.state === 'reconnecting'")
    wait_until(second, "styletalk.state === 'live'")
    second.wait_for_selector("#stage.playing")
    created = second.evaluate("styletalk.events.findLast(({type}) => type === 'session.created')")
    assert created["session"] == session
    assert created["style"] == second.locator("#styles input").nth(1).input_value()
    assert server_of(second) == lasting
    assert first.evaluate("styletalk.state") == "live"
    assert not first.evaluate("styletalk.events.some(({type}) => type === 'error')")
