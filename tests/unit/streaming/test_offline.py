"""Proves that offline rendering equals the live path: frame-exact, repeatable for any number of threads, and that any
abort ends its threads as well."""

import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from deterministic_engine import BRIGHT, DARK, DeterministicEngine
from numpy.typing import NDArray

from streaming import offline
from streaming.errors import EngineFailure
from streaming.frames import drawing
from streaming.scheduling.jobs import JobKind
from streaming.session import Settings
from streaming.units import FRAME_TICKS

RECORDING = np.zeros(3 * 48_000, np.int16)
RECORDING[48_000:96_000] = (9_000 * np.sin(2 * np.pi * 300 * np.arange(48_000) / 48_000)).astype(np.int16)
SYLLABLES = np.where(np.arange(48_000) // 4_800 % 2, RECORDING[48_000:96_000], 0).astype(np.int16)


def test_frames_and_audio_match_the_recording() -> None:
    engine = DeterministicEngine()
    frames = list(offline.render(engine, RECORDING, Settings("ada", "calm")))
    assert [frame.index for frame in frames] == list(range(90))
    np.testing.assert_array_equal(np.concatenate([frame.samples for frame in frames]), RECORDING)
    speaking = [frame.index for frame in frames if frame.yuv[0, 0] > (DARK + BRIGHT) / 2]
    assert abs(speaking[0] - 30) <= 1 and abs(speaking[-1] - 59) <= 1
    assert engine.slots == {}


def test_a_renderer_that_looks_ahead_is_given_the_motion_of_later_frames() -> None:
    """The engine of this test draws the newest motion, and so by as many frames too early."""
    ahead, engine, ticks = 9, DeterministicEngine(), list[int]()
    draw = engine.render

    def render(*args: Any) -> list[NDArray[np.uint8]]:
        ticks.extend(args[-1])
        return draw(*args)

    engine.render = render  # type: ignore[method-assign,assignment]
    frames = list(offline.render(engine, RECORDING, Settings("ada", "calm"), renderer_frames=ahead))
    assert [frame.index for frame in frames] == list(range(90))
    assert ticks[:90] == [(index + ahead) * FRAME_TICKS for index in range(90)]
    speaking = [frame.index for frame in frames if frame.yuv[0, 0] > (DARK + BRIGHT) / 2]
    assert abs(speaking[0] - (30 - ahead)) <= 1 and abs(speaking[-1] - (59 - ahead)) <= 1


def test_the_result_is_the_same_every_time() -> None:
    one, two = (
        [frame.yuv.copy() for frame in offline.render(DeterministicEngine(), RECORDING, Settings("bob", "happy"))]
        for _ in range(2)
    )
    np.testing.assert_array_equal(one, two)


def test_a_recording_that_is_no_whole_number_of_frames_is_padded_with_silence() -> None:
    frames = list(offline.render(DeterministicEngine(), RECORDING[:2_000], Settings("ada", "calm")))
    assert len(frames) == 2 and len(frames[1].samples) == 1_600


def test_an_unknown_avatar_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody"):
        next(offline.render(DeterministicEngine(), RECORDING, Settings("nobody", "calm")))


def test_stopping_early_leaves_nothing_behind() -> None:
    engine = DeterministicEngine()
    frames = offline.render(engine, RECORDING, Settings("ada", "calm"))
    next(frames)
    frames.close()
    assert engine.slots == {}


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    """Every test leaves the threads as they were."""
    before = threading.enumerate()
    yield
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    assert not [name for name in left if name.startswith(drawing.THREAD_NAME)]


class Unsteady(DeterministicEngine):
    """Draws frames out of order, the third before the second. Counts how many are drawn at once and have been begun."""

    def __init__(self) -> None:
        super().__init__()
        self.at_work = self.at_once = self.begun = 0
        self._lock = threading.Lock()
        self._overtaken = threading.Event()

    def render(self, *args: Any) -> list[NDArray[np.uint8]]:
        with self._lock:
            self.at_work += 1
            self.begun += 1
            self.at_once = max(self.at_once, self.at_work)
            number = self.begun
        if number == 2:
            assert self._overtaken.wait(60)
        with self._lock:
            images = super().render(*args)
            self.at_work -= 1
        if number == 3:
            self._overtaken.set()
        return images


def test_the_frames_are_the_same_for_any_number_of_threads() -> None:
    engine = Unsteady()
    one, five = (
        [(frame.index, frame.yuv.tobytes(), frame.samples.tobytes()) for frame in rendered]
        for rendered in (
            offline.render(DeterministicEngine(), SYLLABLES, Settings("ada", "happy")),
            offline.render(engine, SYLLABLES, Settings("ada", "happy"), threads=5),
        )
    )
    assert one == five
    assert sum(before != after for (_, before, _), (_, after, _) in pairwise(one)) > 8
    assert 2 <= engine.at_once <= 5


def test_the_frames_that_wait_are_bounded() -> None:
    engine, ahead = Unsteady(), []
    for shown, _ in enumerate(offline.render(engine, RECORDING, Settings("ada", "calm"), threads=2), start=1):
        time.sleep(0.001)  # the drawing threads run ahead as far as they may
        ahead.append(engine.begun - shown)
    assert max(ahead) <= 2 * offline.FRAMES_PER_THREAD + 3  # a frame is begun some frames before it is due


def test_the_processor_time_of_every_kind_of_job_is_counted() -> None:
    usage = defaultdict[JobKind, float](float)
    list(offline.render(DeterministicEngine(), RECORDING, Settings("ada", "calm"), 2, 0, 2, usage))
    assert {kind for kind, seconds in usage.items() if seconds > 0} == set(JobKind)


@pytest.mark.parametrize("kind", ["recognize", "decode", "render"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_failing_engine_is_reported_and_closed(kind: str, threads: int) -> None:
    engine = DeterministicEngine()
    frames = offline.render(engine, RECORDING, Settings("ada", "calm"), threads=threads)
    next(frames)
    engine.fail_next[kind] = 1
    with pytest.raises(EngineFailure, match=f"failed: {kind} was told to fail"):
        list(frames)
    assert engine.slots == {}


def test_an_interrupt_ends_the_rendering() -> None:
    engine = Unsteady()
    frames = offline.render(engine, RECORDING, Settings("ada", "calm"), threads=2)
    next(frames)
    engine.decode = lambda *_: signal.raise_signal(signal.SIGINT)  # type: ignore[method-assign,assignment,return-value]
    with pytest.raises(KeyboardInterrupt):
        list(frames)
    assert engine.slots == {} and engine.begun < 90
