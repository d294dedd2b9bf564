"""Proves what a partner of three parts does with every way in which they fail, against a fake of the endpoints."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from fake_openai import END, HANG, KEY, FakeOpenAI, answer, call, delta, fake_openai
from waiting import turns, until

from server.conversation.cascade import Cascade
from server.conversation.chat_model import Message, ToolCall
from server.conversation.partner import Heard, PartnerFailed, Replied
from server.conversation.remote_chat import RemoteChat
from server.conversation.style_tool import style_tool, use_style_tool
from server.conversation.transcriber import RemoteWords
from server.tts.endpoint import Endpoint
from server.tts.remote import RemoteVoice
from streaming.speaker import Interruption, Speaker, UtteranceEnded
from streaming.speech_queue import Sentence, Utterance
from styletalk_core.errors import NotFound

TURN = np.zeros(4_800, np.int16)
PATIENT, IMPATIENT = 60.0, 0.1
"""Seconds to wait for what comes on a busy machine, too, and for what does not come."""


class InstantSpeaker(Speaker):
    """A speaker that has played what is queued as soon as an utterance is closed."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.partner: Cascade | None = None
        self.plays = True
        self.current = Utterance(0)

    def open(self) -> Utterance:
        self.current = Utterance(self.current.id + 1)
        return self.current

    def mark(self, utterance: Utterance, mark: Any, place: int | None = None) -> None:
        assert isinstance(mark, Sentence)
        self.sentences.append(mark.text)

    def append(self, utterance: Utterance, samples: np.ndarray, phones: object = ()) -> None:
        utterance.length += len(samples)

    async def wait_for_room(self, ticks: int) -> None:
        pass

    def close(self, utterance: Utterance) -> None:
        utterance.closed = True
        if self.plays and self.partner is not None:
            loop = asyncio.get_running_loop()
            loop.call_soon(self.partner.spoken, UtteranceEnded(utterance.id, 0, utterance.length))


@dataclass
class RecordingFace:
    """A face that keeps its styles."""

    styles: list[str] = field(default_factory=list)

    def listen(self, listening: bool) -> None:
        pass

    async def set_style(self, style: str) -> None:
        if style != "happy":
            raise NotFound(f"There is no style named {style!r}.")
        self.styles.append(style)

    def interrupt(self) -> Interruption:
        return Interruption(None, 0, 0, ())


@dataclass
class Setting:
    """A partner and what it did."""

    fake: FakeOpenAI
    partner: Cascade
    chat: Endpoint
    speaker: InstantSpeaker
    face: RecordingFace
    told: list[Heard | Replied]

    async def turn(self) -> None:
        self.partner.begin()
        self.partner.hear(TURN)
        async with asyncio.timeout(60):
            await self.partner.answer()

    def roles(self) -> list[str]:
        return [message["role"] for message in self.fake.chats[-1]["messages"]]


@asynccontextmanager
async def setting(**wanted: Any) -> AsyncIterator[Setting]:
    async with fake_openai(**wanted) as fake:
        words, chat = (Endpoint(noun, fake.base, KEY, PATIENT) for noun in ("transcription server", "chat server"))
        told, speaker, face = list[Heard | Replied](), InstantSpeaker(), RecordingFace()
        voice = RemoteVoice(fake.base, KEY, "tts", "alloy")
        parts = (RemoteWords(words, "whisper"), RemoteChat(chat, "gpt"), voice, speaker, face)
        speaker.partner = Cascade(*parts, (style_tool(["happy"]),), "Be kind.", told.append)
        yield Setting(fake, speaker.partner, chat, speaker, face, told)
        await words.aclose()
        await chat.aclose()


async def test_sentences_are_spoken_as_they_are_written_without_their_marks() -> None:
    async with setting(answers=[answer("**It** is ", "noon. And", " sunny.")]) as made:
        await made.turn()
        assert made.fake.said == ["It is noon.", "And sunny."]
        assert made.told == [Heard("What time is it?"), Replied("**It** is noon. And sunny.", True)]
        (heard,) = made.fake.heard
        assert b"RIFF" in heard and b"whisper" in heard
        assert made.fake.keys == {f"Bearer {KEY}"}
        await made.turn()
        assert made.roles() == ["system", "user", "assistant", "user"]


async def test_a_turn_without_words_is_none() -> None:
    async with setting(words=["  "]) as made:
        await made.turn()
        assert not made.fake.chats and not made.told


