"""Runs work on files from outside in a process of its own, with bounds on all it may use.

Decoders of photos, sound and video are large and old C libraries: what a crafted file can do to them, it does to a
process that has little time, memory and file space, none of the server's secrets, and no part in its sessions.

The process gets one JSON object on its standard input and answers with frames, one JSON object a line: any number of
``{"done": share}``, then ``{"result": object}`` or ``{"error": code, "message": sentence}``. Frames are checked here:
they come from a process that a file may have taken over.

Runs on: event loop (`run`); the other process (`serve`).
"""

import asyncio
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from styletalk_core.errors import INTERNAL, InputError

logger = logging.getLogger(__name__)

NICENESS = 10
"""How much less urgent the process is than the server."""
MEMORY = 3 << 30
"""Bytes of data that the process may have; the face tracker on a 4K video needs less than half."""
FILE_BYTES = 64 << 20
"""Longest file that the process may write; avatars and styles have under 2 MB."""
OPEN_FILES = 256
FRAME_BYTES = 1 << 20
"""Longest frame."""
LOG_BYTES = 1 << 16
"""Length of the end of the standard error that is kept."""
KEPT_VARIABLES = ("HOME", "LANG", "LC_ALL", "NUMBA_CACHE_DIR", "PATH", "TMPDIR", "USER")

Json = dict[str, Any]
Work = Callable[[Json, Callable[[float], None]], Json]
"""Takes the request and a function that is told the share that is done; returns the result."""


class TookTooLong(Exception):
    """The process did not end in time and was killed."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Share of the work that is done, 0 to 1."""

    done: float


@dataclass(frozen=True, slots=True)
class Result:
    """What the work returned."""

    value: Json


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of the work: its code and a sentence for people."""

    code: str
    message: str


Frame = Progress | Result | Failure


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended.

    Attributes:
        answer: its last frame; None where it crashed, was killed for its use of resources, or sent no proper frame.
        status: its exit status; negative: the signal that killed it.
        log: the end of its standard error.
    """

    answer: Result | Failure | None
    status: int
    log: str


# The server's side


async def run(module: str, request: Json, seconds: float, progress: Callable[[float], None] | None = None) -> Ended:
    """Run a module that calls `serve`; cancelled, or late, its process is killed with all that it started.

    Args:
        module: name of the module.
        request: for its work.
        seconds: how long it may take.
        progress: is told the share that is done.

    Raises:
        TookTooLong: it took longer.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, str(int(seconds) + 1)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(os.environ),
        limit=FRAME_BYTES,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            answer, log = await asyncio.gather(_converse(process, request, progress), _tail(process.stderr))
            await process.wait()
    except TimeoutError as late:
        raise TookTooLong(f"{module} took more than {seconds:.0f} s") from late
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    assert process.returncode is not None
    return Ended(answer if process.returncode == 0 else None, process.returncode, log)


async def _converse(
    process: asyncio.subprocess.Process, request: Json, progress: Callable[[float], None] | None
) -> Result | Failure | None:
    """Send the request and read frames; returns the last one, None where there is no proper one."""
    assert process.stdin is not None and process.stdout is not None
    answer: Result | Failure | None = None
    try:
        process.stdin.write(json.dumps(request).encode() + b"\n")
        await process.stdin.drain()
        process.stdin.close()
        while line := await process.stdout.readline():
            frame = parse(line)
            if isinstance(frame, Progress):
                if progress is not None:
                    progress(frame.done)
            else:
                answer = frame
    except (ValueError, ConnectionError) as error:
        logger.warning("a sandboxed process broke off or sent no proper frame: %s", error)
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        return None
    return answer


def parse(line: bytes) -> Frame:
    """Return the frame in a line.

    Raises:
        ValueError: it is none.
    """
    match json.loads(line):
        case {"done": float() | int() as done} if 0 <= done <= 1:
            return Progress(float(done))
        case {"result": dict() as value}:
            return Result(value)
        case {"error": str() as code, "message": str() as message}:
            return Failure(code, message)
    raise ValueError(f"{line[:80]!r} is no frame")


async def _tail(stream: asyncio.StreamReader | None) -> str:
    """Read a stream to its end; returns the last `LOG_BYTES`."""
    assert stream is not None
    data = b""
    while part := await stream.read(LOG_BYTES):
        data = (data + part)[-LOG_BYTES:]
    return data.decode(errors="replace")


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """Return the part of the server's environment that the process sees: no key, no secret."""
    return {name: own[name] for name in KEPT_VARIABLES if name in own}


# The process


def serve(work: Work) -> None:
    """Do the work that the server asked for, within the bounds; ``sys.argv[1]`` is its processor time in seconds.

    Frames have the standard output to themselves: what libraries print goes to the standard error.
    """
    restrict_process(int(sys.argv[1]))
    frames = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def send(frame: Json) -> None:
        frames.write(json.dumps(frame) + "\n")
        frames.flush()

    try:
        send({"result": work(json.loads(sys.stdin.readline()), lambda done: send({"done": round(done, 3)}))})
    except InputError as error:
        send({"error": error.code, "message": str(error)})
    except MemoryError:
        raise  # the bound: the file asks for too much
    except Exception:
        logger.exception("the work failed")
        send({"error": INTERNAL, "message": "the work failed"})


def restrict_process(cpu_seconds: int) -> None:
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
