"""Adaptation of a call to the machine: frame size and delay; and the option for the size.

Runs on: the server's event loop for `Adaptation.of`.
"""

import argparse
from dataclasses import asdict, dataclass

from server.sessions.microphone_session import MicrophoneSession
from streaming.media import to_ms

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Adaptation:
    """Frame size in pixels, its number of changes, and the delay D in ms: first, largest, last."""

    size: int
    size_changes: int
    delay_ms: dict[str, float]

    @classmethod
    def of(cls, live_session: MicrophoneSession) -> "Adaptation":
        """Return the adaptation of a call so far."""
        session = live_session.media_session
        delay_ms = {name: to_ms(delay) for name, delay in asdict(session.stats.delay).items()}
        return cls(session.size, session.stats.size_changes, delay_ms)


def add_size(parser: argparse.ArgumentParser) -> None:
    """The option ``--size`` of benchmarks that start a server."""

    def size(text: str) -> int | str:
        return text if text == AUTO else int(text)

    parser.add_argument("--size", type=size, choices=(AUTO, 256, 384, 512), default=AUTO, help="video size (auto)")
