"""Partner made of three parts: a recognizer of words, a language model and a voice.

Runs on: event loop. The first sentence is spoken while the model writes the second one. The model may choose the
speaking style by a tool.
"""

import asyncio
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from server.conversation.chat_model import ChatModel, Message, Tool, ToolCall
from server.conversation.history import History
from server.conversation.partner import Face, Heard, PartnerFailed, Replied
from server.conversation.spoken_reply import SpokenReply
from server.conversation.style_tool import use_style_tool
from server.conversation.transcriber import Transcriber
from server.tts.endpoint import EndpointFailed
from server.tts.voice import Voice, VoiceFailed
from streaming.errors import first_leaf
from streaming.speaker import Interruption, Speaker, SpokenEvent, UtteranceEnded
from styletalk_core.errors import InputError

MAX_ROUNDS = 3
"""Answers of the model in one turn, each but the first after it has called tools."""


class Cascade:
    """Implements `Partner`.

    Args:
        transcriber: finds the person's words.
        model: answers them.
        voice: reads the answers aloud.
        speaker: of the face.
        face: whose style the model may choose.
        tools: that the model may call.
        instructions: for the model.
        on_event: called with what was heard on both sides.
    """

    def __init__(
        self,
        transcriber: Transcriber,
        model: ChatModel,
        voice: Voice,
        speaker: Speaker,
        face: Face,
        tools: Sequence[Tool],
        instructions: str,
        on_event: Callable[[Heard | Replied], None],
    ) -> None:
        self._transcriber = transcriber
        self._model = model
        self._voice = voice
        self._speaker = speaker
        self._face = face
        self._tools = tools
        self._history = History(instructions)
        self._on_event = on_event
        self._reply: SpokenReply | None = None
        self._over = asyncio.Event()

    def begin(self) -> None:
        """Begins a turn."""
        self._transcriber.begin()

    def hear(self, samples: NDArray[np.int16]) -> None:
        """Takes audio of the turn."""
        self._transcriber.hear(samples)

    async def answer(self) -> None:
        """Finds the words, asks the model and speaks its answer; a turn without words is none."""
        try:
            words = await self._transcriber.words()
        except (EndpointFailed, InputError) as error:
            raise PartnerFailed(f"Your words could not be recognized: {error}") from error
        if not words:
            return
        self._history.person(words)
        self._on_event(Heard(words))
        reply = self._reply = SpokenReply(self._speaker, self._voice)
        self._over.clear()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(reply.speak(), name="speak the answer")
                writing = tasks.create_task(self._write(reply), name="write the answer")
        except* VoiceFailed as failures:
            await self._heard_out(reply)
            raise PartnerFailed(str(first_leaf(failures))) from failures
        await self._heard_out(reply)
        if (failure := writing.result()) is not None:
            raise PartnerFailed(str(failure)) from failure

    def spoken(self, event: SpokenEvent) -> None:
        """Notices the end of the answer."""
        utterance = None if self._reply is None else self._reply.utterance
        if isinstance(event, UtteranceEnded) and utterance is not None and event.utterance == utterance.id:
            self._over.set()

    def interrupted(self, interruption: Interruption) -> None:
        """Keeps the words that were heard."""
        reply, self._reply = self._reply, None
        if reply is None:
            return
        ours = reply.utterance is not None and interruption.utterance == reply.utterance.id
        self._keep(reply.heard(interruption.played if ours else 0), whole=False)

    async def aclose(self) -> None:
        """Nothing is held open."""

    async def _write(self, reply: SpokenReply) -> EndpointFailed | None:
        """Let the model write; return why it has failed: what it has completed by then is still spoken."""
        messages = self._history.messages()
        try:
            for _ in range(MAX_ROUNDS):
                calls, written = list[ToolCall](), ""
                async for piece in self._model.reply(messages, self._tools):
                    if isinstance(piece, ToolCall):
                        calls.append(piece)
                    else:
                        written += piece
                        reply.append(piece)
                if not calls:
                    break
                results = [Message("tool", await use_style_tool(self._face, call), call=call.id) for call in calls]
                messages += [Message("assistant", written, tuple(calls)), *results]
                if written.strip():
                    break
        except EndpointFailed as failure:
            reply.finish(whole=False)
            return failure
        reply.finish()
        return None

    async def _heard_out(self, reply: SpokenReply) -> None:
        """Wait until what is spoken has been heard."""
        length = 0 if reply.utterance is None else reply.utterance.length
        if length:
            await self._over.wait()
        self._reply = None
        self._keep(reply.heard(length), whole=True)

    def _keep(self, words: str, whole: bool) -> None:
        self._history.partner(words)
        self._on_event(Replied(words, whole))
