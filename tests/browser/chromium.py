"""Chromium as the benchmarks start it, with the flags that only tests need."""

from playwright.sync_api import Browser, Playwright

from server.lab.benchmarks.chromium import FAKE_DEVICE, FLAGS, GRANTED, executable, speaking

__all__ = ["DENIED", "FAKE_DEVICE", "GRANTED", "executable", "launch", "speaking"]

DENIED = "--deny-permission-prompts"


def launch(playwright: Playwright, *flags: str) -> Browser:
    """Starts it with the common flags and these."""
    return playwright.chromium.launch(executable_path=executable(), args=[*FLAGS, *flags])
