"""How tests wait: for a condition with a deadline, in virtual time, or for the next turns of the event loop.

Deadlines are long: they only end a test that would never end, on however busy a machine.

A test never waits for a number of seconds in the hope that something has happened by then. Where real time itself is
what a test needs, its sleep says why on the same line.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeVar

from streaming.virtual_time import VirtualTimeLoop

T = TypeVar("T")
POLL_SECONDS = 0.01


async def until(condition: Callable[[], T | Awaitable[T]], seconds: float = 60.0, every: float = POLL_SECONDS) -> T:
    """Return the condition's value as soon as it is true.

    Args:
        condition: a function or a coroutine function.
        seconds: deadline.
        every: seconds between two looks.

    Raises:
        TimeoutError: it has not become true.
    """
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            value = await found if isawaitable(found) else found
            if value:
                return value
            await asyncio.sleep(every)  # there is no event for what is not the program's own


def blocking_until(condition: Callable[[], T], seconds: float = 60.0, every: float = 0.1) -> T:
    """Return the condition's value as soon as it is true; for processes and browsers.

    Raises:
        TimeoutError: it has not become true.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:g} s this is still not true: {condition}")
        time.sleep(every)  # another process tells nobody
    return value


async def virtual_seconds(seconds: float) -> None:
    """Let seconds pass on a clock that jumps; a real clock is an error."""
    assert isinstance(asyncio.get_running_loop(), VirtualTimeLoop)
    await asyncio.sleep(seconds)  # takes no time


def jump(seconds: float) -> None:
    """Put the clock of the running loop forward: what waits for a real time limit has waited long enough."""
    loop = asyncio.get_running_loop()
    now = loop.time
    loop.time = lambda: now() + seconds  # type: ignore[method-assign]


async def turns(count: int = 1) -> None:
    """Let tasks that are ready go on, a number of times."""
    for _ in range(count):
        await asyncio.sleep(0)  # takes no time


async def forever() -> None:
    """Never return; to be cancelled."""
    await asyncio.Event().wait()
