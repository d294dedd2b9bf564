"""What a call has changed of itself to fit the machine: its picture size and its delay; and the size to ask for.

Runs on: the server's event loop for `Adaptation.of`.
"""

import argparse
from dataclasses import dataclass
from typing import Any

from server.config import ServerConfig
from server.sessions.calls import Call
from streaming.media import TICK_RATE
from styletalk_core.errors import InputError

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Adaptation:
    """Picture size in pixels, how often it has changed, and the delay D in ms: first, at its largest, last."""

    size: int
    size_changes: int
    delay_ms: dict[str, float]

    @classmethod
    def of(cls, call: Call, size: int) -> "Adaptation":
        """That of a call so far; ``size`` is what the worker draws where sessions have none of their own."""
        session: Any = call.session
        constant = round(session.clock.delay * 1000 / TICK_RATE, 1)
        delay = getattr(session.stats, "delay_ms", None)
        return cls(
            getattr(session, "size", size),
            getattr(session.stats, "size_changes", 0),
            {name: getattr(delay, name, constant) for name in ("first", "largest", "last")},
        )


def add_size(parser: argparse.ArgumentParser) -> None:
    """The option ``--size`` of benchmarks that start a server."""
    default = default_size()

    def size(text: str) -> int | str:
        return text if text == AUTO else int(text)

    parser.add_argument(
        "--size", type=size, choices=(AUTO, 256, 384, 512), default=default, help=f"picture size ({default})"
    )


def default_size() -> int | str:
    """``auto`` where the server can choose, else 512."""
    try:
        ServerConfig(size=AUTO)  # type: ignore[arg-type]
    except InputError:
        return 512
    return AUTO
