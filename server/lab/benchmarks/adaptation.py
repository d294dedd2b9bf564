"""Records how a session adapts its frame size and delay to the machine, and adds the ``--size`` option.

Runs on: the server's event loop for `Adaptation.of`.
"""

import argparse
from dataclasses import asdict, dataclass

from server.sessions.microphone_session import MicrophoneSession
from streaming.media import to_ms

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Adaptation:
    """Frame size in pixels, the number of its changes, and the first, largest and last delay D in ms."""

    size: int
    size_changes: int
    delay_ms: dict[str, float]

    @classmethod
    def of(cls, live_session: MicrophoneSession) -> "Adaptation":
        """Returns the adaptation of a session so far."""
        session = live_session.media_session
        delay_ms = {name: to_ms(delay) for name, delay in asdict(session.stats.delay).items()}
        return cls(session.size, session.stats.size_changes, delay_ms)


def add_size(parser: argparse.ArgumentParser) -> None:
    """Adds the ``--size`` option of benchmarks that start a server."""

    def size(text: str) -> int | str:
        return text if text == AUTO else int(text)

    parser.add_argument("--size", type=size, choices=(AUTO, 256, 384, 512), default=AUTO, help="video size (auto)")
