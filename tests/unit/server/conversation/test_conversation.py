"""Proves how soon a face answers, falls silent and listens, in virtual time on an ordinary machine."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from deterministic_engine import BRIGHT, DARK
from virtual_machine import VirtualWorker
from waiting import forever, virtual_seconds

from server.conversation.cascade import Cascade
from server.conversation.chat_model import Message, Tool, ToolCall
from server.conversation.conversation import Conversation, ConversationEvent, Said, State
from server.conversation.partner import Heard, Replied
from server.conversation.turn_detector import TurnDetector
from server.conversation.turns import TurnEvent
from server.tts.voice import VoicePiece
from streaming.clock import MediaClock
from streaming.latency import LatencyPlan
from streaming.media import AudioChunk
from streaming.session import Session, Settings
from streaming.speaker import Interruption, Speaker
from streaming.units import PACKET_TICKS, TICK_RATE
from streaming.virtual_time import VirtualTimeLoop
from styletalk_core.audio import read_audio
from styletalk_core.recognizer.vad import VoiceDetector

SPEECH = Path(__file__).parents[3] / "data/speech/two_sentences.flac"
HALF = (DARK + BRIGHT) / 2
HELLO = 2.1
"""Seconds of the recording that say "Hello, my name is Emma."."""
ONSET, LAST_WORD = 0.26, 2.04
CHAT_SECONDS, VOICE_SECONDS = 0.3, 0.1
"""Time that the fakes take until the first word, and the first sound."""


class Words:
    """A recognizer that knows what is said."""

    def begin(self) -> None:
        pass

    def hear(self, samples: np.ndarray) -> None:
        pass

    async def words(self) -> str:
        return "Hello, my name is Emma."


@dataclass
class Chat:
    """A model that answers in one sentence, and then writes on for ever if it is ``endless``."""

    endless: bool = False
    stopped: int = 0

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool]) -> AsyncGenerator[str | ToolCall, None]:
        await virtual_seconds(CHAT_SECONDS)
        yield "Nice to meet you, Emma. "
        try:
            if self.endless:
                await forever()
        finally:
            self.stopped += 1


@dataclass
class Tone:
    """A voice of so many seconds."""

    seconds: float
    name: str = "tone"

    async def speak(self, text: str) -> AsyncGenerator[VoicePiece, None]:
        await virtual_seconds(VOICE_SECONDS)
        time = np.arange(round(self.seconds * TICK_RATE)) / TICK_RATE
        yield VoicePiece((9_000 * np.sin(2 * np.pi * 300 * time)).astype(np.int16))


@dataclass
class Recorded:
    """A conversation with the moments of what came of it, in seconds of the microphone."""

    sound: list[tuple[float, int]] = field(default_factory=list)
    """(moment, greatest sample) of every packet."""
    frames: list[tuple[float, int]] = field(default_factory=list)
    """(moment, mouth) of every frame."""
    told: list[tuple[float, ConversationEvent]] = field(default_factory=list)
    listening: list[tuple[float, bool]] = field(default_factory=list)

    def loud(self) -> list[float]:
        return [moment for moment, peak in self.sound if peak > 500]

    def moved(self) -> float:
        return next(moment for moment, mouth in self.frames if mouth > HALF)

    def said(self) -> Said:
        """The only sentence."""
        (said,) = [told for _, told in self.told if isinstance(told, Said)]
        assert said.text == "Nice to meet you, Emma."
        return said

    def moments(self, event: ConversationEvent) -> list[float]:
        return [moment for moment, told in self.told if told == event]


class SessionFace:
    """The face of a session without a connection."""

    def __init__(self, speaker: Speaker, keep: Callable[[bool], None]) -> None:
        self._speaker = speaker
        self.listen = keep

    async def set_style(self, style: str) -> None:
        raise NotImplementedError

    def interrupt(self) -> Interruption:
        return self._speaker.interrupt()


def converse(gaps: Sequence[float], seconds: float, chat: Chat, voice: Tone) -> Recorded:
    """Somebody greets after each of the gaps and is silent then, for so many seconds in all."""
    made, microphone = Recorded(), spoken(gaps, seconds)

    async def on_this_thread(work: Callable[[], list[TurnEvent]]) -> list[TurnEvent]:
        return work()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        worker = VirtualWorker(lambda now, kind: 1.0)
        plan = LatencyPlan(worker.engine.recognizer_delay_ticks, budget=worker.plan.budget)
        session = Session(worker, worker.lease(), plan, MediaClock(plan.delay, loop.time), Settings("ada", "calm"), 0)
        running = asyncio.create_task(worker.run())
        await session.open()
        speaker, began = Speaker(session), loop.time()
        face = SessionFace(speaker, lambda listening: made.listening.append((loop.time() - began, listening)))

        def tell(event: ConversationEvent) -> None:
            made.told.append((loop.time() - began, event))

        partner = Cascade(Words(), chat, voice, speaker, face, (), "Be kind.", tell)
        conversation = Conversation(partner, face, TurnDetector(VoiceDetector()), on_this_thread, tell)

        async def hear() -> None:
            for start in range(0, len(microphone), PACKET_TICKS):
                await virtual_seconds(began + (start + PACKET_TICKS) / TICK_RATE - loop.time())
                conversation.hear(AudioChunk(start, 0, microphone[start : start + PACKET_TICKS]))

        async def play() -> None:
            while True:
                packet = await session.next_audio()
                made.sound.append((loop.time() - began, int(np.abs(packet.samples.astype(int)).max())))
                for event in speaker.played():
                    conversation.spoken(event)

        async def watch() -> None:
            while True:
                frame = await session.next_frame()
                made.frames.append((loop.time() - began, int(frame.yuv[5, 5])))

        session.start()
        work = (session.run(), speaker.run(), conversation.run(), hear(), play(), watch())
        tasks = [running, *map(asyncio.create_task, work)]
        await virtual_seconds(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(main())
    return made


def spoken(gaps: Sequence[float], seconds: float) -> np.ndarray:
    """(n,) int16 48 kHz: the greeting after each gap."""
    greeting = (read_audio(SPEECH, TICK_RATE)[: round(HELLO * TICK_RATE)] * 32_767).astype(np.int16)
    samples, at = np.zeros(round(seconds * TICK_RATE), np.int16), 0.0
    for gap in gaps:
        start = round((at + gap) * TICK_RATE)
        samples[start : start + len(greeting)] = greeting
        at += gap + HELLO
    return samples


def test_the_face_moves_within_700_ms_of_the_last_word_plus_the_time_of_the_model_and_the_voice() -> None:
    made = converse([0.5], 6.0, Chat(), Tone(1.0))
    elapsed = made.moved() - 0.5 - LAST_WORD
    assert CHAT_SECONDS + VOICE_SECONDS < elapsed <= 0.7 + CHAT_SECONDS + VOICE_SECONDS, elapsed
    assert [told for _, told in made.told] == [
        State.HEARING,
        State.THINKING,
        Heard("Hello, my name is Emma."),
        State.SPEAKING,
        made.said(),
        Replied("Nice to meet you, Emma.", True),
        State.LISTENING,
    ]
    assert len(made.loud()) == pytest.approx(1.0 / 0.02, abs=1)


def test_the_face_listens_while_the_person_speaks() -> None:
    made = converse([0.5], 6.0, Chat(), Tone(1.0))
    (began, listens), (ended, no_longer) = made.listening[:2]
    assert listens and not no_longer and not any(listening for _, listening in made.listening[2:])
    assert 0.5 + ONSET < began < 0.5 + ONSET + 0.15 and 0.5 + LAST_WORD < ended < 0.5 + LAST_WORD + 0.45


def test_an_interruption_is_silent_within_200_ms_and_nothing_stale_follows() -> None:
    chat, second = Chat(endless=True), 0.5 + HELLO + 4.0 + ONSET
    made = converse([0.5, 4.0], 11.0, chat, Tone(8.0))
    told = [told for _, told in made.told if isinstance(told, Replied)]
    assert told[0].whole is False and 0 < len(told[0].words.split()) < 5
    assert made.moments(State.HEARING)[1] - second < 0.15
    before = [moment for moment in made.loud() if moment < second]
    late = [moment - second for moment in made.loud() if moment > second]
    assert before and late and max(m for m in late if m < 1.0) <= 0.2
    answer = made.moments(State.SPEAKING)[1]
    assert not [moment for moment in made.loud() if second + 0.2 < moment < answer - 0.05]
    shut = [moment for moment, mouth in made.frames if second + 0.5 < moment < answer - 0.3 and mouth > HALF]
    assert not shut and chat.stopped == 2


def test_who_goes_on_before_the_answer_is_heard_has_not_lost_the_words() -> None:
    made = converse([0.5, 0.5], 8.0, Chat(), Tone(0.5))
    replies = [told for _, told in made.told if isinstance(told, Replied)]
    assert [reply.whole for reply in replies] == [False, True] and replies[0].words == ""
