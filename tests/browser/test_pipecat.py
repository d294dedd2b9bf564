"""Proves that a Pipecat bot is seen and heard in a browser through `SmallWebRTCTransport`."""

import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Playwright
from ports import free_port
from waiting import blocking_until

from browser import chromium
from browser.conftest import ROOT

pytestmark = pytest.mark.skipif(
    find_spec("pipecat") is None, reason="needs the extra `pipecat`: pip install 'styletalk-live[pipecat]'"
)


@pytest.fixture(scope="module")
def bot() -> Iterator[str]:
    """Address of a running bot."""
    port = free_port()
    address = f"http://127.0.0.1:{port}/"
    process = subprocess.Popen([sys.executable, ROOT / "tests/pipecat_bot.py", str(port)], cwd=ROOT)

    def answers() -> bool:
        assert process.poll() is None
        try:
            with urlopen(address):
                return True
        except OSError:
            return False

    blocking_until(answers, 90)
    yield address
    process.terminate()
    process.wait(60)


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    launched = chromium.launch(playwright)
    yield launched
    launched.close()


def test_a_bot_has_a_face_that_moves_with_its_voice(bot: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(bot)
    deadline = time.monotonic() + 60
    seen = page.evaluate("seen")
    while seen["brightest"] - seen["darkest"] < 100 or seen["loudest"] < 0.1:
        assert time.monotonic() < deadline, seen
        page.wait_for_timeout(200)
        seen = page.evaluate("seen")
    assert seen["width"] == 128 and seen["frames"] > 3
