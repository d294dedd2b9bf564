"""The button that lets the avatar answer: a turn in front of the microphone, and what it says without a model."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from ports import free_port

from browser.conftest import ROOT, wait_until
from browser.server_process import wait_for_answer


@pytest.fixture(scope="module")
def talking_server() -> Iterator[str]:
    """Address of a server with the deterministic engine and fakes of a model, words and a voice."""
    fake, port = free_port(), free_port()
    base = f"http://127.0.0.1:{fake}/v1"
    settings = [f"chat_url={base}", f"transcription_url={base}", f"voice_url={base}", "max_sessions=1"]
    commands = [["tests/fake_openai.py", str(fake)], ["tests/live_server.py", str(port), *settings]]
    processes = [subprocess.Popen([sys.executable, *command], cwd=ROOT) for command in commands]
    wait_for_answer(f"http://127.0.0.1:{port}/readyz")
    yield f"http://127.0.0.1:{port}/"
    for process in processes:
        process.terminate()
        process.wait(60)


def test_one_button_talks_with_the_avatar(
    open_page: Callable[..., Page], speaking_browser: Browser, talking_server: str, artefacts: Path
) -> None:
    page = open_page(speaking_browser, talking_server)
    page.wait_for_selector("#start:enabled")
    page.get_by_role("button", name="Talk with the avatar").click()
    wait_until(page, "styletalk.state === 'live'")
    wait_until(page, "styletalk.events.some(({ type }) => type === 'conversation.heard')")
    expect(page.locator("#caption")).to_contain_text("It is noon.")
    page.screenshot(path=artefacts / "conversation.png")
    wait_until(page, "styletalk.events.find(({ type }) => type === 'conversation.replied')?.text === 'It is noon.'")
    page.keyboard.press("t")
    wait_until(page, "styletalk.events.findLast(({ type }) => type === 'conversation.applied').conversation === false")
    page.click("#start")


def test_without_a_model_the_page_says_in_one_sentence_what_to_pass(page: Page) -> None:
    page.wait_for_selector("#start:enabled")
    page.click("#converse")
    expect(page.locator("#notice-text")).to_contain_text("To talk with the avatar, start the server with --chat-url")
    assert page.evaluate("styletalk.state") == "idle"
    assert page.get_attribute("#converse", "aria-pressed") == "false"
