"""Language model of a server with OpenAI's ``POST /v1/chat/completions``, hosted or self-hosted, streamed.

Runs on: event loop.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from server.conversation.chat_model import Message, Tool, ToolCall
from server.tts.endpoint import Endpoint, EndpointFailed

MAX_LINE_BYTES: Final = 1 << 20
MAX_CALLS: Final = 8
DATA: Final = b"data:"
DONE: Final = b"[DONE]"


@dataclass(slots=True)
class _Call:
    """A call that is being written."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class RemoteChat:
    """Implements `ChatModel`.

    Args:
        endpoint: the server.
        model: name on that server.
    """

    def __init__(self, endpoint: Endpoint, model: str) -> None:
        self._endpoint = endpoint
        self._model = model

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool]) -> AsyncGenerator[str | ToolCall, None]:
        """Yields the answer as it is written."""
        wanted: dict[str, object] = {
            "model": self._model,
            "stream": True,
            "messages": [_message(message) for message in messages],
        }
        if tools:
            wanted["tools"] = [{"type": "function", "function": _function(tool)} for tool in tools]
        calls = dict[int, _Call]()
        async with self._endpoint.post("chat/completions", json=wanted) as response, aclosing(_data(response)) as lines:
            async for choice in self._choices(lines):
                delta = choice.get("delta") or {}
                if text := delta.get("content"):
                    yield str(text)
                _collect(calls, delta.get("tool_calls") or ())
        for call in calls.values():
            yield ToolCall(call.id, call.name, "".join(call.arguments))

    async def _choices(self, lines: AsyncIterator[bytes]) -> AsyncGenerator[Mapping[str, Any], None]:
        """Yields the first choice of every chunk, up to the end of the answer.

        Raises:
            EndpointFailed: the answer cannot be understood, does not go on, or ends too early.
        """
        complete = False
        while True:
            try:
                async with asyncio.timeout(self._endpoint.patience):  # comments keep a connection alive, not a talk
                    line = await anext(lines, DONE if complete else None)
            except TimeoutError as error:
                raise EndpointFailed(f"The {self._endpoint.noun} did not answer in time.") from error
            if line is None:
                raise EndpointFailed(f"The {self._endpoint.noun} stopped in the middle of its answer.")
            if line == DONE:
                return
            choice = self._choice(line)
            complete = complete or bool(choice.get("finish_reason"))
            yield choice

    def _choice(self, line: bytes) -> Mapping[str, Any]:
        try:
            chunk = json.loads(line)
            if "error" in chunk:
                raise EndpointFailed(f"The {self._endpoint.noun} answered with an error.")
            choices = chunk["choices"]
            choice = choices[0] if choices else {}
            if not isinstance(choice, dict) or not isinstance(choice.get("delta") or {}, dict):
                raise TypeError(choice)
        except (ValueError, TypeError, KeyError) as error:
            raise EndpointFailed(f"The answer of the {self._endpoint.noun} cannot be understood.") from error
        return choice


async def _data(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Yields the data of every server-sent event that is one line; other lines are skipped."""
    rest = b""
    async for piece in response.aiter_bytes():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(DATA):
                yield line[len(DATA) :].strip()
        if len(rest) > MAX_LINE_BYTES:
            return


def _collect(calls: dict[int, _Call], deltas: Sequence[Any]) -> None:
    """Adds the pieces of tool calls in one chunk; malformed ones are left out."""
    for delta in deltas:
        if not isinstance(delta, dict) or not isinstance(delta.get("function") or {}, dict):
            continue
        index, function = delta.get("index", 0), delta.get("function") or {}
        if not isinstance(index, int) or (index not in calls and len(calls) >= MAX_CALLS):
            continue
        call = calls.setdefault(index, _Call())
        call.id = str(delta.get("id") or call.id)
        call.name = str(function.get("name") or call.name)
        call.arguments.append(str(function.get("arguments") or ""))


def _message(message: Message) -> dict[str, object]:
    written: dict[str, object] = {"role": message.role, "content": message.text}
    if message.calls:
        written["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.calls
        ]
    if message.call is not None:
        written["tool_call_id"] = message.call
    return written


def _function(tool: Tool) -> dict[str, object]:
    return {"name": tool.name, "description": tool.description, "parameters": tool.schema()}
