"""The documented JavaScript client: one script tag in a page of another site shows the presenter and its events."""

import functools
import json
import subprocess
import sys
import threading
import wave
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page
from ports import free_port
from websockets.sync.client import connect

from browser.conftest import ROOT, wait_until
from browser.server_process import wait_for_answer

EMBED = ROOT / "client_demo/embed.js"
PAGE = """<!doctype html><html lang="en"><title>Another site</title><h1>News</h1>
<script src="http://127.0.0.1:{port}/embed.js" data-presenter="news"></script></html>"""


@pytest.fixture(scope="module")
def other_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder that is served as another origin, and its address."""
    folder = tmp_path_factory.mktemp("site")
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    site = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(quiet, directory=str(folder)))
    threading.Thread(target=site.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{site.server_address[1]}"
    site.shutdown()
    site.server_close()


@pytest.fixture(scope="module")
def avatar_server(other_site: tuple[Path, str]) -> Iterator[int]:
    """The port of a server with the deterministic engine that lets the other site in."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, ROOT / "tests/live_server.py", str(port), f"allow_origins={other_site[1]}"], cwd=ROOT
    )
    wait_for_answer(f"http://127.0.0.1:{port}/readyz")
    yield port
    process.terminate()
    process.wait(60)


@pytest.fixture
def speaking(avatar_server: int, tmp_path: Path) -> Iterator[None]:
    """The documented Python client pushes ten seconds of audio."""
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((9_000 * np.sin(np.arange(160_000) * 0.12)).astype("<i2").tobytes())
    server = f"ws://127.0.0.1:{avatar_server}"
    process = subprocess.Popen([sys.executable, ROOT / "docs/examples/push_wav.py", str(path), "news", server])
    yield
    process.terminate()
    process.wait(60)


def test_the_example_has_at_most_sixty_lines() -> None:
    assert len(EMBED.read_text().splitlines()) <= 60


def test_one_script_tag_shows_the_presenter_with_its_events_on_another_site(
    other_site: tuple[Path, str],
    avatar_server: int,
    speaking: None,
    speaking_browser: Browser,
    open_page: Callable[..., Page],
    artefacts: Path,
) -> None:
    folder, address = other_site
    (folder / "index.html").write_text(PAGE.format(port=avatar_server))
    collect = "window.told = []; addEventListener('styletalk', ({ detail }) => told.push(detail));"
    page = open_page(speaking_browser, f"{address}/index.html", script=collect)
    video = "document.querySelector('.styletalk video')"
    wait_until(page, f"() => {video}?.videoWidth === 512")
    wait_until(page, "() => told.some((event) => event.type === 'watch.started')")
    brightness = f"""() => {{
      const canvas = Object.assign(document.createElement('canvas'), {{ width: 8, height: 8 }});
      const context = canvas.getContext('2d');
      context.drawImage({video}, 0, 0, 8, 8);
      return context.getImageData(4, 4, 1, 1).data[1];
    }}"""
    wait_until(page, f"() => ({brightness})() > 180")  # the mouth of the deterministic face is open
    assert page.get_by_text("AI-generated").is_visible()
    page.get_by_role("button", name="Unmute").click()
    assert page.evaluate(f"() => {video}.muted") is False
    page.screenshot(path=artefacts / "embed.png")
    wait_until(page, "() => told.some((event) => event.type === 'mark' && event.name === 'the end')")
    told = json.loads(page.evaluate("() => JSON.stringify(told)"))
    assert next(event for event in told if event["type"] == "mark")["played_ms"] == 10_000


@pytest.fixture
def transparent(avatar_server: int) -> Iterator[None]:
    """A presenter whose background is transparent; the left half of its frames is opaque, the right half is not."""
    with connect(f"ws://127.0.0.1:{avatar_server}/ws?format=json") as socket:
        socket.send(json.dumps({"type": "session.update", "background": "transparent"}))
        socket.send(json.dumps({"type": "presenter.start", "name": "cut-out"}))
        while json.loads(socket.recv())["type"] != "presenter.started":
            pass
        yield


def test_a_transparent_presenter_stands_on_the_page_of_the_other_site(
    other_site: tuple[Path, str],
    avatar_server: int,
    transparent: None,
    speaking_browser: Browser,
    open_page: Callable[..., Page],
    artefacts: Path,
) -> None:
    folder, address = other_site
    example = (ROOT / "docs/examples/transparent.html").read_text()
    example = example.replace("127.0.0.1:8080", f"127.0.0.1:{avatar_server}").replace('"news"', '"cut-out"')
    (folder / "transparent.html").write_text(example.replace("linear-gradient(#0b7, #05a)", "rgb(250, 0, 0)"))
    page = open_page(speaking_browser, f"{address}/transparent.html")
    wait_until(page, "() => document.querySelector('.styletalk canvas')?.width === 512")
    canvas = page.locator(".styletalk canvas")
    image = np.asarray(Image.open(BytesIO(canvas.screenshot(path=artefacts / "transparent.png"))).convert("RGB"))
    height, width = image.shape[:2]
    assert abs(height - width) <= 1
    left, right = image[height // 2, width // 4].astype(int), image[height // 2, width * 3 // 4].astype(int)
    np.testing.assert_allclose(right, [250, 0, 0], atol=6)  # the page
    assert left.max() < 120  # the dark face of the deterministic engine
    assert page.get_by_text("AI-generated").is_visible()
    assert page.evaluate("() => document.querySelector('.styletalk video').style.display") == "none"
