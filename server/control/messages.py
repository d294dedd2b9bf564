"""What is said on the control channel: maps in msgpack or JSON, each field of a client's checked before it is used.

Pure. JSON has no bytes: there they are base64 text.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import msgpack

from server.admission.problems import Refusal
from streaming.engine import StyleChoice

LARGEST_ECHO = 1 << 53
LONGEST_ECHO = 200
MOST_BLENDED = 8
"""Styles in one blend."""


class BadMessage(Refusal):
    """A message that cannot be carried out."""

    def __init__(self, message: str) -> None:
        super().__init__("bad_message", message)


def pack(message: Mapping[str, Any], as_json: bool) -> dict[str, Any]:
    """The event that sends a message: a binary frame with msgpack or a text frame with JSON."""
    if as_json:
        return {"type": "websocket.send", "text": json.dumps(message, separators=(",", ":"))}
    return {"type": "websocket.send", "bytes": msgpack.packb(message)}


def unpack(received: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The message in a received event, a binary frame with msgpack or a text frame with JSON; None: the client left.

    Raises:
        BadMessage: it is no map.
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


def binary(message: Mapping[str, Any], key: str) -> bytes:
    """The bytes under ``key``, in JSON as base64.

    Raises:
        BadMessage: it is something else.
    """
    value = message.get(key)
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(value if isinstance(value, str) else "?", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadMessage(f"{key} must be bytes, or base64 text in JSON.") from error


def text(message: Mapping[str, Any], key: str, default: str) -> str:
    """The text under ``key``.

    Raises:
        BadMessage: it is something else.
    """
    value = message.get(key, default)
    if not isinstance(value, str) or (not value.isascii() and _has_surrogates(value)):
        raise BadMessage(f"{key} must be text.")
    return value


def _has_surrogates(value: str) -> bool:
    """JSON can hold halves of characters, which cannot be sent on."""
    return any("\ud800" <= character <= "\udfff" for character in value)


def echo(message: Mapping[str, Any], key: str) -> str | float | None:
    """What is under ``key`` and can be sent back as it is.

    Raises:
        BadMessage: it is neither text nor a number, or too large.
    """
    value = message.get(key)
    if value is None or (isinstance(value, int | float) and abs(value) < LARGEST_ECHO):
        return value
    if not isinstance(value, str) or len(value) > LONGEST_ECHO:
        raise BadMessage(f"{key} must be a number, or text of at most {LONGEST_ECHO} characters.")
    return text(message, key, "")


def number(message: Mapping[str, Any], key: str, default: float, largest: float) -> float:
    """The number from 0 to ``largest`` under ``key``.

    Raises:
        BadMessage: it is something else.
    """
    value = message.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= largest:
        raise BadMessage(f"{key} must be a number from 0 to {largest:g}.")
    return float(value)


def style_choice(message: Mapping[str, Any], default: StyleChoice) -> StyleChoice:
    """The style under "style", or the blend under "weights": shares by style name, which need not add up to 1.

    Raises:
        BadMessage: both are there, or one is malformed.
    """
    if "weights" not in message:
        return text(message, "style", "") if "style" in message else default
    weights = message["weights"]
    if "style" in message:
        raise BadMessage("Give a style or weights, not both.")
    named = isinstance(weights, dict) and all(isinstance(name, str) for name in weights)
    if not named or not 1 <= len(weights) <= MOST_BLENDED:
        raise BadMessage(f"weights must be a map of 1 to {MOST_BLENDED} style names to shares.")
    shares = {name: number(weights, name, 0.0, 1.0) for name in weights}
    total = sum(shares.values())
    if total == 0:
        raise BadMessage("weights must not all be 0.")
    return {name: share / total for name, share in shares.items() if share > 0}
