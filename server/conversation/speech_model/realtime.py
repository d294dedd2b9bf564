"""Speech-to-speech model of a server with OpenAI's Realtime protocol, over a WebSocket.

Runs on: event loop. The connection is opened when the person begins to speak, and again after it was lost; turns are
detected by the caller. An answer that was cut off is cancelled and truncated to what was heard.
"""

import asyncio
import base64
import binascii
import itertools
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from server.conversation.chat_model import Tool, ToolCall
from server.conversation.partner import Heard
from server.conversation.speech_model.realtime_connection import NOUN, RealtimeConnection
from server.conversation.speech_model.speech_to_speech import SPEECH_RATE, Piece
from server.tts.endpoint import PATIENCE_SECONDS, EndpointFailed
from server.tts.voice import pcm
from streaming.audio.decimator import Decimator
from streaming.tasks import cancel
from streaming.units import TICK_RATE


class Realtime:
    """Implements `SpeechToSpeech`.

    Args:
        url: of the WebSocket, such as ``wss://api.openai.com/v1/realtime``.
        key: sent as a bearer token unless empty.
        model, voice: names on that server; its own voice when empty.
        instructions: for the model.
        tools: that it may call.
        patience: seconds without a message after which an answer is given up.
    """

    def __init__(
        self,
        url: str,
        key: str,
        model: str,
        voice: str,
        instructions: str,
        tools: Sequence[Tool],
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._url = f"{url}{'&' if '?' in url else '?'}model={quote(model)}"
        self._key = key
        self._settings = _session(voice, instructions, tools)
        self._patience = patience
        self._decimator = Decimator(TICK_RATE // SPEECH_RATE)
        self._opening: asyncio.Task[RealtimeConnection] | None = None
        self._waiting: list[dict[str, object]] = []
        """Messages for a connection that is being opened."""
        self._ids = itertools.count()
        self._turn = False
        """There is audio that was not answered."""
        self._running = False
        """An answer is being made."""
        self._item = ""
        """The answer that is being heard."""

    def begin(self) -> None:
        """Begins a turn."""
        connection = self._connection
        if self._opening is None or (self._opening.done() and (connection is None or connection.lost)):
            self._waiting.clear()
            self._opening = asyncio.create_task(self._open(), name="speech model connect")
        self._decimator = Decimator(TICK_RATE // SPEECH_RATE)
        self._turn = True
        self._send("input_audio_buffer.clear")

    def hear(self, samples: NDArray[np.int16]) -> None:
        """Passes audio of the turn on."""
        audio = pcm(self._decimator.push(samples)).astype("<i2").tobytes()
        self._send("input_audio_buffer.append", audio=base64.b64encode(audio).decode())

    async def reply(self) -> AsyncGenerator[Piece, None]:
        """Asks for an answer and yields it as it comes."""
        assert self._opening is not None, "a turn has begun"
        connection = await asyncio.shield(self._opening)
        own = [self._send("input_audio_buffer.commit")] if self._turn else []
        own.append(self._send("response.create"))
        self._turn, self._running, self._item, response = False, True, "", None
        with connection.listening() as incoming:
            while self._running:
                message = await connection.receive(incoming, self._patience)
                kind, owner = message.get("type"), _owner(message)
                if kind == "error" and _cause(message) in (None, *own):
                    raise EndpointFailed(f"The {NOUN} answered with an error.")
                if kind == "response.created" and response is None:
                    response = owner
                if kind == "conversation.item.input_audio_transcription.completed":
                    yield Heard(str(message.get("transcript", "")).strip())
                elif response is not None and owner == response:  # not of an answer that was cut off
                    for piece in self._pieces(message):
                        yield piece

    def result(self, call: ToolCall, text: str) -> None:
        """Tells the model what a tool has returned."""
        self._send(
            "conversation.item.create", item={"type": "function_call_output", "call_id": call.id, "output": text}
        )

    def truncate(self, played_ms: int) -> None:
        """Cancels the answer and tells what was heard of it."""
        if self._running:
            self._send("response.cancel")
        self._running = False
        if self._item:
            self._send("conversation.item.truncate", item_id=self._item, content_index=0, audio_end_ms=played_ms)

    async def aclose(self) -> None:
        """Ends the connection."""
        opening, self._opening = self._opening, None
        if opening is not None:
            await cancel(opening)
            if not opening.cancelled() and opening.exception() is None:
                await opening.result().aclose()

    @property
    def _connection(self) -> RealtimeConnection | None:
        done = self._opening is not None and self._opening.done() and not self._opening.cancelled()
        return self._opening.result() if done and self._opening and self._opening.exception() is None else None

    async def _open(self) -> RealtimeConnection:
        connection = await RealtimeConnection.open(self._url, self._key)
        for message in (self._settings, *self._waiting):
            connection.send(message)
        self._waiting.clear()
        return connection

    def _send(self, type: str, **fields: object) -> str:
        """Queues a message; returns its id."""
        id = str(next(self._ids))
        message = {"type": type, "event_id": id, **fields}
        if (connection := self._connection) is not None:
            connection.send(message)
        else:
            self._waiting.append(message)
        return id

    def _pieces(self, message: Mapping[str, Any]) -> Iterator[Piece]:
        """Yields what a message of the answer holds; its last one ends `reply`."""
        match message.get("type"):
            case "response.output_audio.delta" | "response.audio.delta":
                self._item = str(message.get("item_id", ""))
                yield _audio(message)
            case "response.output_audio_transcript.delta" | "response.audio_transcript.delta":
                yield str(message.get("delta", ""))
            case "response.done":
                self._running = False
                yield from _calls(message)


def _session(voice: str, instructions: str, tools: Sequence[Tool]) -> dict[str, object]:
    """The first message of a connection."""
    form = {"type": "audio/pcm", "rate": SPEECH_RATE}
    heard = {"format": form, "turn_detection": None, "transcription": {"model": "whisper-1"}}
    spoken = {"format": form} | ({"voice": voice} if voice else {})
    functions = [
        {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.schema()}
        for tool in tools
    ]
    session = {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": instructions,
        "audio": {"input": heard, "output": spoken},
        "tools": functions,
    }
    return {"type": "session.update", "session": session}


def _owner(message: Mapping[str, Any]) -> object:
    """Return the id of the response that a message belongs to."""
    response = message.get("response")
    return response.get("id") if isinstance(response, dict) else message.get("response_id")


def _cause(message: Mapping[str, Any]) -> object:
    """Return the id of the message that an error is about; None when it is about none."""
    error = message.get("error")
    return error.get("event_id") if isinstance(error, dict) else None


def _audio(message: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(str(message.get("delta", "")), validate=True)
    except binascii.Error as error:
        raise EndpointFailed(f"The answer of the {NOUN} cannot be understood.") from error


def _calls(message: Mapping[str, Any]) -> Iterator[ToolCall]:
    """Yields the tools that a complete response calls; fails when the response did."""
    response = message.get("response")
    if not isinstance(response, dict) or response.get("status") == "failed":
        raise EndpointFailed(f"The {NOUN} answered with an error.")
    for item in response.get("output") or ():
        if isinstance(item, dict) and item.get("type") == "function_call":
            yield ToolCall(str(item.get("call_id")), str(item.get("name")), str(item.get("arguments")))
