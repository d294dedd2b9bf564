"""The real server in a separate process, on a loopback port."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ports import free_port

COMMAND = ("-m", "server.cli", "serve")
READY_SECONDS = 180
STOP_SECONDS = 60


def wait_for_answer(address: str, seconds: float = READY_SECONDS) -> None:
    """Waits until an address answers with 200."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            assert time.monotonic() < deadline, address
            time.sleep(0.1)  # another process tells nobody


class ServerProcess:
    """`styletalk serve` with options; use as a context manager.

    Args:
        log: receives what the server prints.
        options: of `styletalk serve`.
        port: a free one by default.
        python: interpreter of another installation.
        folder: working directory.
        environment: instead of this process's.
        ready: seconds until it must be ready.
    """

    def __init__(
        self,
        log: Path,
        *options: str,
        port: int | None = None,
        python: Path | str = sys.executable,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        ready: float = READY_SECONDS,
    ) -> None:
        self.port = port or free_port()
        self.address = f"http://127.0.0.1:{self.port}/"
        self._log = log
        self._command = [str(python), *COMMAND, "--port", str(self.port), *options]
        self._folder = folder
        self._environment = environment
        self._ready_seconds = ready
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "ServerProcess":
        self.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.stop()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=subprocess.STDOUT, cwd=self._folder, env=self._environment
            )
        deadline = time.monotonic() + self._ready_seconds
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"the server did not start:\n{self._log.read_text()[-4000:]}")
            time.sleep(0.2)  # another process tells nobody

    def stop(self) -> None:
        """Ends the process as Ctrl-C or a service manager would; one that hangs is killed and fails the test."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"the server did not stop within {STOP_SECONDS} s of SIGTERM") from None
        finally:
            self._process = None

    def get(self, path: str) -> Any:
        """The JSON at ``path``."""
        with urllib.request.urlopen(self.address + path, timeout=60) as response:
            return json.load(response)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.address + "readyz", timeout=5) as response:
                return response.status == 200
        except OSError:
            return False
