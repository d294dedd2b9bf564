"""Proves what a speech-to-speech partner does with answers, tools, interruptions and failures of a Realtime server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from fake_openai import END, HANG, KEY, FakeOpenAI, answer, call, delta, fake_openai
from waiting import until

from server.conversation.partner import Heard, PartnerFailed, Replied
from server.conversation.speech_model.realtime import Realtime
from server.conversation.speech_model.speech_to_speech import SpeechPartner
from server.conversation.style_tool import style_tool
from streaming.speaker import Interruption, Speaker, UtteranceEnded
from streaming.speech_queue import Utterance

TURN = np.zeros(9_600, np.int16)
PATIENT, IMPATIENT = 60.0, 0.1
"""Seconds to wait for what comes on a busy machine, too, and for what does not come."""


class InstantSpeaker(Speaker):
    """A speaker that has played what is queued as soon as an utterance is closed."""

    def __init__(self) -> None:
        self.partner: SpeechPartner | None = None
        self.current = Utterance(0)
        self.appended: Callable[[], None] = lambda: None

    @property
    def waiting(self) -> int:
        return 0

    def open(self) -> Utterance:
        self.current = Utterance(self.current.id + 1)
        return self.current

    def append(self, utterance: Utterance, samples: np.ndarray, phones: object = ()) -> None:
        utterance.length += len(samples)
        self.appended()

    async def wait_for_room(self, ticks: int) -> None:
        pass

    def close(self, utterance: Utterance) -> None:
        utterance.closed = True
        assert self.partner is not None
        ended = UtteranceEnded(utterance.id, 0, utterance.length)
        asyncio.get_running_loop().call_soon(self.partner.spoken, ended)


@dataclass
class StyledFace:
    """A face that keeps its styles."""

    styles: list[str] = field(default_factory=list)

    def listen(self, listening: bool) -> None:
        pass

    async def set_style(self, style: str) -> None:
        self.styles.append(style)

    def interrupt(self) -> Interruption:
        return Interruption(None, 0, 0, ())


@dataclass
class Setting:
    """A partner and what it did."""

    fake: FakeOpenAI
    model: Realtime
    partner: SpeechPartner
    speaker: InstantSpeaker
    face: StyledFace
    told: list[Heard | Replied]

    async def turn(self) -> None:
        self.partner.begin()
        self.partner.hear(TURN)
        async with asyncio.timeout(60):
            await self.partner.answer()

    def sent(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.fake.realtime if message["type"] == kind]


@asynccontextmanager
async def setting(**wanted: Any) -> AsyncIterator[Setting]:
    async with fake_openai(speech_seconds=0.2, **wanted) as fake:
        address = fake.base.replace("http", "ws") + "/realtime"
        told, speaker, face = list[Heard | Replied](), InstantSpeaker(), StyledFace()
        model = Realtime(address, KEY, "gpt", "marin", "Be kind.", (style_tool(["happy"]),), PATIENT)
        speaker.partner = SpeechPartner(model, speaker, face, told.append)
        yield Setting(fake, model, speaker.partner, speaker, face, told)
        await speaker.partner.aclose()


async def test_the_turn_goes_out_and_the_answer_is_heard_with_its_words() -> None:
    async with setting(answers=[answer("It is ", "noon.")]) as made:
        await made.turn()
        assert made.told == [Heard("What time is it?"), Replied("It is noon.", True)]
        assert made.speaker.current.length == 2 * 9_600 and made.fake.keys == {f"Bearer {KEY}"}
        (update,) = made.sent("session.update")
        audio = update["session"]["audio"]
        assert audio["input"]["turn_detection"] is None and audio["output"]["voice"] == "marin"
        await made.turn()
        assert len(made.sent("session.update")) == 1 and len(made.sent("input_audio_buffer.commit")) == 2


async def test_a_tool_is_used_and_the_answer_follows() -> None:
    async with setting(answers=[[call("set_style", '{"style": "happy"}'), END], answer("Glad.")]) as made:
        await made.turn()
        assert made.face.styles == ["happy"] and made.told[-1] == Replied("Glad.", True)
        (item,) = made.sent("conversation.item.create")
        assert item["item"]["call_id"] == "call-0" and "happy" in item["item"]["output"]
        assert len(made.sent("input_audio_buffer.commit")) == 1


async def test_an_interruption_cancels_and_truncates_to_what_was_heard() -> None:
    async with setting(answers=[[delta("One two three."), HANG], answer("Yes.")]) as made:
        made.partner.begin()
        made.partner.hear(TURN)
        answering = asyncio.create_task(made.partner.answer())
        await until(lambda: made.speaker.current.length)
        made.partner.interrupted(Interruption(made.speaker.current.id, 4_800, 0, ()))
        answering.cancel()
        await made.turn()
        (truncated,) = made.sent("conversation.item.truncate")
        assert (truncated["item_id"], truncated["audio_end_ms"]) == ("i1", 100)
        assert len(made.sent("response.cancel")) == 1
        assert made.told[-1] == Replied("Yes.", True) and not made.told[-3].whole  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        (500, "The speech model answered with an error."),
        (["nonsense"], "The answer of the speech model cannot be understood."),
        (['{"type": "error", "error": {"message": "no money"}}'], "The speech model answered with an error."),
        ([delta("Half a sent"), HANG], "The speech model did not answer in time."),
    ],
)
async def test_every_failure_is_a_sentence_and_the_next_turn_is_answered(answers: Any, sentence: str) -> None:
    async with setting(answers=[answers, answer("Fine.")]) as made:
        if HANG in str(answers):
            made.speaker.appended = lambda: setattr(made.model, "_patience", IMPATIENT)
        with pytest.raises(PartnerFailed) as failure:
            await made.turn()
        assert str(failure.value) == sentence
        made.speaker.appended = lambda: None
        made.model._patience = PATIENT
        await made.turn()
        assert made.told[-1] == Replied("Fine.", True)


async def test_a_server_that_is_away_is_a_sentence() -> None:
    async with setting() as made:
        made.model._url = "ws://127.0.0.1:9/realtime"
        with pytest.raises(PartnerFailed, match="cannot be reached"):
            await made.turn()
