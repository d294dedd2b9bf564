"""Chromium for the tests: its path, and the audio file used as its microphone."""

import os
import shutil
from pathlib import Path

from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
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
GRANTED = "--use-fake-ui-for-media-stream"
DENIED = "--deny-permission-prompts"
FAKE_DEVICE = "--use-fake-device-for-media-stream"


def executable() -> str | None:
    """STYLETALK_CHROMIUM or the first Chromium on the path."""
    return os.environ.get("STYLETALK_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def launch(playwright: Playwright, *flags: str) -> Browser:
    return playwright.chromium.launch(executable_path=executable(), args=[*FLAGS, *flags])


def speaking(wav: Path) -> tuple[str, ...]:
    """Flags for a microphone that plays ``wav`` (16-bit PCM mono) in a loop."""
    return GRANTED, FAKE_DEVICE, f"--use-file-for-fake-audio-capture={wav}"
