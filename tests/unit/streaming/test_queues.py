"""Proves that a queue is bounded, follows its policy and counts dropped items."""

import asyncio

import pytest
from waiting import turns

from streaming.queues import BoundedQueue, OnFull


async def test_the_oldest_item_makes_room_and_is_counted() -> None:
    queue: BoundedQueue[int] = BoundedQueue("test", 2, OnFull.DROP_OLDEST)
    for item in range(5):
        await queue.put(item)
    assert (queue.drain(), queue.dropped) == ([3, 4], 3)


async def test_a_producer_waits_for_room() -> None:
    queue: BoundedQueue[int] = BoundedQueue("test", 1, OnFull.WAIT)
    await queue.put(1)
    waiting = asyncio.create_task(queue.put(2))
    await turns()
    assert not waiting.done()
    assert await queue.get() == 1
    await waiting
    assert (await queue.get(), queue.dropped) == (2, 0)


async def test_offering_to_a_full_waiting_queue_is_an_error() -> None:
    queue: BoundedQueue[int] = BoundedQueue("test", 1, OnFull.WAIT)
    queue.offer(1)
    with pytest.raises(asyncio.QueueFull):
        queue.offer(2)


async def test_a_consumer_waits_for_an_item() -> None:
    queue: BoundedQueue[str] = BoundedQueue("test", 1, OnFull.WAIT)
    waiting = asyncio.create_task(queue.get())
    await turns()
    queue.offer("late")
    assert await waiting == "late"


def test_a_queue_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        BoundedQueue("test", 0, OnFull.WAIT)
