"""Sandbox: runs work on untrusted files in a separate process with resource limits.

Decoders of images, audio and video are large C libraries. If a crafted file exploits one, it does so in a process with
little time, memory and file space, without the server's secrets and without access to its sessions.

The process reads one JSON object from standard input and writes frames, one JSON object per line: any number of
``{"done": share}``, then ``{"result": object}`` or ``{"error": code, "message": sentence}``. The server validates the
frames, because the process may have been compromised.

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

from styletalk_core import weights
from styletalk_core.errors import INTERNAL, InputError, StorageError

logger = logging.getLogger(__name__)

NICENESS = 10
"""Nice value of the process relative to the server."""
MEMORY = 3 << 30
"""Memory limit in bytes (RLIMIT_DATA); the face tracker on a 4K video needs less than half."""
FILE_BYTES = 64 << 20
"""Largest file that the process may write, in bytes; avatars and styles have under 2 MB."""
OPEN_FILES = 256
FRAME_BYTES = 1 << 20
"""Longest frame."""
LOG_BYTES = 1 << 16
"""Length of the kept end of standard error."""
KEPT_VARIABLES = ("HOME", "LANG", "LC_ALL", "NUMBA_CACHE_DIR", "PATH", "TMPDIR", "USER", weights.VARIABLE)

Json = dict[str, Any]
Work = Callable[[Json, Callable[[float], None]], Json]
"""Work of the process: takes the request and a progress callback (0 to 1); returns the result."""


class TookTooLong(Exception):
    """The process did not end in time and was killed."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Share of the work that is done, 0 to 1."""

    done: float


@dataclass(frozen=True, slots=True)
class Result:
    """Result of the work."""

    value: Json


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of the work: its code and a message for the user."""

    code: str
    message: str


Frame = Progress | Result | Failure


@dataclass(frozen=True, slots=True)
class Ended:
    """Outcome of a process.

    Attributes:
        answer: its last frame; None when it crashed, exceeded its limits or sent an invalid frame.
        status: its exit status; the negative signal number when it was killed.
        log: the end of its standard error.
    """

    answer: Result | Failure | None
    status: int
    log: str


# The server's side


async def run(module: str, request: Json, seconds: float, progress: Callable[[float], None] | None = None) -> Ended:
    """Run a module that calls `serve`; on cancellation or timeout its process group is killed.

    Args:
        module: name of the module.
        request: for its work.
        seconds: time limit.
        progress: called with the share that is done.

    Raises:
        TookTooLong: the time limit was exceeded.
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
    """Send the request and read frames; returns the last one, None when it is invalid."""
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
        logger.warning("a sandboxed process ended early or sent an invalid frame: %s", error)
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        return None
    return answer


def parse(line: bytes) -> Frame:
    """Return the frame in a line.

    Raises:
        ValueError: the line is not a frame.
    """
    match json.loads(line):
        case {"done": float() | int() as done} if 0 <= done <= 1:
            return Progress(float(done))
        case {"result": dict() as value}:
            return Result(value)
        case {"error": str() as code, "message": str() as message}:
            return Failure(code, message)
    raise ValueError(f"{line[:80]!r} is not a frame")


async def _tail(stream: asyncio.StreamReader | None) -> str:
    """Read a stream to its end; returns the last `LOG_BYTES`."""
    assert stream is not None
    data = b""
    while part := await stream.read(LOG_BYTES):
        data = (data + part)[-LOG_BYTES:]
    return data.decode(errors="replace")


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the process: the server's without keys and secrets."""
    return {name: own[name] for name in KEPT_VARIABLES if name in own}


# The process


def serve(work: Work) -> None:
    """Do the requested work within the limits; ``sys.argv[1]`` is the CPU time limit in seconds.

    Standard output is reserved for frames: output of libraries goes to standard error.
    """
    restrict_process(int(sys.argv[1]))
    frames = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def send(frame: Json) -> None:
        frames.write(json.dumps(frame) + "\n")
        frames.flush()

    try:
        send({"result": work(json.loads(sys.stdin.readline()), lambda done: send({"done": round(done, 3)}))})
    except (InputError, StorageError) as error:
        send({"error": error.code, "message": str(error)})
    except MemoryError:
        raise  # the limit: the file needs too much memory
    except Exception:
        logger.exception("the work failed")
        send({"error": INTERNAL, "message": "the work failed"})


def restrict_process(cpu_seconds: int) -> None:
    """Sets the limits of this process irrevocably."""
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
