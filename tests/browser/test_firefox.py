"""A call works in Firefox as well: the video plays, its frames advance, and the audio of its microphone returns."""

from collections.abc import Iterator
from typing import Any

import pytest
from waiting import blocking_until

from browser.firefox import FirefoxPage, executable, firefox
from browser.server_process import ServerProcess

pytestmark = pytest.mark.skipif(
    executable() is None, reason="no Firefox: install firefox-esr or set STYLETALK_FIREFOX to its path"
)

CALL_SECONDS = 60
"""A slow machine draws the first page of a new profile in half a minute."""


@pytest.fixture(scope="module")
def call(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirefoxPage]:
    """A page with a running call."""
    with firefox(tmp_path_factory.mktemp("firefox")) as page:
        page.goto(server.address)
        blocking_until(lambda: page.evaluate("!document.querySelector('#start').disabled"), CALL_SECONDS)
        page.evaluate("document.querySelector('#start').click()")
        blocking_until(lambda: page.evaluate("styletalk.state === 'live'"), CALL_SECONDS)
        blocking_until(lambda: page.evaluate("document.querySelector('#stage.playing') !== null"), CALL_SECONDS)
        yield page


def received(call: FirefoxPage, kind: str) -> dict[str, Any]:
    """The browser's own account of a received track."""
    statistics: dict[str, Any] = call.evaluate(
        "styletalk.peer.getStats().then((reports) => [...reports.values()].find("
        f"({{ type, kind }}) => type === 'inbound-rtp' && kind === '{kind}'))"
    )
    return statistics


def test_the_video_plays_and_its_frames_advance(call: FirefoxPage) -> None:
    video = "document.querySelector('#avatar-video')"
    state = call.evaluate(f"(({{videoWidth, paused, readyState}}) => [videoWidth, paused, readyState])({video})")
    assert state[0] >= 256 and state[1:] == [False, 4]
    seconds, frames = call.evaluate(f"{video}.currentTime"), received(call, "video")["framesDecoded"]
    blocking_until(lambda: received(call, "video")["framesDecoded"] > frames + 60, 30)
    assert call.evaluate(f"{video}.currentTime") > seconds + 1


def test_the_tone_of_its_microphone_returns(call: FirefoxPage) -> None:
    blocking_until(lambda: received(call, "audio")["totalAudioEnergy"] > 0.01, 30)
    assert received(call, "audio")["packetsReceived"] > 50
