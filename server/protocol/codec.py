"""Frames of the WebSocket: maps in msgpack (binary frames) or JSON (text frames).

Pure. JSON has no bytes: there they are base64 text.
"""

import json
from collections.abc import Mapping

import msgpack

from server.errors import Refusal
from server.protocol.fields import BadMessage
from server.protocol.requests import MAX_AUDIO_MESSAGE_BYTES, MAX_MESSAGE_BYTES, AppendAudio


def pack(message: Mapping[str, object], as_json: bool) -> dict[str, object]:
    """The ASGI event that sends ``message``: a binary frame with msgpack or a text frame with JSON."""
    if as_json:
        return {"type": "websocket.send", "text": json.dumps(message, separators=(",", ":"))}
    return {"type": "websocket.send", "bytes": msgpack.packb(message)}


def unpack(received: Mapping[str, object]) -> Mapping[str, object] | None:
    """The message in a received ASGI event; None when the client has left.

    Raises:
        BadMessage: it is not a map.
        Refusal: it is too large; only audio may take more than `MAX_MESSAGE_BYTES`.
    """
    if received["type"] == "websocket.disconnect":
        return None
    kind, content = ("JSON", received.get("text")) if received.get("bytes") is None else ("msgpack", received["bytes"])
    content = content if isinstance(content, str | bytes) else ""
    if len(content) > MAX_AUDIO_MESSAGE_BYTES:
        raise _too_large("audio", MAX_AUDIO_MESSAGE_BYTES)
    try:
        message = json.loads(content) if kind == "JSON" else msgpack.unpackb(content)
    except Exception as error:  # both raise several unrelated types on damaged input
        raise BadMessage(f"The message is not {kind}.") from error
    if not isinstance(message, dict):
        raise BadMessage("The message is not a map.")
    if len(content) > MAX_MESSAGE_BYTES and message.get("type") != AppendAudio.type:
        raise _too_large("this type", MAX_MESSAGE_BYTES)
    return message


def _too_large(kind: str, limit: int) -> Refusal:
    return Refusal("too_large", f"A message of {kind} must be at most {limit} bytes.")
