"""What a client may say on the control channel: msgpack maps, each field checked before it is used.

Pure.
"""

from collections.abc import Mapping
from typing import Any

import msgpack

from streaming.engine import StyleChoice

MOST_BLENDED = 8
"""Styles in one blend."""


class BadMessage(ValueError):
    """A message that cannot be carried out; the text says why."""


def unpack(received: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The message in a received event; None when the client has left.

    Raises:
        BadMessage: it is no msgpack map.
    """
    if received["type"] == "websocket.disconnect":
        return None
    data = received.get("bytes")
    if data is None:
        raise BadMessage("Messages are binary msgpack maps.")
    try:
        message = msgpack.unpackb(data)
    except Exception as error:  # msgpack raises several unrelated types on damaged input
        raise BadMessage("The message is not msgpack.") from error
    if not isinstance(message, dict):
        raise BadMessage("The message is not a map.")
    return message


def text(message: Mapping[str, Any], key: str, default: str) -> str:
    """The text under ``key``.

    Raises:
        BadMessage: it is something else.
    """
    value = message.get(key, default)
    if not isinstance(value, str):
        raise BadMessage(f"{key} must be text.")
    return value


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
