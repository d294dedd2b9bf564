"""Sandboxed work cannot exceed its time or memory, or see the server's secrets."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import jump

from server.http import sandbox
from server.http.sandbox import Failure, Progress, Result, parse

SECONDS = 120
"""Longer than what is run here takes on a busy machine."""
GREEDY = "import server.http.sandbox as c; c.MEMORY = 400 << 20; c.restrict_process(20); b = bytearray(500 << 20)"
LARGE_FILE = """
import os, tempfile
import server.http.sandbox as c
c.FILE_BYTES = 1000
c.restrict_process(20)
file = os.open(tempfile.gettempdir(), os.O_TMPFILE | os.O_WRONLY)
os.write(file, bytes(1000))
os.write(file, b"x")
"""
WORK = """
import os, signal, time
from pathlib import Path
from server.http.sandbox import serve
from styletalk_core.errors import InputError

def work(request, progress):
    Path(request["mark"]).write_text(str(os.getpid()))
    progress(0)
    match request["do"]:
        case "print":
            print("a library prints")
            os.write(1, b"so does one in C\\n")
            progress(0.25)
            progress(1)
            return {"asked": request["do"], "home": "SECRET" in os.environ}
        case "refuse":
            raise InputError("the clip is too short")
        case "stumble":
            raise ValueError("operands could not be broadcast together")
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "greed":
            raise MemoryError
        case "sleep":
            signal.pause()

serve(work)
"""
BABBLE = "import sys; sys.stdin.readline(); print('[1, 2]', flush=True); import signal; signal.pause()"


def sandboxed_python(program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=SECONDS)


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that the work writes its process id into once it runs; `-m work` finds the module in the folder."""
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "babble.py").write_text(BABBLE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", "key")
    return tmp_path / "mark"


def alive(mark: Path) -> bool:
    """True while the process that wrote the file is there."""
    try:
        os.kill(int(mark.read_text()), 0)
    except ProcessLookupError:
        return False
    return True


async def test_the_result_comes_after_the_progress_whatever_libraries_print(mark: Path) -> None:
    shares: list[float] = []
    ended = await sandbox.run("work", {"do": "print", "mark": str(mark)}, SECONDS, shares.append)
    assert ended.answer == Result({"asked": "print", "home": False}) and shares == [0.0, 0.25, 1.0]
    assert "a library prints" in ended.log and "so does one in C" in ended.log


@pytest.mark.parametrize(
    ("do", "answer", "status", "log"),
    [
        ("refuse", Failure("bad_request", "the clip is too short"), 0, ""),
        ("stumble", Failure("internal", "the work failed"), 0, "ValueError: operands could not be broadcast together"),
        ("crash", None, -signal.SIGSEGV, ""),
        ("greed", None, 1, "MemoryError"),
    ],
)
async def test_errors_are_distinguished(mark: Path, do: str, answer: object, status: int, log: str) -> None:
    ended = await sandbox.run("work", {"do": do, "mark": str(mark)}, SECONDS)
    assert (ended.answer, ended.status) == (answer, status)
    assert log in ended.log


async def test_a_process_that_takes_too_long_is_killed(mark: Path) -> None:
    with pytest.raises(sandbox.TookTooLong, match="work took more than 600 s"):
        await sandbox.run("work", {"do": "sleep", "mark": str(mark)}, 600, lambda _: jump(600))
    assert not alive(mark)


async def test_a_process_whose_request_is_given_up_is_killed(mark: Path) -> None:
    working = asyncio.Event()
    request = {"do": "sleep", "mark": str(mark)}
    task = asyncio.create_task(sandbox.run("work", request, SECONDS, lambda _: working.set()))
    await asyncio.wait_for(working.wait(), 60)
    assert alive(mark)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(mark)


async def test_a_process_that_sends_no_frames_is_killed(mark: Path) -> None:
    ended = await sandbox.run("babble", {}, SECONDS)
    assert ended.answer is None and ended.status == -signal.SIGKILL


@pytest.mark.parametrize(
    ("line", "frame"),
    [
        (b'{"done": 1}', Progress(1.0)),
        (b'{"result": {"a": 1}}', Result({"a": 1})),
        (b'{"error": "x", "message": "y"}', Failure("x", "y")),
    ],
)
def test_frames(line: bytes, frame: object) -> None:
    assert parse(line) == frame


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b'{"done": 2}', b'{"done": NaN}', b'{"result": 1}', b'{"error": 1, "message": ""}']
)
def test_what_is_no_frame(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"frame|Expecting"):
        parse(line)


def test_memory_beyond_the_bound_is_not_had() -> None:
    assert "MemoryError" in sandboxed_python(GREEDY).stderr


def test_a_file_beyond_the_bound_is_not_written() -> None:
    assert "File too large" in sandboxed_python(LARGE_FILE).stderr


def test_the_environment_carries_no_secret() -> None:
    own = {"PATH": "/bin", "STYLETALK_HOME": "/data", "STYLETALK_SERVE_API_KEY": "secret", "AWS_SECRET": "other"}
    assert sandbox._environment(own) == {"PATH": "/bin"}
    assert sandbox._environment(own | {"STYLETALK_WEIGHTS": "free"})["STYLETALK_WEIGHTS"] == "free"
