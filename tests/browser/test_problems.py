"""The page reports every problem in one clear sentence, and the server keeps running."""

import re
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect
from waiting import blocking_until

from browser import chromium
from browser.conftest import start_call, wait_until
from browser.server_process import ServerProcess

OpenPage = Callable[..., Page]


def expect_notice(page: Page, pattern: str) -> None:
    expect(page.locator("#notice")).to_contain_text(re.compile(pattern))


def test_blocked_microphone(playwright: Playwright, open_page: OpenPage) -> None:
    browser = chromium.launch(playwright, chromium.DENIED, chromium.FAKE_DEVICE)
    page = open_page(browser)
    page.click("#start:enabled")
    expect_notice(page, "The microphone is blocked: allow it")
    assert page.inner_text("#start") == "Start"
    page.context.close()
    browser.close()


def test_no_microphone(playwright: Playwright, open_page: OpenPage) -> None:
    browser = chromium.launch(playwright, chromium.GRANTED)
    page = open_page(browser)
    page.click("#start:enabled")
    expect_notice(page, "No microphone was found: plug one in")
    page.context.close()
    browser.close()


def test_unplugged_microphone_ends_the_call(page: Page) -> None:
    start_call(page)
    page.evaluate("styletalk.microphone.dispatchEvent(new Event('ended'))")
    expect_notice(page, "The microphone was unplugged")
    assert page.evaluate("styletalk.state") == "idle"


@pytest.mark.parametrize("missing", ["RTCPeerConnection", "AudioContext"])
def test_unsupported_browser(open_page: OpenPage, speaking_browser: Browser, missing: str) -> None:
    page = open_page(speaking_browser, script=f"delete window.{missing}")
    expect_notice(page, "This browser cannot make live calls: use a current")
    expect(page.locator("#start")).to_be_disabled()


def test_insecure_page(open_page: OpenPage, speaking_browser: Browser) -> None:
    page = open_page(speaking_browser, script="Object.defineProperty(window, 'isSecureContext', {value: false})")
    expect_notice(page, "only on secure pages: open this one over https or from localhost")


def test_full_server_says_when_it_tries_again_and_lets_the_next_one_in(
    open_page: OpenPage, speaking_browser: Browser
) -> None:
    first, second = (open_page(speaking_browser) for _ in range(2))
    start_call(first)
    second.click("#start:enabled")
    expect_notice(second, r"The server is full\. Trying again in \d+ s\.")
    assert first.evaluate("styletalk.state") == "live"
    first.click("#start")
    wait_until(second, "styletalk.state === 'live'")
    assert second.locator("#notice").is_hidden()


def test_a_client_that_vanishes_frees_its_slot(
    server: ServerProcess, playwright: Playwright, open_page: OpenPage, speech_wav: Path
) -> None:
    browser = chromium.launch(playwright, *chromium.speaking(speech_wav))
    start_call(open_page(browser))
    assert active_sessions(server) == 1
    browser_process = browser.new_browser_cdp_session()
    with pytest.raises(Exception, match="closed"):
        browser_process.send("Browser.crash")
    blocking_until(lambda: active_sessions(server) == 0)


def active_sessions(server: ServerProcess) -> int:
    with urllib.request.urlopen(server.address + "metrics", timeout=60) as response:
        text = response.read().decode()
    return int(float(re.search(r"^styletalk_sessions(?:_active)? (\S+)$", text, re.MULTILINE)[1]))


def test_restarted_server_is_found_again_without_reload(
    artefacts: Path, open_page: OpenPage, speaking_browser: Browser
) -> None:
    with ServerProcess(artefacts / "restarted-server.log") as server:
        page = open_page(speaking_browser, server.address)
        start_call(page)
        style = page.locator("#styles input").nth(1)
        style.check(force=True)
        server.stop()
        wait_until(page, "styletalk.state === 'reconnecting'")
        expect_notice(page, r"(The connection was lost|The server does not answer).*Trying again")
        server.start()
        wait_until(page, "styletalk.state === 'live'")
        page.wait_for_selector("#stage.playing")
        assert page.locator("#notice").is_hidden()
        assert (
            page.evaluate("styletalk.events.findLast(({type}) => type === 'style.applied').style")
            == style.input_value()
        )


