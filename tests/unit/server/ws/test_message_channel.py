"""Proves that a channel reports every error with its code, drops the oldest messages for slow readers, and closes."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from waiting import forever, turns

from server.errors import Refusal
from server.protocol.events import Pong, SpeechStarted, SpeechStopped
from server.protocol.requests import Ping, Request
from server.ws import message_channel
from server.ws.message_channel import OUTGOING_MESSAGES, MessageChannel
from streaming.errors import ControlFailed, EngineFailure
from streaming.speech_queue import QueueFull
from styletalk_core.errors import NotFound

FAULTS: dict[str | float | None, Exception] = {
    "refuse": Refusal("no_captions", "There are none.", room_ms=5),
    "fill": QueueFull("No room."),
    "break": EngineFailure("it broke"),
    "miss": NotFound("There is no such thing."),
    "stumble": ControlFailed("the control failed"),
    "surprise": ValueError("operands could not be broadcast together"),
}


class Socket:
    """Replaces Starlette's WebSocket; the client disconnects after its last message."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.query_params = {"format": "json"}
        self.sent: list[dict[str, Any]] = []
        self.internal_errors: Counter[str] = Counter()
        self.app = SimpleNamespace(state=SimpleNamespace(service=self))
        self._messages = list(messages)

    async def receive(self) -> dict[str, Any]:
        await turns(3)  # what is queued goes out first
        if not self._messages:
            return {"type": "websocket.disconnect"}
        return {"type": "websocket.receive", "text": json.dumps(self._messages.pop(0))}

    async def send(self, message: Mapping[str, Any]) -> None:
        self.sent.append(json.loads(message["text"]))


class Channel(MessageChannel):
    """Fails with the given error."""

    async def handle(self, request: Request) -> None:
        assert isinstance(request, Ping)
        if fault := FAULTS.get(request.t):
            raise fault
        self.send(Pong(request.t))


def channel(*pings: str) -> tuple[Channel, Socket]:
    socket = Socket(*({"type": "ping", "t": t} for t in pings))
    return Channel(socket, [Ping]), socket  # type: ignore[arg-type]


async def test_every_fault_has_its_code_and_the_channel_stays_open(caplog: pytest.LogCaptureFixture) -> None:
    """Unexpected errors are logged, counted and reported as internal, without their message."""
    talking, socket = channel(*map(str, FAULTS), "dance")
    await talking.run()
    codes = [message.get("code") for message in socket.sent]
    assert codes == ["no_captions", "buffer_full", "session_failed", "not_found", "internal", "internal", None]
    assert "broadcast" not in str(socket.sent) and "could not be broadcast together" in caplog.text
    assert socket.internal_errors == {"channel": 1}
    assert socket.sent[0]["room_ms"] == 5 and socket.sent[-1] == {"type": "pong", "t": "dance"}


async def test_other_work_ends_when_the_client_leaves() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await forever()
        finally:
            ended.set()

    talking, _ = channel()
    await asyncio.wait_for(talking.run(work()), 60)
    assert ended.is_set()


async def test_a_client_that_does_not_read_loses_the_oldest_and_what_it_can_do_without() -> None:
    talking, socket = channel()
    for number in range(OUTGOING_MESSAGES + 3):
        talking.send(SpeechStarted(number))
    talking.send_if_read(SpeechStopped(0))
    await talking.run()
    assert [message["frame"] for message in socket.sent] == list(range(3, OUTGOING_MESSAGES + 3))


async def test_a_flood_is_read_more_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_channel, "MESSAGES_AT_ONCE", 2.0)
    monkeypatch.setattr(message_channel, "MESSAGES_PER_SECOND", 20.0)
    talking, socket = channel(*map(str, range(8)))
    began = asyncio.get_running_loop().time()
    await talking.run()
    assert len(socket.sent) == 8 and asyncio.get_running_loop().time() - began > 0.2
