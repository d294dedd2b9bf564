"""Proves in virtual time that pushed audio plays without gaps, and that marks and interruptions are exact."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from deterministic_engine import BRIGHT, DARK, DeterministicEngine
from waiting import virtual_seconds

from streaming.clock import MediaClock
from streaming.latency import LatencyPlan
from streaming.media import TimedPhone
from streaming.session import Session, Settings
from streaming.speaker import Interruption, MarkReached, Speaker, SpokenEvent, UtteranceEnded, UtteranceStarted
from streaming.units import FRAME_TICKS, PACKET_TICKS, SILENCE, TICK_RATE
from streaming.virtual_time import InlineWorker, VirtualTimeLoop


class Stage:
    """A speaker with its session; records the audio, the frames and the times of events."""

    def __init__(self) -> None:
        engine, loop = DeterministicEngine(), asyncio.get_running_loop()
        worker = InlineWorker(engine)
        plan = LatencyPlan(engine.recognizer_delay_ticks)
        lateness = np.random.default_rng(0)

        async def oversleep(seconds: float) -> None:
            await virtual_seconds(seconds + lateness.uniform(0, 0.004))  # as real timers do

        clock = MediaClock(plan.delay, loop.time, oversleep)
        self.session = Session(worker, worker.lease(), plan, clock, Settings("ada", "calm"), 0)
        self.speaker = Speaker(self.session)
        self.heard: list[np.ndarray] = []
        self.openness: dict[int, int] = {}
        self.events: list[tuple[int, SpokenEvent]] = []
        self._tasks: list[asyncio.Task[Any]] = []

    async def start(self) -> None:
        await self.session.open()
        self.session.start()
        work = (self.session.run(), self.speaker.run(), self._listen(), self._watch())
        self._tasks = [asyncio.create_task(part) for part in work]

    async def _listen(self) -> None:
        while True:
            self.heard.append((await self.session.next_audio()).samples)
            self.events += [(self.session.played_tick, event) for event in self.speaker.played()]

    async def _watch(self) -> None:
        while True:
            frame = await self.session.next_frame()
            self.openness[frame.index] = int(frame.yuv[0, 0])

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def audio(self) -> np.ndarray:
        return np.concatenate(self.heard)

    def say(self, *pieces: np.ndarray, close: bool = True) -> None:
        utterance = self.speaker.open()
        for piece in pieces:
            self.speaker.append(utterance, piece)
        if close:
            self.speaker.close(utterance)


def virtually(scenario: Callable[[Stage], Awaitable[Any]]) -> tuple[Stage, Any]:
    async def run() -> tuple[Stage, Any]:
        stage = Stage()
        await stage.start()
        result = await scenario(stage)
        await stage.stop()
        return stage, result

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(run())


def speech(seconds: float, seed: int = 0) -> np.ndarray:
    """Loud audio that is never zero and never repeats."""
    audio = np.random.default_rng(seed).integers(2_000, 9_000, round(seconds * 48_000))
    return (audio * np.where(np.arange(len(audio)) // 80 % 2, 1, -1)).astype(np.int16)


def place(whole: np.ndarray, part: np.ndarray) -> int:
    """Where ``part`` begins in ``whole``; fails unless every sample of it is there."""
    starts = np.flatnonzero(whole[: len(whole) - len(part) + 1] == part[0])
    return next(int(start) for start in starts if np.array_equal(whole[start : start + len(part)], part))


def test_audio_pushed_at_once_plays_without_a_gap_across_utterances() -> None:
    said = [speech(seconds, seed) for seed, seconds in enumerate((7.7771, 0.0333, 3.0101))]

    async def scenario(stage: Stage) -> None:
        await virtual_seconds(0.513)
        for part in said:
            stage.say(*np.split(part, range(700, len(part), 4_321)))
        await virtual_seconds(13)

    stage, _ = virtually(scenario)
    place(stage.audio(), np.concatenate(said))
    assert np.count_nonzero(stage.audio()) == sum(map(len, said))


def test_audio_pushed_as_fast_as_it_is_spoken_and_unevenly_plays_without_a_gap() -> None:
    said = speech(5)

    async def scenario(stage: Stage) -> None:
        utterance = stage.speaker.open()
        for k, piece in enumerate(np.split(said, range(960, len(said), 960))):
            await virtual_seconds(0.06 if k % 3 == 2 else 0.0)
            stage.speaker.append(utterance, piece)
        stage.speaker.close(utterance)
        await virtual_seconds(2)

    stage, _ = virtually(scenario)
    place(stage.audio(), said)


def test_between_utterances_the_face_lives_on_with_a_closed_mouth_and_speaks_again_at_once() -> None:
    async def scenario(stage: Stage) -> None:
        stage.say(speech(1))
        await virtual_seconds(8)
        stage.say(speech(1, 1))
        await virtual_seconds(2)

    stage, _ = virtually(scenario)
    onset = place(stage.audio(), speech(1, 1))
    frame = onset // FRAME_TICKS
    assert stage.openness[frame - 30] == stage.openness[frame - 4] == DARK
    assert stage.openness[frame + 15] == BRIGHT
    assert sorted(stage.openness) == list(range(len(stage.openness)))


def test_a_mark_is_reported_within_a_frame_of_its_place_and_names_the_frame_that_shows_it() -> None:
    places = (0, 1, 959, 960, 12_345, 96_000)

    async def scenario(stage: Stage) -> None:
        await virtual_seconds(0.3)
        utterance, done = stage.speaker.open(), 0
        for k, tick in enumerate(places):
            stage.speaker.append(utterance, speech(2)[done:tick])
            stage.speaker.mark(utterance, f"m{k}")
            done = tick
        stage.speaker.close(utterance)
        await virtual_seconds(3)

    stage, _ = virtually(scenario)
    onset = place(stage.audio(), speech(2))
    marks = [(told, event) for told, event in stage.events if isinstance(event, MarkReached)]
    assert [event.mark for _, event in marks] == [f"m{k}" for k in range(len(places))]
    for tick, (told, event) in zip(places, marks, strict=True):
        assert event.played == tick
        assert event.frame == (onset + tick) // FRAME_TICKS
        assert 0 <= told - (onset + tick) < FRAME_TICKS
    first, last = stage.events[0][1], stage.events[-1][1]
    assert first == UtteranceStarted(1, onset // FRAME_TICKS)
    assert last == UtteranceEnded(1, (onset + 96_000) // FRAME_TICKS, 96_000)


@pytest.mark.parametrize("after", [0.01, 1.1, 2.5])
def test_a_mark_that_is_set_when_everything_was_said_or_sent_tells_the_end(after: float) -> None:
    async def scenario(stage: Stage) -> None:
        utterance = stage.speaker.open()
        stage.speaker.append(utterance, speech(1))
        stage.speaker.close(utterance)
        await virtual_seconds(after)
        stage.speaker.mark(utterance, "end")
        await virtual_seconds(2)

    stage, _ = virtually(scenario)
    end = place(stage.audio(), speech(1)) + 48_000
    (told, reached), *_ = [pair for pair in stage.events if isinstance(pair[1], MarkReached)]
    assert reached == MarkReached(1, end // FRAME_TICKS, "end", 48_000)
    assert told - max(end, round(after * 48_000) - stage.session.plan.preroll) < 2 * FRAME_TICKS


@pytest.mark.parametrize("after", [0.9, 1.0037, 1.5])
def test_an_interruption_tells_to_the_sample_what_was_heard_and_what_follows_is_said_whole(after: float) -> None:
    async def scenario(stage: Stage) -> Interruption:
        stage.say(speech(0.5))
        utterance = stage.speaker.open()
        stage.speaker.append(utterance, speech(20, 1))
        stage.speaker.mark(utterance, "late")
        await virtual_seconds(after)
        stage.speaker.played()
        interruption = stage.speaker.interrupt()
        stage.say(speech(1, 2))
        await virtual_seconds(3)
        return interruption

    stage, interruption = virtually(scenario)
    heard = stage.audio()
    cut = place(heard, speech(0.5)) + 24_000 + interruption.played
    assert (interruption.utterance, interruption.marks) == (2, ("late",))
    assert interruption.frame == cut // FRAME_TICKS
    np.testing.assert_array_equal(heard[cut - interruption.played : cut], speech(20, 1)[: interruption.played])
    again = place(heard, speech(1, 2))
    assert not heard[cut:again].any() and not heard[again + 48_000 :].any()
    assert (again - cut) / 48_000 < stage.session.plan.delay / 48_000 + 2 * PACKET_TICKS / 48_000
    assert stage.openness[again // FRAME_TICKS - 1] < DARK + (BRIGHT - DARK) / 8
    assert not [event for _, event in stage.events if isinstance(event, MarkReached)]


def test_an_interruption_of_nothing_says_so_and_clearing_lets_the_sentence_end() -> None:
    async def scenario(stage: Stage) -> tuple[Interruption, int]:
        stage.say(speech(1))
        await virtual_seconds(3)
        nothing = stage.speaker.interrupt()
        stage.say(speech(1, 1))
        stage.say(speech(1, 2))
        await virtual_seconds(0.5)
        cleared = stage.speaker.clear()
        await virtual_seconds(2)
        return nothing, cleared

    stage, (nothing, cleared) = virtually(scenario)
    assert (nothing.utterance, nothing.played, nothing.marks) == (None, 0, ())
    assert cleared == 1
    place(stage.audio(), speech(1, 1))
    assert np.count_nonzero(stage.audio()) == 96_000


def test_a_stall_of_the_event_loop_delays_speech_and_loses_none() -> None:
    async def scenario(stage: Stage) -> None:
        await virtual_seconds(1)
        stage.say(np.full(48_000, 5_000, np.int16))
        await virtual_seconds(0.4)
        loop = asyncio.get_running_loop()
        loop._jumping.now += 0.5  # nothing runs for half a second
        await virtual_seconds(3)

    stage, _ = virtually(scenario)
    assert np.count_nonzero(stage.audio()) == 48_000


def test_phones_that_are_told_are_decoded_where_the_audio_plays_and_no_longer_after_an_interruption() -> None:
    """A phone of half a second, a second into a tone that the recognizer takes for others."""
    told, columns = 9, dict[int, int]()

    async def scenario(stage: Stage) -> None:
        stage.session.motion_taps.append(lambda motion, column: columns.update({motion.index: int(column.argmax())}))
        await virtual_seconds(0.61)
        utterance = stage.speaker.open()
        phones = [TimedPhone(TICK_RATE, TICK_RATE * 3 // 2, told), TimedPhone(2 * TICK_RATE, 9 * TICK_RATE, told)]
        stage.speaker.append(utterance, speech(9), phones)
        await virtual_seconds(3)
        stage.speaker.interrupt()
        await virtual_seconds(2)

    stage, _ = virtually(scenario)
    start = place(stage.audio(), speech(9)[:9_600])
    frames = [frame for frame, phone in sorted(columns.items()) if phone == told]
    first = [frame for frame in frames if frame < (start + 1.9 * TICK_RATE) / FRAME_TICKS]
    assert len(first) == pytest.approx(15, abs=1)
    assert first[0] * FRAME_TICKS == pytest.approx(start + TICK_RATE, abs=FRAME_TICKS)
    assert set(range(first[0], first[-1])) <= set(first)
    assert len(frames) - len(first) >= 25  # the second phone, up to the interruption
    last = max(columns)
    assert all(columns[frame] == SILENCE for frame in range(last - 30, last))