@pytest.mark.parametrize(
    ("answers", "said", "sentence"),
    [
        (500, [], "The chat server answered with status 500."),
        ([delta("Half a sent")], [], "The chat server stopped in the middle of its answer."),
        ([delta("One. "), delta("Half a sent")], ["One."], "The chat server stopped in the middle of its answer."),
        ([delta("One. Two"), "data: {]\n\n"], ["One."], "The answer of the chat server cannot be understood."),
        (["data: [1]\n\n"], [], "The answer of the chat server cannot be understood."),
        (['data: {"choices": [7]}\n\n'], [], "The answer of the chat server cannot be understood."),
        (['data: {"error": {"message": "no money"}}\n\n'], [], "The chat server answered with an error."),
        (["<html>" + "x" * 1_000_000], [], "The chat server stopped in the middle of its answer."),
        ([delta("One. Two"), HANG], ["One."], "The chat server did not answer in time."),
        ([], [], "The chat server stopped in the middle of its answer."),
    ],
)
async def test_every_failure_of_the_model_is_a_sentence_and_the_next_turn_is_answered(
    answers: Any, said: list[str], sentence: str
) -> None:
    async with setting(answers=[answers, answer("Fine.")]) as made:
        made.fake.before_hanging = lambda: setattr(made.chat, "patience", IMPATIENT)
        with pytest.raises(PartnerFailed) as failure:
            await made.turn()
        assert str(failure.value) == sentence and made.fake.said == said
        assert made.speaker.current.closed or not said
        made.chat.patience = PATIENT
        await made.turn()
        assert made.told[-1] == Replied("Fine.", True)


async def test_a_failure_of_the_words_and_of_the_voice_is_a_sentence() -> None:
    async with setting(words=[503, "Hello."], speech_status=500) as made:
        with pytest.raises(PartnerFailed, match="Your words could not be recognized: The transcription server"):
            await made.turn()
        with pytest.raises(PartnerFailed, match=r"The voice server answered with status 500\."):
            await made.turn()
        assert made.speaker.current.closed


async def test_an_interruption_closes_the_request_and_keeps_the_words_that_were_heard() -> None:
    async with setting(answers=[[delta("One two three four. Five"), HANG], answer("Yes.")]) as made:
        made.speaker.plays = False
        made.partner.begin()
        answering = asyncio.create_task(made.partner.answer())
        await until(lambda: made.speaker.current.length == 48_000)
        made.partner.interrupted(Interruption(made.speaker.current.id, 32_000, 0, ()))
        answering.cancel()
        await until(lambda: made.fake.left == 1)
        assert made.told[-1] == Replied("One two", False)
        made.speaker.plays = True
        await made.turn()
        assert [m["content"] for m in made.fake.chats[-1]["messages"][2:]] == ["One two", "What time is it?"]


@pytest.mark.parametrize("between", range(4))
async def test_a_request_that_is_given_up_twice_is_closed(between: int) -> None:
    """As when an answer comes too late and is interrupted, ``between`` turns of the event loop later."""
    async with setting(answers=[[delta("One. Two"), HANG]]) as made:
        begun = asyncio.Event()

        async def read() -> None:
            async for _ in RemoteChat(made.chat, "gpt").reply([Message("user", "Hello.")], ()):
                begun.set()

        reading = asyncio.create_task(read())
        await begun.wait()
        reading.cancel()
        await turns(between)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await until(lambda: made.fake.left == 1)


async def test_a_tool_call_changes_the_style_and_the_model_goes_on() -> None:
    pieces = [call("set_style", '{"sty'), call("", 'le": "happy"}'), END]
    async with setting(answers=[pieces, answer("Glad.")]) as made:
        await made.turn()
        assert made.face.styles == ["happy"] and made.fake.said == ["Glad."]
        assert made.roles() == ["system", "user", "assistant", "tool"]
        assert made.fake.chats[0]["tools"][0]["function"]["parameters"]["properties"]["style"]["enum"] == ["happy"]


@pytest.mark.parametrize("arguments", ["", "{}", "[]", '{"style": 3}', "{]"])
async def test_a_malformed_tool_call_is_answered(arguments: str) -> None:
    face = RecordingFace()
    assert "set_style" in await use_style_tool(face, ToolCall("1", "set_style", arguments))
    assert "no style named" in await use_style_tool(face, ToolCall("1", "set_style", '{"style": "sad"}'))
    assert not face.styles


async def test_a_model_that_only_calls_tools_is_stopped() -> None:
    async with setting(answers=[[call("set_style", '{"style": "happy"}'), END]]) as made:
        await made.turn()
        assert 1 < len(made.fake.chats) <= 3 and made.told[-1] == Replied("", True)
