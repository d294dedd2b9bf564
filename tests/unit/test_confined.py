"""Proves that a command on foreign files cannot outlast its time, outgrow its memory or see the server's secrets."""

import asyncio
import subprocess
import sys
import time

import pytest

from server.admission import confined

GREEDY = "import server.admission.confined as c; c.MEMORY = 400 << 20; c.confine(20); b = bytearray(500 << 20)"
LARGE_FILE = """
import os, tempfile
import server.admission.confined as c
c.FILE_BYTES = 1000
c.confine(20)
file = os.open(tempfile.gettempdir(), os.O_TMPFILE | os.O_WRONLY)
os.write(file, bytes(1000))
os.write(file, b"x")
"""


def confined_python(program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=30)


async def test_a_command_tells_its_outcome_as_it_would_in_a_terminal() -> None:
    outcome = await confined.run(("style", "add", "me", "/nothing.mp4", "--json"), 30)
    assert outcome.status == 2
    assert outcome.error.splitlines()[-1].endswith("/nothing.mp4 does not exist")


async def test_a_command_that_takes_too_long_is_killed() -> None:
    began = time.monotonic()
    with pytest.raises(confined.TookTooLong, match="styletalk style took more than 0 s"):
        await confined.run(("style", "list"), 0.05)
    assert time.monotonic() - began < 10


async def test_a_command_whose_request_is_given_up_is_killed() -> None:
    task = asyncio.create_task(confined.run(("style", "list"), 30))
    await asyncio.sleep(0.02)  # the interpreter alone takes longer to start
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_memory_beyond_the_bound_is_not_had() -> None:
    assert "MemoryError" in confined_python(GREEDY).stderr


def test_a_file_beyond_the_bound_is_not_written() -> None:
    assert "File too large" in confined_python(LARGE_FILE).stderr


def test_the_environment_carries_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"PATH": "/bin", "STYLETALK_HOME": "/data", "STYLETALK_SERVE_API_KEY": "secret", "AWS_SECRET": "other"}
    assert confined._environment(own) == {"PATH": "/bin", "STYLETALK_HOME": "/data"}
