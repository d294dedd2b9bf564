"""A lost connection is detected and restored quickly; a stall is tolerated. Mostly in virtual time."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from browser.conftest import start_call, wait_until
from browser.server_process import ServerProcess
from server.lab.benchmarks.network import Network

OpenPage = Callable[..., Page]
ASKED = """
window.asked = 0;
window.answers = false;
window.fetch = () => {
  asked += 1;
  return answers ? Promise.resolve(new Response("ok")) : new Promise(() => {});
};
"""
WATCH = """async () => {
  const { Lifeline } = await import("/lifeline.js");
  window.trace = 0;
  window.lost = 0;
  window.lifeline = new Lifeline(() => trace, () => (lost += 1));
}"""
LOOK_FOR = """async () => {
  const { untilServerAnswers } = await import("/reachability.js");
  window.stopping = new AbortController();
  window.found = null;
  untilServerAnswers(stopping.signal).then((answers) => (found = answers));
}"""


@pytest.fixture
def idle_page(page: Page) -> Page:
    """A page with stopped time, whose requests to the server hang until ``answers`` is true."""
    page.wait_for_selector("#start:enabled")
    page.clock.install()
    page.clock.pause_at(page.evaluate("Date.now()") + 1000)
    page.evaluate(f"() => {{ {ASKED} }}")
    return page


def pass_time(page: Page, milliseconds: int) -> None:
    """Lets time pass in steps, so that what waits for an answer comes to its turn."""
    for _ in range(0, milliseconds, 50):
        page.clock.run_for(50)


def test_a_new_path_is_taken_when_the_old_one_stays_silent(idle_page: Page) -> None:
    idle_page.evaluate(WATCH)
    idle_page.evaluate("() => { answers = true; }")
    pass_time(idle_page, 550)
    assert idle_page.evaluate("[asked, lost]") == [0, 0]
    pass_time(idle_page, 1_000)
    assert idle_page.evaluate("asked > 0 && lost") == 1


def test_the_first_message_may_take_longer(idle_page: Page) -> None:
    idle_page.evaluate(WATCH)
    idle_page.evaluate("() => { trace = null; answers = true; }")
    pass_time(idle_page, 3_000)
    assert idle_page.evaluate("[asked, lost]") == [0, 0]
    idle_page.evaluate("() => { trace = 1; }")
    pass_time(idle_page, 1_500)
    assert idle_page.evaluate("asked > 0 && lost") == 1


def test_a_stall_that_passes_is_sat_out(idle_page: Page) -> None:
    idle_page.evaluate(WATCH)
    pass_time(idle_page, 2_000)
    assert idle_page.evaluate("asked") > 3
    idle_page.evaluate("() => { answers = true; }")
    pass_time(idle_page, 300)  # a question has been answered, its last chance has begun
    idle_page.evaluate("() => { trace += 1; }")
    pass_time(idle_page, 500)
    assert idle_page.evaluate("lost") == 0


def test_silence_that_the_server_does_not_forgive_ends_the_connection(idle_page: Page) -> None:
    idle_page.evaluate(WATCH)
    pass_time(idle_page, 3_900)
    assert idle_page.evaluate("lost") == 0
    pass_time(idle_page, 400)
    assert idle_page.evaluate("lost") == 1
    pass_time(idle_page, 2_000)
    assert idle_page.evaluate("lost") == 1


def test_a_page_that_stood_still_does_not_blame_the_network(idle_page: Page) -> None:
    idle_page.evaluate(WATCH)
    pass_time(idle_page, 200)
    idle_page.clock.fast_forward(60_000)
    assert idle_page.evaluate("[asked, lost]") == [0, 0]
    idle_page.evaluate("() => { answers = true; }")
    pass_time(idle_page, 1_100)
    assert idle_page.evaluate("lost") == 1, "the server has given the place away meanwhile"


def test_a_connection_that_is_heard_is_kept(idle_page: Page) -> None:
    idle_page.evaluate(WATCH)
    for _ in range(20):
        idle_page.evaluate("() => { trace += 1; }")
        pass_time(idle_page, 500)
    assert idle_page.evaluate("[asked, lost]") == [0, 0]


def test_the_server_is_looked_for_often_at_first_and_not_for_ever(idle_page: Page) -> None:
    idle_page.evaluate(LOOK_FOR)
    pass_time(idle_page, 3_000)
    assert 9 <= idle_page.evaluate("asked") <= 13, "a hanging question must not keep the next one waiting"
    pass_time(idle_page, 9_000)
    before = idle_page.evaluate("asked")
    pass_time(idle_page, 5_000)
    assert 4 <= idle_page.evaluate("asked") - before <= 6
    pass_time(idle_page, 60_000)
    assert idle_page.evaluate("found") is False


@pytest.mark.parametrize(
    "sign", ["window.dispatchEvent(new Event('online'))", "document.dispatchEvent(new Event('visibilitychange'))"]
)
def test_the_server_is_asked_at_once_when_the_network_may_be_back(idle_page: Page, sign: str) -> None:
    idle_page.evaluate(LOOK_FOR)
    pass_time(idle_page, 13_000)  # the next question would be asked in up to 1.2 s
    before = idle_page.evaluate("asked")
    idle_page.evaluate(f"() => {{ answers = true; {sign}; }}")
    wait_until(idle_page, "found === true")
    assert idle_page.evaluate("asked") == before + 1


class Loop:
    """An event loop in a thread: Playwright has the one of this thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def call(self, work: Callable[[], None]) -> None:
        async def call() -> None:
            work()

        self.run(call())

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def loop() -> Iterator[Loop]:
    running = Loop()
    yield running
    running.close()


@pytest.fixture
def network(server: ServerProcess, loop: Loop) -> Iterator[Network]:
    between = Network(server.port)
    loop.run(between.open())
    yield between
    loop.run(between.aclose())


@pytest.mark.parametrize("seconds", [0, 7])
def test_the_session_goes_on_after_a_change_of_network_and_after_an_outage(
    open_page: OpenPage, speaking_browser: Browser, network: Network, loop: Loop, seconds: int
) -> None:
    page = open_page(speaking_browser, f"http://127.0.0.1:{network.port}/")
    start_call(page)
    style = page.locator("#styles input").nth(2)
    style.check(force=True)
    wait_until(page, "styletalk.events.some(({ type }) => type === 'style.applied')")
    session = page.evaluate("styletalk.session")
    loop.call(network.cut)
    if seconds:
        wait_until(page, "styletalk.state === 'reconnecting'")
        page.wait_for_timeout(seconds * 1000 / 2)
    loop.call(network.restore)
    wait_until(page, "styletalk.events.filter(({ type }) => type === 'session.created').length > 1")
    wait_until(page, "styletalk.state === 'live' && styletalk.metrics?.fps > 0")
    assert page.evaluate("styletalk.session") == session
    created = page.evaluate("styletalk.events.findLast(({ type }) => type === 'session.created')")
    assert created["style"] == style.input_value()
