"""Proves the timing of a session in virtual time: order, delay, sync, gaps, interruption, overload, isolation."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from deterministic_engine import BRIGHT, DARK, DeterministicEngine
from numpy.typing import NDArray
from waiting import virtual_seconds

from streaming.audio.drift import DriftFollower
from streaming.clock import MediaClock
from streaming.errors import EngineFailure
from streaming.latency import LatencyPlan
from streaming.media import AudioChunk, MotionFrame, RenderedFrame
from streaming.scheduling.jobs import AnyJob
from streaming.scheduling.slots import SlotLease
from streaming.session import Session, Settings
from streaming.units import FRAME_TICKS, PACKET_TICKS, TICK_RATE
from streaming.virtual_time import InlineWorker, VirtualTimeLoop


class Drive:
    """A session in virtual time with a microphone and both outputs."""

    def __init__(self, engine: DeterministicEngine, worker: InlineWorker, settings: Settings, seed: int = 0) -> None:
        loop = asyncio.get_running_loop()
        plan = LatencyPlan(engine.recognizer_delay_ticks)
        self.session = Session(worker, worker.lease(), plan, MediaClock(plan.delay, loop.time), settings, seed)
        self.audio: list[tuple[float, AudioChunk]] = []
        self.frames: list[tuple[float, RenderedFrame]] = []
        self.tasks: list[asyncio.Task[Any]] = []

    async def start(self, samples: np.ndarray, lost: tuple[int, ...] = (), drift: float = 0.0) -> None:
        await self.session.open()
        self.session.start()
        for work in (self.session.run(), self._listen(), self._watch(), self._speak(samples, lost, drift)):
            self.tasks.append(asyncio.create_task(work))

    async def _speak(self, samples: np.ndarray, lost: tuple[int, ...], drift: float) -> None:
        """A microphone whose first sample is tick ``capture``; packet k is lost when k is in ``lost``."""
        loop = asyncio.get_running_loop()
        began, capture = loop.time(), self.session.capture_tick()
        for k, start in enumerate(range(0, len(samples), PACKET_TICKS)):
            due = began + (start + PACKET_TICKS) / 48_000 * (1 + drift)
            await virtual_seconds(due - loop.time())
            if k not in lost:
                packet = samples[start : start + PACKET_TICKS]
                self.session.push_audio(AudioChunk(capture + start, 0, packet))

    async def _listen(self) -> None:
        while True:
            chunk = await self.session.next_audio()
            self.audio.append((asyncio.get_running_loop().time(), chunk))

    async def _watch(self) -> None:
        while True:
            frame = await self.session.next_frame()
            self.frames.append((asyncio.get_running_loop().time(), frame))

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def played(self) -> np.ndarray:
        return np.concatenate([chunk.samples for _, chunk in self.audio])

    def openness(self) -> dict[int, int]:
        return {frame.index: int(frame.yuv[0, 0]) for _, frame in self.frames}


def virtually(scenario: Callable[[], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        return await scenario()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(run())


def tone(seconds: float, frequency: float = 300.0) -> np.ndarray:
    return (9_000 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * 48_000)) / 48_000)).astype(np.int16)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * 48_000), np.int16)


async def drive_for(
    seconds: float, samples: np.ndarray, engine: DeterministicEngine | None = None, **options: Any
) -> Drive:
    engine = engine or DeterministicEngine()
    drive = Drive(engine, InlineWorker(engine), Settings("ada", "calm"))
    await drive.start(samples, **options)
    await virtual_seconds(seconds)
    await drive.stop()
    return drive


def test_the_same_samples_come_back_exactly_d_later() -> None:
    speech = np.random.default_rng(0).integers(-9_000, 9_000, 48_000).astype(np.int16)
    drive = virtually(lambda: drive_for(2, speech))
    played = drive.played()
    first = int(np.flatnonzero(played)[0])
    np.testing.assert_array_equal(played[first : first + 48_000], speech)
    assert first == drive.session.plan.delay - drive.session.plan.preroll


def test_audio_leaves_every_twenty_milliseconds_and_frames_on_the_grid() -> None:
    drive = virtually(lambda: drive_for(10, tone(9)))
    audio = np.array([moment for moment, _ in drive.audio])
    pictures = np.array([moment for moment, _ in drive.frames])
    np.testing.assert_allclose(np.diff(audio), 0.02, atol=0.0011)
    np.testing.assert_allclose(np.diff(pictures), 1 / 30, atol=0.0011)
    assert [chunk.start for _, chunk in drive.audio] == list(range(0, len(audio) * 960, 960))
    assert [image.index for _, image in drive.frames] == list(range(len(pictures)))


def test_the_mouth_moves_with_the_audio_it_is_sent_with() -> None:
    drive = virtually(lambda: drive_for(4, np.concatenate([silence(1), tone(1), silence(1)])))
    played, openness = drive.played(), drive.openness()
    onset = int(np.flatnonzero(np.abs(played) > 500)[0])
    end = int(np.flatnonzero(np.abs(played) > 500)[-1])
    opened = next(index for index, value in openness.items() if value > (DARK + BRIGHT) / 2)
    closed = next(index for index, value in openness.items() if index > opened + 5 and value < (DARK + BRIGHT) / 2)
    assert abs(opened * FRAME_TICKS - onset) <= FRAME_TICKS
    assert abs(closed * FRAME_TICKS - end) <= FRAME_TICKS * 1.5


def test_two_hours_do_not_drift_even_with_a_drifting_microphone() -> None:
    moment, drift, worst = 0.0, 100e-6, 0.0
    clock = MediaClock(10_000, lambda: moment)
    clock.start()
    follower = DriftFollower(PACKET_TICKS)
    capture = clock.capture_tick()
    packets = 2 * 3_600 * 50
    for k in range(1, packets):
        moment = k * 0.02 * (1 + drift)
        clock.slip(follower.arrived(clock.capture_tick() - capture - k * PACKET_TICKS, quiet=k % 500 < 100))
        worst = max(worst, abs(clock.capture_tick() - capture - k * PACKET_TICKS) / 48)
    assert worst < 10
    assert clock.slipped == pytest.approx(packets * PACKET_TICKS * drift, abs=480)


def test_a_lost_packet_is_a_gap_and_moves_nothing() -> None:
    clean = virtually(lambda: drive_for(3, tone(2)))
    lossy = virtually(lambda: drive_for(3, tone(2), lost=(40,)))
    differs = np.flatnonzero(clean.played()[: 2 * 48_000] != lossy.played()[: 2 * 48_000])
    assert differs[-1] - differs[0] < 960
    assert [moment for moment, _ in clean.audio] == [moment for moment, _ in lossy.audio]
    assert lossy.session.stats.concealed == 960
    assert lossy.openness()[60] == BRIGHT


def test_after_ten_seconds_without_audio_the_avatar_speaks_again_at_once() -> None:
    lost = tuple(range(50, 550))
    drive = virtually(lambda: drive_for(14, tone(13), lost=lost))
    openness = drive.openness()
    back = (550 * 960 + drive.session.plan.delay - drive.session.plan.preroll) // FRAME_TICKS
    assert openness[back - 30] == DARK
    assert openness[back + 15] == BRIGHT
    assert drive.session.stats.late == 0


def test_an_interruption_is_silent_from_the_next_packet_and_closes_the_mouth() -> None:
    async def scenario() -> tuple[Drive, float, int]:
        engine = DeterministicEngine()
        drive = Drive(engine, InlineWorker(engine), Settings("ada", "calm"))
        await drive.start(np.concatenate([silence(0.5), tone(1.5)]))
        await virtual_seconds(1.5)
        moment, played = asyncio.get_running_loop().time(), drive.session.interrupt()
        await virtual_seconds(2)
        await drive.stop()
        return drive, moment, played

    drive, moment, played = virtually(scenario)
    d = (drive.session.plan.delay) / 48_000
    stale = [t for t, chunk in drive.audio if t > moment and t < moment + d - 0.03 and chunk.samples.any()]
    assert stale == []
    moving = [t for t, image in drive.frames if moment + 0.2 < t < moment + d - 0.1 and image.yuv[0, 0] > DARK]
    assert moving == []
    after = [t for t, chunk in drive.audio if t > moment + d + 0.1 and chunk.samples.any()]
    assert after, "what was spoken after the interruption is heard"
    assert [chunk.start for _, chunk in drive.audio] == list(range(0, len(drive.audio) * 960, 960))
    assert played == pytest.approx((1.5 - 0.5 - d) * TICK_RATE, abs=0.12 * TICK_RATE)


def test_speech_is_announced_with_the_frame_that_shows_it() -> None:
    drive = virtually(lambda: drive_for(4, np.concatenate([silence(1), tone(1), silence(1)])))
    events = drive.session.events.drain()
    assert [event.started for event in events] == [True, False]
    shift = drive.session.plan.delay - drive.session.plan.preroll
    assert events[0].frame == pytest.approx((48_000 + shift) / FRAME_TICKS, abs=4)
    assert events[1].frame == pytest.approx((96_000 + shift) / FRAME_TICKS, abs=2)


def test_style_and_avatar_change_with_the_frame_that_was_promised() -> None:
    async def scenario() -> tuple[Drive, int, int]:
        engine = DeterministicEngine()
        drive = Drive(engine, InlineWorker(engine), Settings("ada", "calm"))
        await drive.start(silence(3))
        await virtual_seconds(1.005)
        style = await drive.session.set_style("happy", 1.0, 0.5)
        await virtual_seconds(1)
        avatar = await drive.session.set_avatar("bob")
        with pytest.raises(ValueError, match="nobody"):
            await drive.session.set_avatar("nobody")
        await virtual_seconds(1)
        await drive.stop()
        return drive, style, avatar

    drive, style, avatar = virtually(scenario)
    styles = {image.index: int(image.yuv[-1, 0]) for _, image in drive.frames}
    avatars = {image.index: int(image.yuv[64, 0]) for _, image in drive.frames}
    assert (styles[style - 1], styles[style]) == (64, 128)
    assert (avatars[avatar - 1], avatars[avatar]) == (64, 128)
    shown = next(t for t, image in drive.frames if image.index == style)
    assert shown - 1.005 < drive.session.plan.delay / 48_000 + 0.08
    assert [image.index for _, image in drive.frames] == list(range(len(drive.frames)))


def test_the_head_takes_the_manner_of_the_style_without_a_jump() -> None:
    async def scenario() -> list[MotionFrame]:
        engine = DeterministicEngine()
        drive = Drive(engine, InlineWorker(engine), Settings("ada", "happy"))
        seen: list[MotionFrame] = []
        drive.session.motion_taps.append(lambda motion, phones: seen.append(motion))
        await drive.start(silence(6))
        await virtual_seconds(2)
        await drive.session.set_style({"happy": 0.5, "calm": 0.5}, 1.0, 0.5)
        await virtual_seconds(2)
        await drive.session.set_style("calm", 1.0, 0.5)
        await virtual_seconds(2)
        await drive.stop()
        return seen

    pitch = np.array([motion.pose[0] for motion in virtually(scenario)])
    happy, half, calm = (pitch[end - 15 : end].mean() for end in (60, 120, 175))
    assert happy == pytest.approx(0.1, abs=0.025) and half == pytest.approx(0.05, abs=0.025)
    assert calm == pytest.approx(0, abs=0.025) and happy > half > calm
    assert np.abs(np.diff(pitch[5:])).max() < 0.02


def test_a_background_is_shown_from_the_frame_that_was_promised() -> None:
    async def scenario() -> tuple[Drive, int]:
        engine = DeterministicEngine()
        drive = Drive(engine, InlineWorker(engine), Settings("ada", "calm", background="blur"))
        await drive.start(silence(2))
        assert engine.slots[drive.session.lease.slot].background == "blur"
        await virtual_seconds(1.005)
        with pytest.raises(ValueError, match="moon"):
            await drive.session.set_background("moon")
        frame = await drive.session.set_background("transparent")
        await virtual_seconds(1)
        await drive.stop()
        return drive, frame

    drive, frame = virtually(scenario)
    heights = {image.index: len(image.yuv) for _, image in drive.frames}
    assert (heights[frame - 1], heights[frame]) == (96, 192)


def test_sessions_that_share_an_engine_do_not_hear_or_show_each_other() -> None:
    async def scenario() -> list[Drive]:
        engine = DeterministicEngine()
        worker = InlineWorker(engine)
        drives = [
            Drive(engine, worker, Settings(avatar, style), seed)
            for seed, (avatar, style) in enumerate(
                [("ada", "calm"), ("bob", "happy"), ("ada", "neutral"), ("bob", "calm")]
            )
        ]
        for number, drive in enumerate(drives):
            await drive.start(np.concatenate([silence(0.2 * number), tone(2, 200 + 100 * number)]))
        await virtual_seconds(2.5)
        for drive in drives:
            await drive.stop()
        return drives

    drives = virtually(scenario)
    for number, drive in enumerate(drives):
        alone = virtually(
            lambda number=number, drive=drive: drive_for(
                2.5, np.concatenate([silence(0.2 * number), tone(2, 200 + 100 * number)])
            )
        )
        np.testing.assert_array_equal(drive.played(), alone.played())
        assert drive.openness() == alone.openness()
        chroma = {(int(image.yuv[64, 0]), int(image.yuv[-1, 0])) for _, image in drive.frames}
        assert len(chroma) == 1
    assert len({(int(d.frames[0][1].yuv[64, 0]), int(d.frames[0][1].yuv[-1, 0])) for d in drives}) == 4


class SlowWorker(InlineWorker):
    """A worker whose frames take ``delay(count)`` seconds."""

    def __init__(self, engine: DeterministicEngine, delay: Callable[[int], float]) -> None:
        super().__init__(engine)
        self._delay = delay
        self._count = 0

    def render(self, lease: SlotLease, motion: MotionFrame, deadline: float) -> asyncio.Future[NDArray[np.uint8]]:
        picture = super().render(lease, motion, deadline)
        self._count += 1
        wait = self._delay(self._count)

        async def later() -> NDArray[np.uint8]:
            await virtual_seconds(wait)
            return await picture

        return asyncio.ensure_future(later())


async def drive_slowly(delay: Callable[[int], float]) -> Drive:
    """Three seconds with a renderer that takes ``delay(count)`` seconds."""
    engine = DeterministicEngine()
    drive = Drive(engine, SlowWorker(engine, delay), Settings("ada", "calm"))
    await drive.start(silence(3))
    await virtual_seconds(3)
    await drive.stop()
    return drive


def test_a_frame_that_takes_too_long_now_and_then_is_late_and_the_next_is_not() -> None:
    drive = virtually(lambda: drive_slowly(lambda count: 0.08 if count % 15 == 0 else 0.005))
    stats, intervals = drive.session.stats, np.diff([moment for moment, _ in drive.frames])
    assert stats.overdue == pytest.approx(len(drive.frames) / 15, abs=1)
    assert stats.shown == len(drive.frames) and intervals.max() < 0.075
    assert np.median(intervals) == pytest.approx(1 / 30, abs=0.0011)


def test_every_frame_that_is_made_is_shown_however_slow_the_renderer() -> None:
    drive = virtually(lambda: drive_slowly(lambda count: 0.08))
    intervals = np.diff([moment for moment, _ in drive.frames if moment > 1])
    assert intervals == pytest.approx(np.full(len(intervals), 0.08), abs=0.0111)
    assert len(drive.frames) == pytest.approx(3 / 0.08, abs=2)
    np.testing.assert_allclose(np.diff([moment for moment, _ in drive.audio]), 0.02, atol=0.0111)


class FailingWorker(InlineWorker):
    """Every job fails."""

    def submit(self, job: AnyJob) -> None:
        raise EngineFailure("the decoder failed")


def test_a_failing_engine_ends_the_session() -> None:
    async def scenario() -> None:
        engine = DeterministicEngine()
        drive = Drive(engine, FailingWorker(engine), Settings("ada", "calm"))
        drive.session.start()
        with pytest.raises(ExceptionGroup) as error:
            await drive.session.run()
        assert isinstance(error.value.exceptions[0], EngineFailure)

    virtually(scenario)
