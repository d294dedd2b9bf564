"""Uploads are enrolled one at a time, in order of arrival, and the queue is bounded."""

import asyncio
from contextlib import ExitStack

import pytest
from waiting import turns

from server.http.upload_queue import UploadQueue, UploadQueueFull


async def test_turns_come_in_the_order_of_arrival() -> None:
    queue = UploadQueue(capacity=4)
    order: list[str] = []
    release = asyncio.Event()

    async def enroll(name: str) -> None:
        with queue.ticket("style", name) as ticket:
            async with queue.turn(ticket):
                order.append(name)
                queue.progress(ticket, 0.5)
                await release.wait()

    with queue.ticket("avatar", "sending"):
        tasks = [asyncio.create_task(enroll(name)) for name in ("a", "b", "c")]
        await turns(3)  # every task comes to its wait
        told = {ticket.name: (position, ticket.done) for ticket, position in queue.positions()}
        assert told == {"sending": (None, 0.0), "a": (0, 0.5), "b": (1, 0.0), "c": (2, 0.0)}
        assert queue.busy and order == ["a"]
        tasks[1].cancel()  # its client goes away while it waits
        release.set()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert order == ["a", "c"] and queue.positions() == [] and not queue.busy


def test_a_full_queue_admits_nobody_until_somebody_leaves() -> None:
    queue = UploadQueue(capacity=2)
    with ExitStack() as first:
        first.enter_context(queue.ticket("style", "a"))
        with queue.ticket("style", "b"), pytest.raises(UploadQueueFull) as refused, queue.ticket("style", "c"):
            pass
        assert (refused.value.code, refused.value.status) == ("busy", 503)
        with queue.ticket("style", "d"):
            assert [ticket.name for ticket, _ in queue.positions()] == ["a", "d"]
