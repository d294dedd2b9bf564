"""Usability of the page: it fits all screens, every control has a name and works by keyboard, text is legible."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.conftest import PREFERENCES, start_call, wait_until

OpenPage = Callable[..., Page]
SCREENS = {"desktop": (1440, 900, 1), "tablet": (820, 1180, 1), "phone": (390, 844, 2)}


@pytest.mark.parametrize("screen", SCREENS)
def test_it_fits_the_screen(open_page: OpenPage, speaking_browser: Browser, artefacts: Path, screen: str) -> None:
    width, height, scale = SCREENS[screen]
    page = open_page(speaking_browser, viewport={"width": width, "height": height}, device_scale_factor=scale)
    page.wait_for_selector("#poster:visible")
    wait_until(page, "document.getElementById('poster').complete")
    page.screenshot(path=artefacts / f"{screen}-before.png")
    start_call(page)
    wait_until(page, "styletalk.latency !== null")
    page.wait_for_timeout(1500)
    page.screenshot(path=artefacts / f"{screen}-live.png")
    page.screenshot(path=artefacts / f"{screen}-live-whole.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for control in ("#start", "#mute", "#interrupt", "#avatar-video"):
        box = page.locator(control).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width, control
        assert box["y"] >= 0 and box["y"] + box["height"] <= height, control
    assert page.locator("#avatar-video").bounding_box()["width"] >= min(width, 560) * 0.85


def test_every_control_has_a_name_and_the_video_is_labelled(page: Page) -> None:
    page.wait_for_selector("#styles input", state="attached")
    page.wait_for_selector("#avatars input", state="attached")
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, select, input, video, [role=meter]")].filter((element) =>
          !element.getAttribute("aria-label") && !element.innerText?.trim() && !element.labels?.[0]?.innerText.trim()
        ).map((element) => element.outerHTML)"""
    )
    assert nameless == []
    expect(page.get_by_text("AI-generated")).to_be_visible()
    expect(page.locator("#weights")).to_have_text(re.compile("^Research weights: .* no commercial use"))
    for title in ("Style", "Avatar", "Latency"):
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()


def test_text_is_legible(page: Page) -> None:
    """WCAG AA, 4.5 : 1, for every text on its own background colour; text on the video has a dark background."""
    page.wait_for_selector("#avatars input", state="attached")
    weak = page.evaluate((Path(__file__).parent / "contrast.js").read_text())
    assert weak == []


def test_keyboard(page: Page) -> None:
    page.wait_for_selector("#start:enabled")
    page.keyboard.press("s")
    wait_until(page, "styletalk.state === 'live'")
    page.keyboard.press("m")
    expect(page.locator("#mute")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("styletalk.microphone.enabled") is False
    page.keyboard.press("m")
    assert page.evaluate("styletalk.microphone.enabled") is True
    page.keyboard.press("v")
    assert page.evaluate("document.getElementById('avatar-video').muted") is True
    page.keyboard.press("2")
    expect(page.locator("#styles input").nth(1)).to_be_checked()
    page.keyboard.press("]")
    expect(page.locator("#intensity-value")).to_have_text("1.05")
    wait_until(page, "styletalk.events.some(({type, intensity}) => type === 'style.applied' && intensity === 1.05)")
    page.keyboard.press("i")
    wait_until(page, "styletalk.events.some(({type}) => type === 'avatar.interrupted')")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("s")
    assert page.evaluate("styletalk.state") == "live", "shortcuts must rest while the dialog is open"
    page.keyboard.press("Escape")
    page.locator("#styles input:checked").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#styles input").nth(2)).to_be_checked()
    page.keyboard.press("s")
    expect(page.locator("#connection-text")).to_have_text("Ready")


def test_figures_come_alive(page: Page) -> None:
    start_call(page)
    wait_until(page, "styletalk.latency !== null && styletalk.statistics.fps > 0")
    expect(page.locator("#latency-total")).to_have_text(re.compile(r"^\d+$"))
    latency = page.evaluate("styletalk.latency")
    assert sum(ms for _, ms in latency["parts"]) == pytest.approx(latency["totalMs"])
    assert latency["totalMs"] > page.evaluate("styletalk.metrics.delay_ms")
    wait_until(page, "Number(document.getElementById('meter').style.getPropertyValue('--level')) > 0.3")


def test_choices_survive_a_reload(page: Page) -> None:
    page.wait_for_selector("#start:enabled")
    avatars = page.locator("#avatars input")
    last = avatars.nth(avatars.count() - 1)
    chosen = last.input_value()
    last.check(force=True)
    page.locator("#styles input").nth(2).check(force=True)
    page.locator("#intensity").fill("0.6")
    wait_until(page, f"{PREFERENCES}.intensity === 0.6 && {PREFERENCES}.avatar === '{chosen}'")
    page.reload()
    page.wait_for_selector("#start:enabled")
    expect(page.locator("#styles input").nth(2)).to_be_checked()
    expect(page.locator("#intensity-value")).to_have_text("0.60")
    assert chosen in page.locator("#poster").get_attribute("src")
    start_call(page)
    wait_until(
        page,
        "(avatar) => styletalk.events.some((event) => event.type === 'avatar.applied' && event.avatar === avatar)",
        argument=chosen,
    )


def test_a_call_leaves_no_error_in_the_console(open_page: OpenPage, speaking_browser: Browser, server) -> None:
    page = open_page(speaking_browser, "about:blank")
    said: list[str] = []
    page.on("console", lambda message: message.type in ("error", "warning") and said.append(message.text))
    page.goto(server.address)
    page.wait_for_selector(".tile img")
    start_call(page)
    page.click("#view-map")
    page.click("#start")
    expect(page.locator("#connection-text")).to_have_text("Ready")
    assert said == []


def test_nothing_comes_from_another_host(open_page: OpenPage, speaking_browser: Browser, server) -> None:
    page = open_page(speaking_browser)
    foreign: list[str] = []
    page.on("request", lambda request: request.url.startswith(server.address) or foreign.append(request.url))
    page.reload()
    start_call(page)
    assert foreign == []


def test_presence_chosen_before_a_call_is_sent_with_it_and_changed_during_it(page: Page) -> None:
    page.evaluate("""() => {
      const send = WebSocket.prototype.send;
      window.sent = [];
      WebSocket.prototype.send = function (data) { sent.push(data); send.call(this, data); };
    }""")
    heard = "sent.filter((data) => new TextDecoder().decode(data).includes('presence.set')).length"
    page.select_option("#attention", "listening")
    start_call(page)
    wait_until(page, f"{heard} === 1")
    page.fill("#stillness", "1")
    wait_until(page, f"{heard} === 2")