def test_lost_control_channel_resumes_the_same_session(page: Page) -> None:
    page.add_init_script(REMEMBER_SOCKETS)
    page.reload()
    start_call(page)
    style = page.locator("#styles input").nth(1)
    style.check(force=True)
    wait_until(page, "styletalk.events.some(({type}) => type === 'style.applied')")
    session = page.evaluate("styletalk.session")
    page.evaluate("sockets.at(-1).close()")
    wait_until(page, "styletalk.state === 'reconnecting'")
    wait_until(page, "styletalk.state === 'live'")
    created = page.evaluate("styletalk.events.findLast(({type}) => type === 'session.created')")
    assert created["session"] == session
    assert created["style"] == style.input_value()


def test_network_that_returns_is_used_again(page: Page) -> None:
    page.add_init_script(REMEMBER_SOCKETS)
    page.reload()
    start_call(page)
    session = page.evaluate("styletalk.session")
    page.context.set_offline(True)
    page.evaluate("sockets.at(-1).close()")
    wait_until(page, "styletalk.state === 'reconnecting'")
    page.context.set_offline(False)
    wait_until(page, "styletalk.state === 'live'")
    assert page.evaluate("styletalk.session") == session


REMEMBER_SOCKETS = """
window.sockets = [];
window.WebSocket = class extends WebSocket {
  constructor(...args) { super(...args); sockets.push(this); }
};
"""


def test_page_loaded_before_its_server_is_there_waits_for_it(open_page: OpenPage, speaking_browser: Browser) -> None:
    page = open_page(speaking_browser, script=NO_LISTS)
    expect_notice(page, r"The server does not answer\. Trying again in \d s\.")
    expect(page.locator("#start")).to_be_disabled()
    page.evaluate("window.fetch = fetchForReal")
    expect(page.locator("#start")).to_be_enabled()
    expect(page.locator("#notice")).to_be_hidden()


NO_LISTS = """
window.fetchForReal = window.fetch;
window.fetch = () => Promise.reject(new TypeError("Failed to fetch"));
"""


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (503, '{"code": "warming_up", "message": "x"}', r"The server is warming up\. Trying again in 1 s\."),
        (
            400,
            '{"code": "bad_offer", "message": "The offer must contain VP8."}',
            r"^\s*The offer must contain VP8\.\s*$",
        ),
        (502, "<html>gateway</html>", r"The server refused the call \(status 502\).* Trying again in 1 s\."),
    ],
)
def test_refused_calls(page: Page, status: int, body: str, sentence: str) -> None:
    page.route("**/whip?*", lambda route: route.fulfill(status=status, body=body, headers={"Retry-After": "1"}))
    page.click("#start:enabled")
    expect_notice(page, sentence)
    assert page.evaluate("styletalk.state") == ("idle" if status == 400 else "connecting")


def test_server_that_never_returns_ends_the_call_with_a_sentence(
    artefacts: Path, open_page: OpenPage, speaking_browser: Browser
) -> None:
    with ServerProcess(artefacts / "stopped-server.log") as server:
        page = open_page(speaking_browser, server.address, script=HURRY)
        start_call(page)
    expect_notice(page, r"^\s*The server does not answer: check that it is running, then press Start again\.\s*$")
    assert page.evaluate("styletalk.state") == "idle"
    assert page.evaluate("styletalk.microphone") is None


HURRY = """
const patient = window.setTimeout;
window.setTimeout = (action, delay, ...rest) => patient(action, delay > 300 ? delay / 20 : delay, ...rest);
"""
"""Waits of the page, the back-off above all, pass twenty times as fast."""
