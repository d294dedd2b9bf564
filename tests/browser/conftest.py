"""Fixtures: one server process and one Chromium with speech as its microphone for this folder, a page per test.

Their scope is this folder, because Playwright keeps an event loop running, which breaks asynchronous tests elsewhere.
"""

import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from browser import chromium
from browser.server_process import ServerProcess
from styletalk_core.audio import read_audio

ROOT = Path(__file__).parents[2]
SPEECH = ROOT / "tests/data/speech/two_sentences.flac"
RATE = 48_000
BUSY = 0.5
PATIENCE = 180_000
"""Milliseconds in which anything happens that does, on however busy a machine; clips are watched at low priority."""
PREFERENCES = "JSON.parse(localStorage.getItem('styletalk.preferences') ?? '{}')"
HUMAN_SPEECH = ROOT.parent / "shared/data/speech/librispeech"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in here:
        item.add_marker(pytest.mark.browser)
        if chromium.executable() is None and item.path.stem != "test_firefox":
            item.add_marker(pytest.mark.skip(reason="no Chromium: install it or set STYLETALK_CHROMIUM to its path"))


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Git-ignored folder for images and figures to inspect."""
    folder = ROOT / "artefacts/browser"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def speech_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sentences with pauses, 48 kHz."""
    return as_microphone(SPEECH, tmp_path_factory.mktemp("microphone"))


def as_microphone(source: Path, folder: Path, longest: float = 60.0) -> Path:
    """The first ``longest`` seconds of ``source`` as a WAV that Chromium plays as its microphone.

    48 kHz, 16 bit, mono, with a second of digital silence before and after.
    """
    samples = np.pad(read_audio(source, RATE)[: int(longest * RATE)], RATE)
    path = folder / f"{source.stem}.wav"
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="session", autouse=True)
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hides the avatars and styles of the user who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STYLETALK_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="package")
def server(artefacts: Path) -> Iterator[ServerProcess]:
    log = artefacts / "server.log"
    log.unlink(missing_ok=True)
    with ServerProcess(log, "--max-sessions", "1") as process:
        yield process


def busy_share(seconds: float = 1.0) -> float:
    """Share of the processors' time that is in use right now; 0 where the system does not tell."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0

    def ticks() -> tuple[int, int]:
        user, nice, system, idle, waiting, *rest = map(int, stat.read_text().split("\n", 1)[0].split()[1:])
        return user + nice + system + sum(rest), idle + waiting

    busy, idle = ticks()
    time.sleep(seconds)  # what the processors do in this time is the figure
    later_busy, later_idle = ticks()
    return (later_busy - busy) / max(later_busy - busy + later_idle - idle, 1)


@pytest.fixture(scope="module")
def quiet_machine(server: ServerProcess) -> None:
    """Real time is only measured where other programs leave room for it: not while half of the machine is taken."""
    shares = []
    while len(shares) < 5 and (not shares or shares[-1] > BUSY):
        shares.append(busy_share())
    if min(shares) > BUSY:
        pytest.skip(f"other programs take {min(shares):.0%} of this machine: nothing can be said about real time")


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def speaking_browser(playwright: Playwright, speech_wav: Path) -> Iterator[Browser]:
    browser = chromium.launch(playwright, *chromium.speaking(speech_wav))
    yield browser
    browser.close()


@pytest.fixture
def open_page(server: ServerProcess) -> Iterator[Callable[..., Page]]:
    """open_page(browser, address=..., **context options) -> Page; at the end no page may have thrown an error."""
    contexts, errors = [], []

    def open_one(browser: Browser, address: str = server.address, script: str = "", **options: object) -> Page:
        context = browser.new_context(**({"viewport": {"width": 1440, "height": 900}} | options))
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        if script:
            page.add_init_script(script)
        page.goto(address)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not errors, f"the page threw: {errors}"


@pytest.fixture
def page(open_page: Callable[..., Page], speaking_browser: Browser) -> Page:
    """A page whose microphone speaks."""
    return open_page(speaking_browser)


def wait_until(page: Page, expression: str, argument: object = None) -> None:
    """Waits until a JavaScript expression, or a function of ``argument``, is true.

    Playwright's own `wait_for_function` needs eval, which the page's security policy forbids.
    """
    deadline = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(expression, argument):
        if time.monotonic() > deadline:
            notice = page.inner_text("#notice")
            raise AssertionError(f"not true within {PATIENCE / 1000} s: {expression}; the page says {notice!r}")
        page.wait_for_timeout(50)


def start_call(page: Page, raw_voice: bool = True) -> None:
    """Presses Start and waits for the first frame; ``raw_voice`` leaves the microphone signal as it is."""
    page.wait_for_selector("#start:enabled")
    if raw_voice:
        page.uncheck("#voice-processing")
    page.click("#start")
    wait_until(page, "styletalk.state === 'live'")
    page.wait_for_selector("#stage.playing")
