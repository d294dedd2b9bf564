"""Bounded asyncio queue with a name, an overflow policy and a drop counter.

Runs on: event loop.
"""

import asyncio
from collections import deque
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")


class OnFull(Enum):
    """Policy for a new item when the queue is full."""

    WAIT = "wait"
    DROP_OLDEST = "drop oldest"


class BoundedQueue(Generic[T]):
    """FIFO queue of at most ``capacity`` items; ``dropped`` counts the items discarded by the policy."""

    def __init__(self, name: str, capacity: int, on_full: OnFull) -> None:
        if capacity < 1:
            raise ValueError(f"queue {name} needs a capacity of at least 1, not {capacity}")
        self.name = name
        self.capacity = capacity
        self.on_full = on_full
        self.dropped = 0
        self._items: deque[T] = deque()
        self._filled = asyncio.Event()
        self._room = asyncio.Event()

    def __len__(self) -> int:
        return len(self._items)

    def offer(self, item: T) -> None:
        """Adds ``item`` without waiting; drops the oldest item if the queue is full.

        Raises:
            asyncio.QueueFull: the queue is full and the policy is to wait.
        """
        if len(self._items) == self.capacity:
            if self.on_full is OnFull.WAIT:
                raise asyncio.QueueFull(self.name)
            self._items.popleft()
            self.dropped += 1
        self._items.append(item)
        self._filled.set()

    async def put(self, item: T) -> None:
        """Adds ``item``; waits for room if that is the policy."""
        while self.on_full is OnFull.WAIT and len(self._items) == self.capacity:
            self._room.clear()
            await self._room.wait()
        self.offer(item)

    async def get(self) -> T:
        """Removes and returns the oldest item; waits until there is one."""
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        self._room.set()
        return self._items.popleft()

    def drain(self) -> list[T]:
        """Removes and returns all items."""
        items = list(self._items)
        self._items.clear()
        self._room.set()
        return items
