"""Checks of message fields: each decodes one value of a client's message, and states in words what it accepts.

Pure. A message class annotates its fields with them; the decoder and the tables of docs/protocol.md both read them.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar

from server.errors import Refusal

MAX_ECHO = 1 << 53
MAX_ECHO_CHARACTERS = 200

T_co = TypeVar("T_co", covariant=True)


class BadMessage(Refusal):
    """A message that cannot be carried out; the text names the field."""

    def __init__(self, message: str) -> None:
        super().__init__("bad_message", message)


class Unset(Enum):
    """The value of an optional field that is not in a message."""

    UNSET = "unset"


UNSET = Unset.UNSET


class Check(Protocol[T_co]):
    """Accepts some values of a field."""

    @property
    def accepts(self) -> str:
        """Description of accepted values, to complete "The field must be ..."."""

    def decode(self, value: object) -> T_co:
        """The value as the message class holds it.

        Raises:
            ValueError: it is not accepted.
        """


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number in a range."""

    low: float
    high: float

    @property
    def accepts(self) -> str:
        return f"a number from {self.low:g} to {self.high:g}"

    def decode(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            raise ValueError(value)
        return float(value)


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number in a range."""

    low: int
    high: int

    @property
    def accepts(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def decode(self, value: object) -> int:
        number = Number(self.low, self.high).decode(value)
        if number != int(number):
            raise ValueError(value)
        return int(number)


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    @property
    def accepts(self) -> str:
        return "true or false"

    def decode(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError(value)
        return value


@dataclass(frozen=True, slots=True)
class Text:
    """Text without lone surrogates, which JSON can hold and which cannot be sent on."""

    low: int
    high: int

    @property
    def accepts(self) -> str:
        return f"text of {self.low} to {self.high} characters"

    def decode(self, value: object) -> str:
        if not isinstance(value, str) or (not value.isascii() and re.search("[\ud800-\udfff]", value)):
            raise ValueError(value)
        if not self.low <= len(value.strip()) or len(value) > self.high:
            raise ValueError(value)
        return value


@dataclass(frozen=True, slots=True)
class Identifier:
    """A name that can stand in an address."""

    high: int

    @property
    def accepts(self) -> str:
        return f"1 to {self.high} letters, digits, '-' and '_'"

    def decode(self, value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(f"[A-Za-z0-9_-]{{1,{self.high}}}", value):
            raise ValueError(value)
        return value


@dataclass(frozen=True, slots=True)
class Binary:
    """Bytes; in JSON base64 text."""

    @property
    def accepts(self) -> str:
        return "bytes, or base64 text in JSON"

    def decode(self, value: object) -> bytes:
        if isinstance(value, bytes):
            return value
        try:
            return base64.b64decode(value if isinstance(value, str) else "?", validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError(value) from error


@dataclass(frozen=True, slots=True)
class Echo:
    """A number or text that is sent back as it came, or nothing."""

    @property
    def accepts(self) -> str:
        return f"a number, or text of at most {MAX_ECHO_CHARACTERS} characters"

    def decode(self, value: object) -> str | float | None:
        if value is None or (isinstance(value, int | float) and abs(value) < MAX_ECHO):
            return value
        return Text(0, MAX_ECHO_CHARACTERS).decode(value)


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares by style name, which need not add up to 1; decoded they do, without those of 0."""

    high: int

    @property
    def accepts(self) -> str:
        return f"a map of 1 to {self.high} style names to numbers from 0 to 1, not all of them 0"

    def decode(self, value: object) -> Mapping[str, float]:
        if not isinstance(value, dict) or not 1 <= len(value) <= self.high:
            raise ValueError(value)
        if not all(isinstance(name, str) for name in value):
            raise ValueError(value)
        shares = {name: Number(0, 1).decode(share) for name, share in value.items()}
        total = sum(shares.values())
        if total == 0:
            raise ValueError(value)
        return {name: share / total for name, share in shares.items() if share > 0}


@dataclass(frozen=True, slots=True)
class Selection:
    """Some of a few words: true for all, false for none."""

    words: tuple[str, ...]

    @property
    def accepts(self) -> str:
        return f"true, false or a list of {', '.join(self.words)}"

    def decode(self, value: object) -> tuple[str, ...]:
        if isinstance(value, bool):
            return self.words if value else ()
        if not isinstance(value, list) or not all(word in self.words for word in value):
            raise ValueError(value)
        return tuple(word for word in self.words if word in value)


@dataclass(frozen=True, slots=True)
class Word:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def accepts(self) -> str:
        return f"one of {', '.join(self.words)}"

    def decode(self, value: object) -> str:
        if not isinstance(value, str) or value not in self.words:
            raise ValueError(value)
        return value


@dataclass(frozen=True, slots=True)
class Direction:
    """Yaw and pitch in radians."""

    yaw: float
    pitch: float

    @property
    def accepts(self) -> str:
        return f"two numbers, yaw from {-self.yaw:g} to {self.yaw:g} and pitch from {-self.pitch:g} to {self.pitch:g}"

    def decode(self, value: object) -> tuple[float, float]:
        if not isinstance(value, list) or len(value) != 2:
            raise ValueError(value)
        return Number(-self.yaw, self.yaw).decode(value[0]), Number(-self.pitch, self.pitch).decode(value[1])


@dataclass(frozen=True, slots=True)
class Nullable(Generic[T_co]):
    """Nothing, or what another check accepts."""

    check: Check[T_co]

    @property
    def accepts(self) -> str:
        return f"{self.check.accepts}, or nil"

    def decode(self, value: object) -> T_co | None:
        return None if value is None else self.check.decode(value)
