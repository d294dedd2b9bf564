"""Ending of asyncio tasks.

Runs on: event loop.
"""

import asyncio


async def cancel(*tasks: "asyncio.Task[object]") -> None:
    """Cancels tasks and waits until they have ended; what they raise is dropped."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
