"""One call of many hours in virtual time, through the whole session code, on a machine that is overloaded now and then.

The microphone's clock is 100 ppm slow, packets are lost, styles and avatars change, speech is interrupted, and for a
minute of every twenty the machine takes three times as long. In `tests/`, ``python -m long_call --hours 8`` prints one
JSON object per hour; an hour takes about four minutes of CPU time.
"""

import argparse
import asyncio
import json
import resource
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from virtual_machine import VirtualCall, VirtualWorker, speech
from waiting import virtual_seconds

from streaming.media import AudioChunk
from streaming.scheduling.jobs import JobKind
from streaming.units import PACKET_TICKS, TICK_RATE
from streaming.virtual_time import VirtualTimeLoop

DRIFT = 100e-6
PHRASE_SECONDS = 2.5
LOST_OF = 997
"""Packets 0 and 1 of so many are lost."""
LOAD_PERIOD, LOAD_BEGIN, LOAD_END = 1_200.0, 300.0, 360.0
CHANGE_SECONDS = 90.0
SETTLED_SECONDS = 20.0
"""After the load."""


def loaded(now: float) -> bool:
    """Whether the machine is overloaded."""
    return LOAD_BEGIN <= now % LOAD_PERIOD < LOAD_END


@dataclass(slots=True)
class Part:
    """Counts and extremes of a part of the call."""

    frames: int = 0
    packets: int = 0
    frames_without_load: int = 0
    seconds_without_load: float = 0.0
    max_lag_ms: float = 0.0
    """Between a packet's arrival and its place on the session's clock."""
    max_delay_ms: float = 0.0
    max_frame_interval_ms: float = 0.0
    slips: int = 0
    late_frames: int = 0
    styles: int = 0
    memory_mb: float = 0.0
    irregular: list[str] = field(default_factory=list)
    """Audio or frames out of order."""


class LongCall(VirtualCall):
    """A call that keeps figures instead of frames and audio."""

    def __init__(self, worker: VirtualWorker) -> None:
        super().__init__(worker)
        self.part = Part()

    async def speak_on(self) -> None:
        """Speaks phrases without end."""
        loop, capture, phrase = asyncio.get_running_loop(), self.session.capture_tick(), speech(PHRASE_SECONDS)
        began, packet = loop.time(), 0
        while True:
            start = packet * PACKET_TICKS
            await virtual_seconds(began + (start + PACKET_TICKS) / TICK_RATE * (1 + DRIFT) - loop.time())
            if packet % LOST_OF > 1:
                at = start % len(phrase)
                chunk = AudioChunk(capture + start, 0, phrase[at : at + PACKET_TICKS])
                self.session.push_audio(chunk)
                lag = (self.session.clock.capture_tick() - chunk.end) * 1000 / TICK_RATE
                self.part.max_lag_ms = max(self.part.max_lag_ms, abs(lag))
            packet += 1

    async def listen(self) -> None:
        following = 0
        while True:
            chunk = await self.session.next_audio()
            if chunk.start != following or len(chunk.samples) != PACKET_TICKS:
                self.part.irregular.append(f"audio {chunk.start} after {following}")
            following = chunk.start + PACKET_TICKS
            self.part.packets += 1
            self.part.max_delay_ms = max(self.part.max_delay_ms, self.session.clock.delay * 1000 / TICK_RATE)

    async def watch(self) -> None:
        loop, last, tick = asyncio.get_running_loop(), asyncio.get_running_loop().time(), -1
        while True:
            frame = await self.session.next_frame()
            if frame.tick <= tick:
                self.part.irregular.append(f"frame {frame.tick} after {tick}")
            now, tick = loop.time(), frame.tick
            self.part.max_frame_interval_ms = max(self.part.max_frame_interval_ms, (now - last) * 1000)
            self.part.frames += 1
            since = now % LOAD_PERIOD
            if not LOAD_BEGIN <= since < LOAD_END + SETTLED_SECONDS:
                self.part.frames_without_load += 1
                self.part.seconds_without_load += min(now - last, 1.0)
            last = now

    async def change(self) -> None:
        """Changes style and avatar and interrupts, in turn."""
        turn = 0
        while True:
            await virtual_seconds(CHANGE_SECONDS)
            await self.session.set_style(("happy", "calm", {"happy": 0.5, "calm": 0.5})[turn % 3], 1.0, 0.5)
            if turn % 4 == 0:
                await self.session.set_avatar(("bob", "ada")[turn // 4 % 2])
            if turn % 5 == 0:
                self.session.interrupt()
            self.part.styles += 1
            turn += 1

    def finish_part(self, before: tuple[int, int]) -> tuple[Part, tuple[int, int]]:
        """Return the figures since the last part; ``before`` holds slips and late frames up to then."""
        part, stats = self.part, self.session.stats
        part.slips, part.late_frames = stats.slips - before[0], stats.late - before[1]
        self.worker.engine.calls.clear()  # the engine's own record
        part.memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self.part = Part()
        return part, (stats.slips, stats.late)


def long_call(seconds: float, parts: int) -> Iterator[Part]:
    """Runs a call of ``seconds`` of virtual time; yields the figures of each of ``parts`` equal parts."""

    def slowness(now: float, kind: JobKind) -> float:
        return 3.0 if loaded(now) else 1.0

    async def begin() -> tuple[LongCall, list[asyncio.Task[None]]]:
        worker = VirtualWorker(slowness, lambda now: 0.1 if loaded(now) else 1.2)
        made = LongCall(worker)
        running = asyncio.create_task(worker.run())
        await made.session.open()
        made.session.start()
        work = (made.session.run(), made.listen(), made.watch(), made.speak_on(), made.change())
        return made, [running, *(asyncio.create_task(part) for part in work)]

    async def go_on(tasks: list[asyncio.Task[None]]) -> None:
        await virtual_seconds(seconds / parts)
        for task in tasks:
            if task.done():
                task.result()

    async def end(tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        made, tasks = runner.run(begin())
        before = (0, 0)
        for _ in range(parts):
            runner.run(go_on(tasks))
            part, before = made.finish_part(before)
            yield part
        runner.run(end(tasks))


def main() -> None:
    """Prints the figures of every hour."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=8, help="duration of the call in virtual time (8)")
    hours = parser.parse_args().hours
    for part in long_call(hours * 3_600, hours):
        print(json.dumps(asdict(part)), flush=True)


if __name__ == "__main__":
    main()
