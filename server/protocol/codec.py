"""Frames of the WebSocket: maps in msgpack (binary frames) or JSON (text frames).

Pure. JSON has no bytes: there they are base64 text.
"""

import json
from collections.abc import Mapping

import msgpack

from server.protocol.fields import BadMessage


def pack(message: Mapping[str, object], as_json: bool) -> dict[str, object]:
    """The ASGI event that sends ``message``: a binary frame with msgpack or a text frame with JSON."""
    if as_json:
        return {"type": "websocket.send", "text": json.dumps(message, separators=(",", ":"))}
    return {"type": "websocket.send", "bytes": msgpack.packb(message)}


def unpack(received: Mapping[str, object]) -> Mapping[str, object] | None:
    """The message in a received ASGI event; None when the client has left.

    Raises:
        BadMessage: it is not a map.
    """
    if received["type"] == "websocket.disconnect":
        return None
    data, text = received.get("bytes"), received.get("text")
    kind = "JSON" if data is None else "msgpack"
    try:
        message = json.loads(text if isinstance(text, str) else "") if data is None else msgpack.unpackb(data)
    except Exception as error:  # both raise several unrelated types on damaged input
        raise BadMessage(f"The message is not {kind}.") from error
    if not isinstance(message, dict):
        raise BadMessage("The message is not a map.")
    return message
