"""Proves that ended tasks have really ended, whatever they raise."""

import asyncio

from waiting import forever, turns

from streaming.tasks import cancel


async def test_every_task_has_ended_and_no_error_escapes() -> None:
    cleaned = []

    async def slow_to_end() -> None:
        try:
            await forever()
        finally:
            await turns(5)
            cleaned.append("slow")

    async def fails() -> None:
        try:
            await forever()
        finally:
            raise ValueError("while it ends")

    tasks = [asyncio.create_task(work()) for work in (slow_to_end, fails, forever)]
    await turns()
    await cancel(*tasks)
    assert all(task.done() for task in tasks) and cleaned == ["slow"]
    await cancel(*tasks)
    await cancel()
