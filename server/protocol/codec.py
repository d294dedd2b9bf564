"""Frames of the WebSocket: maps in msgpack (binary frames) or JSON (text frames).

Pure. JSON has no bytes: there they are base64 text.
"""

import json
from collections.abc import Mapping
from typing import Any

import msgpack

from server.protocol.fields import BadMessage


def pack(message: Mapping[str, Any], as_json: bool) -> dict[str, Any]:
    """The ASGI event that sends ``message``: a binary frame with msgpack or a text frame with JSON."""
    if as_json:
        return {"type": "websocket.send", "text": json.dumps(message, separators=(",", ":"))}
    return {"type": "websocket.send", "bytes": msgpack.packb(message)}


def unpack(received: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The message in a received ASGI event; None when the client has left.

    Raises:
        BadMessage: it is not a map.
    """
    if received["type"] == "websocket.disconnect":
        return None
    data = received.get("bytes")
    kind = "JSON" if data is None else "msgpack"
    try:
        message = json.loads(received.get("text") or "") if data is None else msgpack.unpackb(data)
    except Exception as error:  # both raise several unrelated types on damaged input
        raise BadMessage(f"The message is not {kind}.") from error
    if not isinstance(message, dict):
        raise BadMessage("The message is not a map.")
    return message
