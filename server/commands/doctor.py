"""`styletalk doctor`: what this machine has, what it lacks and how to mend it. Changes nothing."""

import argparse
import importlib
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files
from typing import Any

NATIVE_LIBRARIES = {
    "cv2": "apt-get install libgl1 libglib2.0-0",
    "mediapipe": "apt-get install libegl1 libgles2",
    "av": "pip install --force-reinstall av",
    "aiortc": "pip install --force-reinstall aiortc",
    "torch": "pip install torch==2.13.0",
    "onnxruntime": "pip install --force-reinstall onnxruntime",
}
"""Packages that load native code -> the usual cure when they do not."""

WEIGHTS = ("mesh64.safetensors", "recogniser.safetensors", "styletalk.safetensors")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the port to look at."""
    parser.add_argument("--port", type=int, default=8080, help="port that the server will use (default: 8080)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Runs every check; returns ``checks``, a list of ``name``, ``ok`` and ``fix`` (empty when ok)."""
    checks = [{"name": name, "ok": not fix, "fix": fix} for name, fix in _checks(args.port)]
    if not args.json:
        for check in checks:
            print(
                f"{'ok  ' if check['ok'] else 'FAIL'}  {check['name']}"
                + (f"  ->  {check['fix']}" if check["fix"] else "")
            )
    return {"checks": checks}


def _checks(port: int) -> Iterator[tuple[str, str]]:
    """Yields the name of each check and its fix, empty when nothing has to be mended."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield f"Python {version}", "" if sys.version_info >= (3, 11) else "install Python 3.11 or newer"
    cores = os.cpu_count() or 1
    yield f"{cores} CPU cores", "" if cores >= 2 else "use a machine with two cores or more, or --size 256"
    for package, fix in NATIVE_LIBRARIES.items():
        yield f"package {package}", _fix_unless(partial(importlib.import_module, package), fix)
    for weight in WEIGHTS:
        present = files("styletalk_core").joinpath("weights", weight).is_file()
        yield f"weights {weight}", "" if present else f"reinstall styletalk-live: {weight} is missing"
    yield (
        f"port {port} free",
        _fix_unless(lambda: _bind(socket.SOCK_STREAM, port), f"styletalk serve --port {port + 1}"),
    )
    yield "UDP on loopback", _fix_unless(lambda: _bind(socket.SOCK_DGRAM, 0), "allow UDP sockets on 127.0.0.1")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    yield "Chromium for the browser tests", "" if browser else "apt-get install chromium (only the tests need it)"


def _fix_unless(check: Callable[[], object], fix: str) -> str:
    try:
        check()
    except (ImportError, OSError) as error:
        return f"{fix} ({error})"
    return ""


def _bind(kind: socket.SocketKind, port: int) -> None:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
