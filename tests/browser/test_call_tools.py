"""Tools around a call: recording to a file, connection test, backgrounds, light and dark theme."""

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import msgpack
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from browser.conftest import start_call, wait_until

OpenPage = Callable[..., Page]
CORNER = """() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 64;
  const drawing = canvas.getContext("2d");
  drawing.drawImage(document.getElementById("avatar-video"), 0, 0, 64, 64);
  return [...drawing.getImageData(1, 1, 1, 1).data].slice(0, 3);
}"""


def test_a_recording_has_video_and_audio_and_says_that_it_is_generated(page: Page, tmp_path: Path) -> None:
    start_call(page)
    page.keyboard.press("r")
    expect(page.locator("#recording")).to_be_visible()
    expect(page.locator("#record")).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(3000)
    with page.expect_download() as download:
        page.click("#record")
    expect(page.locator("#recording")).to_be_hidden()
    assert download.value.suggested_filename.startswith("styletalk-ai-generated-")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    with av.open(str(path)) as file:
        images = [frame for frame in file.decode(video=0)]
        assert {key.lower(): value for key, value in file.metadata.items()}["title"] == "AI-generated video"
    with av.open(str(path)) as file:
        seconds = sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0))
    assert len(images) > 20 and images[0].width == 512
    assert seconds == pytest.approx(3, abs=1.5)


def test_ending_the_call_ends_the_recording(page: Page) -> None:
    start_call(page)
    page.click("#record")
    page.wait_for_timeout(1500)
    with page.expect_download():
        page.click("#start")
    expect(page.locator("#record")).to_be_disabled()


def test_the_connection_is_tested_before_a_call_and_during_one(page: Page) -> None:
    page.wait_for_selector("#start:enabled")
    for _ in ("before", "during"):
        page.click("#network-test-open")
        expect(page.locator("#network-checks li:is([data-state=good], [data-state=poor])")).to_have_count(3)
        expect(page.locator("#network-checks")).to_contain_text("frames/s")
        page.get_by_role("dialog").get_by_role("button", name="Close").click()
        if page.evaluate("styletalk.state") == "idle":
            start_call(page)
    expect(page.locator("#network-checks")).to_contain_text("in use by the running call")


def test_the_connection_test_says_what_is_wrong(page: Page) -> None:
    page.wait_for_selector("#start:enabled")
    page.route("**/healthz", lambda route: route.abort())
    page.click("#network-test-open")
    expect(page.locator("#network-checks li[data-state=failed]")).to_contain_text("The server does not answer")


def test_captions_come_with_the_sentence_and_go_after_it(page: Page) -> None:
    """The transcripts are put into the control channel on their way to the page."""
    channels: list[WebSocketRoute] = []

    def relay(channel: WebSocketRoute) -> None:
        channel.connect_to_server()
        channels.append(channel)

    page.route_web_socket("**/ws*", relay)
    start_call(page)
    caption = page.locator("#caption")
    expect(caption).to_be_hidden()
    channels[-1].send(msgpack.packb({"type": "transcript.partial", "frame": 30, "text": "bring me"}))
    expect(caption).to_have_text("bring me")
    channels[-1].send(msgpack.packb({"type": "transcript.final", "frame": 60, "text": "bring me the red book"}))
    expect(caption).to_have_text("bring me the red book")
    expect(caption).to_be_hidden()


def test_a_server_without_captions_says_how_to_get_them(page: Page) -> None:
    start_call(page)
    page.keyboard.press("c")
    expect(page.locator("#notice")).to_contain_text("--vosk-model")
    expect(page.locator("#captions")).to_have_attribute("aria-pressed", "false")


def test_a_background_is_chosen_and_kept(page: Page) -> None:
    page.wait_for_selector("#backgrounds input", state="attached")
    start_call(page)
    page.locator("#backgrounds input[value='#00b140']").check(force=True)
    wait_until(page, "styletalk.events.some(({ type }) => type === 'background.applied')")
    wait_until(page, f"(({CORNER})()).every((value, channel) => Math.abs(value - [0, 177, 64][channel]) < 40)")
    page.reload()
    expect(page.locator("#backgrounds input[value='#00b140']")).to_be_checked()


def test_an_image_becomes_a_background_and_is_removed(page: Page, tmp_path: Path) -> None:
    page.wait_for_selector("#backgrounds input", state="attached")
    red = tmp_path / "Red wall.png"
    cv2.imwrite(str(red), np.full((300, 400, 3), (0, 0, 220), np.uint8))
    start_call(page)
    page.set_input_files("#upload-background-file", red)
    expect(page.locator("#backgrounds input[value=red_wall]")).to_be_checked()
    wait_until(page, f"(({CORNER})()).every((value, channel) => Math.abs(value - [220, 0, 0][channel]) < 40)")
    page.click("#remove-background")
    expect(page.locator("#backgrounds input[value=red_wall]")).to_have_count(0)
    expect(page.locator("#backgrounds input[value=keep]")).to_be_checked()


def test_light_and_dark(open_page: OpenPage, speaking_browser: Browser, artefacts: Path) -> None:
    """The system's theme holds until the button says else; text is legible in both."""
    contrast = (Path(__file__).parent / "contrast.js").read_text()
    page = open_page(speaking_browser, color_scheme="light")
    grounds = []
    for theme in ("light", "dark"):
        page.wait_for_selector("#backgrounds input", state="attached")
        wait_until(page, "document.getElementById('poster').complete")
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        for view in ("map", "presets"):
            page.click(f"#view-{view}")
            assert page.evaluate(contrast) == [], (theme, view)
        page.screenshot(path=artefacts / f"desktop-{theme}.png", full_page=True)
        if theme == "light":
            page.click("#theme")
            page.reload()
    assert grounds[0] != grounds[1]
