"""Chromium for benchmarks and tests: where it is, and how it starts with a microphone that plays a file.

Runs on: any thread.
"""

import os
import shutil
from pathlib import Path
from typing import Final

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS: Final = (
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
GRANTED: Final = "--use-fake-ui-for-media-stream"
FAKE_DEVICE: Final = "--use-fake-device-for-media-stream"


def executable() -> str | None:
    """Return STYLETALK_CHROMIUM or the first Chromium on the path; None without one."""
    return os.environ.get("STYLETALK_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def speaking(wav: Path) -> tuple[str, ...]:
    """Return the flags for a microphone that plays ``wav`` (16-bit PCM mono) in a loop."""
    return GRANTED, FAKE_DEVICE, f"--use-file-for-fake-audio-capture={wav}"
