"""Proves the Pipecat service in a real pipeline: the voice comes back with a face, in order, and can be interrupted."""

import runpy
import time
from pathlib import Path

import numpy as np
import pytest
from deterministic_engine import BRIGHT, DARK, DeterministicEngine

from server.avatar import Avatar

pytest.importorskip("pipecat", reason="needs the extra `pipecat`: pip install 'styletalk-live[pipecat]'")

from pipecat.frames.frames import (
    Frame,
    InterruptionFrame,
    OutputImageRawFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.tests.utils import SleepFrame, run_test

from server.plugs.pipecat import StyleTalkVideoService

ROOT = Path(__file__).parents[3]
SIZE = 64
TONE = (9_000 * np.sin(2 * np.pi * 300 * np.arange(24_000) / 24_000)).astype(np.int16)


class Recorder(FrameProcessor):
    """Keeps what comes out of the service, with the moment."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[tuple[float, Frame]] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.frames.append((time.monotonic(), frame))
        await self.push_frame(frame, direction)

    def of(self, *kinds: type[Frame]) -> list[Frame]:
        return [frame for _, frame in self.frames if isinstance(frame, kinds)]


def speech(samples: np.ndarray, rate: int = 24_000, context: str = "one") -> list[Frame]:
    """What a voice emits: pieces of an odd number of bytes among them."""
    data, size = samples.tobytes(), 4_063
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    audio = [TTSAudioRawFrame(piece, rate, 1, context_id=context) for piece in pieces]
    return [TTSStartedFrame(context_id=context), *audio, TTSStoppedFrame(context_id=context)]


async def piped(frames: list[Frame], engine: DeterministicEngine | None = None) -> Recorder:
    face = StyleTalkVideoService(Avatar("ada", "calm", engine=engine or DeterministicEngine(size=SIZE)))
    recorder = Recorder()
    await run_test(Pipeline([face, recorder]), frames_to_send=frames, start_timeout=30)
    return recorder


async def test_the_voice_comes_back_with_its_face_and_the_end_waits_for_it() -> None:
    text = TTSTextFrame("Hello.", "sentence")
    recorder = await piped([*speech(TONE), text, *speech(TONE[:12_000], context="two")])
    order = recorder.of(TTSStartedFrame, TTSStoppedFrame)
    assert [(type(frame), frame.context_id) for frame in order] == [
        (TTSStartedFrame, "one"),
        (TTSStoppedFrame, "one"),
        (TTSStartedFrame, "two"),
        (TTSStoppedFrame, "two"),
    ]
    audio = recorder.of(TTSAudioRawFrame)
    heard = {context: b"".join(f.audio for f in audio if f.context_id == context) for context in ("one", "two")}
    assert {context: len(data) // 2 for context, data in heard.items()} == {"one": 48_000, "two": 24_000}
    assert {frame.sample_rate for frame in audio} == {48_000}
    assert recorder.of(TTSTextFrame) == [text]
    images = recorder.of(OutputImageRawFrame)
    assert {(frame.size, frame.format, len(frame.image)) for frame in images} == {((SIZE, SIZE), "RGB", 3 * SIZE**2)}
    brightness = [frame.image[0] for frame in images]
    assert max(brightness) - min(brightness) > (BRIGHT - DARK) / 2


async def test_an_interruption_is_silent_within_150_ms_and_the_next_speech_is_heard_whole() -> None:
    frames = [*speech(np.tile(TONE, 10)), SleepFrame(1.5), InterruptionFrame(), SleepFrame(0.5), *speech(TONE)]
    recorder = await piped(frames)
    interrupted = next(moment for moment, frame in recorder.frames if isinstance(frame, InterruptionFrame))
    first_stop = next(moment for moment, frame in recorder.frames if isinstance(frame, TTSStoppedFrame))
    audio = [(moment, frame) for moment, frame in recorder.frames if isinstance(frame, TTSAudioRawFrame)]
    late = [moment - interrupted for moment, _ in audio if interrupted < moment < interrupted + 0.45]
    assert not late or max(late) < 0.15
    after = [frame for moment, frame in audio if moment > interrupted + 0.45]
    assert sum(len(frame.audio) for frame in after) // 2 == 48_000 and first_stop > interrupted


async def test_speech_without_audio_is_passed_on() -> None:
    recorder = await piped([TTSStartedFrame(context_id="x"), TTSStoppedFrame(context_id="x"), *speech(TONE)])
    assert [frame.context_id for frame in recorder.of(TTSStoppedFrame)] == ["x", "one"]


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
async def test_every_rate_of_a_voice_is_taken(rate: int) -> None:
    recorder = await piped(speech(TONE[: rate // 2], rate))
    assert sum(len(frame.audio) for frame in recorder.of(TTSAudioRawFrame)) // 2 == 24_000


def test_the_example_is_short_and_uses_the_service() -> None:
    example = ROOT / "docs/examples/pipecat_bot.py"
    assert len(example.read_text().splitlines()) <= 60
    pytest.importorskip("openai", reason="the example needs the extra `openai` of Pipecat")
    assert runpy.run_path(str(example), run_name="example")["StyleTalkVideoService"] is StyleTalkVideoService
