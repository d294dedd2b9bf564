"""A server with OpenAI's API on loopback that answers what a test tells it to: chat, words, speech and Realtime."""

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import uvicorn
from serving import served
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from waiting import forever

KEY = "sk-fake-key"
SPEECH_RATE = 24_000


def delta(text: str) -> str:
    """A server-sent event with a piece of an answer."""
    return f"data: {json.dumps({'choices': [{'delta': {'content': text}}]})}\n\n"


def call(name: str, arguments: str, index: int = 0) -> str:
    """A server-sent event that calls a tool."""
    function = {"index": index, "id": f"call-{index}", "function": {"name": name, "arguments": arguments}}
    return f"data: {json.dumps({'choices': [{'delta': {'tool_calls': [function]}}]})}\n\n"


END = f"data: {json.dumps({'choices': [{'delta': {}, 'finish_reason': 'stop'}]})}\n\ndata: [DONE]\n\n"
HANG = "(hang)"
"""A piece of an answer at which the server stops, with the connection open."""


def answer(*texts: str) -> list[str]:
    """A whole answer in pieces."""
    return [*map(delta, texts), END]


@dataclass
class FakeOpenAI:
    """What it answers, and what it was asked.

    Attributes:
        words: answers of the recognizer, one after the other, the last one again and again.
        answers: pieces of the answers of the chat, likewise; a number is an HTTP status.
        speech_seconds: length of the tone that stands for a sentence.
        before_hanging: called before the chat's last piece before `HANG` is sent.
    """

    words: list[str | int] = field(default_factory=lambda: ["What time is it?"])
    answers: list[list[str] | int] = field(default_factory=lambda: [answer("It is ", "noon.")])
    speech_seconds: float = 1.0
    speech_status: int = 200
    before_hanging: Callable[[], None] = lambda: None
    base: str = ""
    chats: list[dict[str, Any]] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    left: int = 0
    """Chats whose client went away before the end."""
    realtime: list[dict[str, Any]] = field(default_factory=list)
    """Messages of the Realtime client."""

    async def chat(self, request: Request) -> Response:
        self._note(request.headers.get("authorization"))
        self.chats.append(await request.json())
        wanted = self._next(self.answers, len(self.chats))
        if isinstance(wanted, int):
            return JSONResponse({"error": {"message": KEY}}, wanted)
        return StreamingResponse(self._written(wanted), media_type="text/event-stream")

    async def _written(self, pieces: list[str]) -> AsyncIterator[str]:
        try:
            for piece, following in pairwise([*pieces, ""]):
                if piece == HANG:
                    await forever()
                if following == HANG:
                    self.before_hanging()
                yield piece
        except (asyncio.CancelledError, GeneratorExit):
            self.left += 1
            raise

    async def transcribe(self, request: Request) -> Response:
        self._note(request.headers.get("authorization"))
        self.heard.append(await request.body())
        wanted = self._next(self.words, len(self.heard))
        return JSONResponse({}, wanted) if isinstance(wanted, int) else JSONResponse({"text": wanted})

    async def speak(self, request: Request) -> Response:
        self._note(request.headers.get("authorization"))
        self.said.append((await request.json())["input"])
        return Response(self.tone() if self.speech_status == 200 else b"", self.speech_status)

    def tone(self) -> bytes:
        """A sentence: PCM at 24 kHz."""
        time = np.arange(round(self.speech_seconds * SPEECH_RATE)) / SPEECH_RATE
        return (9_000 * np.sin(2 * np.pi * 300 * time)).astype("<i2").tobytes()

    async def converse(self, socket: WebSocket) -> None:
        """The Realtime API: every `response.create` is answered with the next answer's texts and a tone each."""
        self._note(socket.headers.get("authorization"))
        await socket.accept()
        responses = 0
        try:
            while True:
                message = json.loads(await socket.receive_text())
                self.realtime.append(message)
                if message["type"] == "response.create":
                    responses += 1
                    await self._respond(socket, responses)
        except WebSocketDisconnect:
            pass

    async def _respond(self, socket: WebSocket, number: int) -> None:
        own = {"response_id": f"r{number}", "item_id": f"i{number}", "content_index": 0}

        async def send(type: str, **fields: Any) -> None:
            await socket.send_text(json.dumps({"type": type, **fields}))

        wanted = self._next(self.answers, number)
        await send("response.created", response={"id": own["response_id"]})
        await send("conversation.item.input_audio_transcription.completed", transcript=self.words[0])
        output: list[dict[str, str]] = []
        for piece in [] if isinstance(wanted, int) else wanted:
            if piece == HANG:
                return
            if piece.startswith("data: {"):
                (choice,) = json.loads(piece.removeprefix("data: ").split("\n")[0])["choices"]
                for called in choice["delta"].get("tool_calls", ()):
                    output.append({"type": "function_call", "call_id": called["id"], **called["function"]})
                if text := choice["delta"].get("content"):
                    await send("response.output_audio_transcript.delta", delta=text, **own)
                    await send("response.output_audio.delta", delta=base64.b64encode(self.tone()).decode(), **own)
            else:
                await socket.send_text(piece)
        status = "failed" if isinstance(wanted, int) else "completed"
        await send("response.done", response={"id": own["response_id"], "status": status, "output": output})

    def _note(self, authorization: str | None) -> None:
        self.keys.add(authorization or "")

    @staticmethod
    def _next(wanted: list[Any], number: int) -> Any:
        return wanted[min(number, len(wanted)) - 1]


def application(fake: FakeOpenAI) -> Starlette:
    """The routes of a fake."""
    return Starlette(
        routes=[
            Route("/v1/chat/completions", fake.chat, methods=["POST"]),
            Route("/v1/audio/transcriptions", fake.transcribe, methods=["POST"]),
            Route("/v1/audio/speech", fake.speak, methods=["POST"]),
            WebSocketRoute("/v1/realtime", fake.converse),
        ]
    )


@asynccontextmanager
async def fake_openai(**wanted: Any) -> AsyncIterator[FakeOpenAI]:
    """Starts the server and stops it."""
    fake = FakeOpenAI(**wanted)
    async with served(application(fake), "fake") as address:
        fake.base = f"{address}/v1"
        yield fake


if __name__ == "__main__":  # fake_openai.py PORT
    uvicorn.run(application(FakeOpenAI()), port=int(sys.argv[1]), log_level="error")
