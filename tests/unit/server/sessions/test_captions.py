"""Proves in virtual time that captions are in sync with the face, never early, and absent for interrupted speech."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from deterministic_engine import DeterministicEngine
from waiting import virtual_seconds

from server.errors import Refusal
from server.protocol.events import CaptionWord, Event, TranscriptFinal, encode
from server.sessions.captions import CaptionModel, Captions, Listening
from streaming.clock import MediaClock
from streaming.latency import LatencyPlan
from streaming.media import AudioChunk
from streaming.session import Session, Settings
from streaming.units import FRAME_TICKS, PACKET_TICKS
from streaming.virtual_time import InlineWorker, VirtualTimeLoop
from styletalk_core.recognizer.transcriber import Transcript, Word


class CountingTranscriber:
    """Transcriber whose text counts the tenths of a second received; a phrase ends at every full second."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.heard = self.said = 0

    def push(self, samples: np.ndarray) -> list[Transcript]:
        before, self.heard = self.heard, self.heard + len(samples)
        if self.heard // 16_000 > before // 16_000:
            return self.finish()
        return [Transcript(f"{self.heard // 1_600} tenths", False)] if self.heard // 1_600 > before // 1_600 else []

    def finish(self) -> list[Transcript]:
        if self.heard == self.said:
            return []
        word = Word("phrase", self.said / 16_000, self.heard / 16_000)
        self.said = self.heard
        return [Transcript("phrase", True, (word,))]


class InlineModel(CaptionModel):
    """Runs the recognizer at once."""

    async def transcriber(self) -> Any:
        return CountingTranscriber()

    async def run(self, work: Callable[[], Any]) -> Any:
        return work()


class Scene:
    """A session with captions that receives ``seconds`` of noise."""

    def __init__(self) -> None:
        engine, loop = DeterministicEngine(), asyncio.get_running_loop()
        worker, plan = InlineWorker(engine), LatencyPlan(engine.recognizer_delay_ticks)
        self.session = Session(
            worker, worker.lease(), plan, MediaClock(plan.delay, loop.time), Settings("ada", "calm"), 0
        )
        self.told: list[tuple[float, dict[str, Any]]] = []
        self.captions = Captions(InlineModel(""), self._send)

    def _send(self, event: Event) -> None:
        self.told.append((asyncio.get_running_loop().time(), encode(event)))

    async def start(self) -> None:
        await self.session.open()
        self.session.start()
        self.captions.follow(self.session)
        self.task = asyncio.create_task(self.captions.run())

    async def speak(self, seconds: float, begin: int = 0) -> None:
        clock = self.session.clock
        for start in range(begin, begin + round(seconds * 48_000), PACKET_TICKS):
            await clock.wait_until(clock.deadline(start + PACKET_TICKS - clock.delay))
            self.session.push_audio(AudioChunk(start, 0, np.full(PACKET_TICKS, 1_000, np.int16)))

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def virtually(scenario: Callable[[Scene], Awaitable[None]]) -> Scene:
    async def run() -> Scene:
        scene = Scene()
        await scene.start()
        await scenario(scene)
        await scene.stop()
        return scene

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(run())


def test_captions_are_sent_when_their_audio_is_played_with_the_current_frame() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.speak(2.5)
        await virtual_seconds(2)

    scene = virtually(scenario)
    assert scene.told[0][1] == {"type": "captions.applied", "captions": True}
    told = [(moment, message) for moment, message in scene.told if message["type"].startswith("transcript")]
    clock = scene.session.clock
    for moment, message in told[:-1]:  # the last one ended with a pause
        played = (moment - clock.deadline(0)) * 48_000
        assert -1 <= played - message["frame"] * FRAME_TICKS < 2 * FRAME_TICKS
    finals = [message for _, message in told if message["type"] == "transcript.final"]
    assert [message["text"] for message in finals] == ["phrase"] * 3
    assert finals[0]["words"][0]["start"] == 0
    assert finals[-1]["words"][0]["end"] == pytest.approx(75, abs=1)
    assert sum(message["type"] == "transcript.partial" for _, message in told) > 10


def test_what_was_cut_off_is_not_captioned_and_what_follows_is() -> None:
    cut_at = 0.0

    async def scenario(scene: Scene) -> None:
        nonlocal cut_at
        speaking = asyncio.create_task(scene.speak(3))
        await virtual_seconds(1.5)
        scene.session.interrupt()
        cut_at = asyncio.get_running_loop().time()
        await speaking
        await virtual_seconds(2)

    scene = virtually(scenario)
    delay = scene.session.plan.delay / 48_000
    told = [(moment, message) for moment, message in scene.told if message["type"].startswith("transcript")]
    assert not [message for moment, message in told if cut_at < moment < cut_at + delay - 0.1]
    after = [message["text"] for moment, message in told if moment > cut_at + delay - 0.1]
    assert after[0] in ("1 tenths", "2 tenths") and "phrase" in after


def test_a_long_gap_ends_the_phrase_and_the_next_words_stand_at_their_own_frames() -> None:
    listening = Listening(CountingTranscriber())
    captions = listening.hear([AudioChunk(0, 0, np.ones(24_000, np.int16))])
    captions = listening.hear([AudioChunk(480_000, 0, np.ones(24_000, np.int16))])
    assert [caption.transcript.final for caption in captions] == [True, False]
    final = listening.pause()[0].event()
    assert isinstance(final, TranscriptFinal)
    assert final.words == [CaptionWord("phrase", 300, 315)]


def test_a_server_without_a_model_says_what_to_do() -> None:
    with pytest.raises(Refusal, match="--vosk-model MODEL"):
        CaptionModel("").check()
