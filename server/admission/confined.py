"""Runs a `styletalk` command on files from outside in a process of its own, with bounds on all it may use.

Decoders of photos, sound and video are large and old C libraries: what a crafted file can do to them, it does to a
process that has little time, memory and file space, none of the server's secrets, and no part in its sessions.

Runs on: event loop (`run`); the other process (`main`).
"""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

NICENESS = 10
"""How much less urgent the command is than the server."""
MEMORY = 3 << 30
"""Bytes of data that the command may have; the face tracker on a 4K video needs less than half."""
FILE_BYTES = 64 << 20
"""Longest file that the command may write; avatars and styles have under 2 MB."""
OPEN_FILES = 256
OUTPUT_BYTES = 1 << 20
"""How much of what the command prints is kept."""
KEPT_VARIABLES = (
    "HOME",
    "LANG",
    "LC_ALL",
    "NUMBA_CACHE_DIR",
    "PATH",
    "STYLETALK_HOME",
    "TMPDIR",
    "USER",
    "XDG_DATA_HOME",
)


class TookTooLong(Exception):
    """The command did not end in time and was killed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended; a negative ``status`` is the signal that killed it."""

    status: int
    out: str
    error: str


async def run(arguments: Sequence[str], seconds: float, tell: Callable[[str], None] | None = None) -> Outcome:
    """Runs ``styletalk`` with ``arguments``.

    Args:
        arguments: of the command.
        seconds: how long it may take.
        tell: is called with every line of the output as it comes.

    Raises:
        TookTooLong: it took longer.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.admission.confined", str(int(seconds) + 1), *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(os.environ),
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            out, error = await asyncio.gather(_read(process.stdout, tell), _read(process.stderr, None))
            await process.wait()
    except TimeoutError as late:
        raise TookTooLong(f"styletalk {arguments[0]} took more than {seconds:.0f} s") from late
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    assert process.returncode is not None
    return Outcome(process.returncode, out, error)


async def _read(stream: asyncio.StreamReader | None, tell: Callable[[str], None] | None) -> str:
    """All that a stream gives, up to `OUTPUT_BYTES`; the rest is read and dropped."""
    assert stream is not None
    text, pending = "", ""
    while part := await stream.read(1 << 16):
        text += part.decode(errors="replace") if len(text) < OUTPUT_BYTES else ""
        *lines, pending = (pending + part.decode(errors="replace"))[-OUTPUT_BYTES:].split("\n")
        if tell is not None:
            for line in lines:
                tell(line)
    return text


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """What the command sees of the server's environment: no key, no secret."""
    return {name: own[name] for name in KEPT_VARIABLES if name in own}


def confine(cpu_seconds: int) -> None:
    """Puts the bounds on this process, for good."""
    os.nice(NICENESS)
    cores = os.cpu_count() or 1
    for kind, most in (
        (resource.RLIMIT_CPU, cpu_seconds * cores),
        (resource.RLIMIT_DATA, MEMORY),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def main() -> int:
    """``python -m server.admission.confined SECONDS COMMAND...``"""
    confine(int(sys.argv[1]))
    from server.cli import main as styletalk  # imports only now, within the bounds

    return styletalk(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
