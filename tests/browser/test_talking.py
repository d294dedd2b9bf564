"""Speech played into the microphone is returned as a talking face, in sync and in the chosen style.

One call per speaker is recorded in the browser, first in the initial style, then in another one. The received face is
tracked and compared with `styletalk render` of the same file. Both are aligned by their audio: the face must be at the
position in the file that the returned audio has.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Playwright

from browser import chromium
from browser.alignment import MotionMatch, SoundMatch, compare_motion, find_sound
from browser.conftest import HUMAN_SPEECH, SPEECH, as_microphone, start_call
from browser.received_face import FaceCurves, track_face, write_contact_sheet, write_video
from browser.recording import SOUND_RATE, Recording, record
from browser.server_process import ServerProcess
from styletalk_core.audio import read_audio

pytestmark = pytest.mark.slow

LEAD_IN = 1.0  # seconds recorded before the file has played once
TAP_LATENESS = 0.020
"""Seconds by which a WebAudio tap of a received track reads later than the video element plays it: its buffer."""
SYNC = 0.045
CLOSED = 0.03
"""Inner-lip gap in inter-ocular distances below which the lips of a tracked frame count as closed."""
SPEAKERS = {"synthetic": SPEECH, "human": HUMAN_SPEECH / "ls_3005/3005-163389-0005.ogg"}
SWITCHING = "synthetic"
"""The speaker in whose call the style is switched."""
MAX_SECONDS = 12.5  # seconds of a speaker's file that are used


PLANNED_DELAY = "[styletalk.metrics.delay_ms - styletalk.metrics.added_delay_ms, styletalk.latency]"
"""The delay D without what a busy machine adds to it for a while."""
MAX_ADDED_DELAY_MS = 100


@dataclass(frozen=True)
class Said:
    """A recording in one style, with what it is held against; ``positions`` (T,) are wrapped into the file."""

    recording: Recording
    sound: SoundMatch
    face: FaceCurves
    positions: Any


@dataclass(frozen=True)
class TalkingCall:
    """A call: the file, the offline result, and what came back in the first and, for one speaker, in another style.

    ``applied`` is the server's word on the switch, ``switch_intervals`` (n,) ms between the pictures around it.
    """

    file: Any
    expected: FaceCurves
    said: list[Said]
    applied: dict[str, Any] | None
    switch_intervals: Any
    delay_ms: float
    latency: dict[str, Any]

    @property
    def first(self) -> Said:
        return self.said[0]


@pytest.fixture(scope="module", params=SPEAKERS)
def call(
    request: pytest.FixtureRequest,
    quiet_machine: None,
    server: ServerProcess,
    playwright: Playwright,
    artefacts: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> TalkingCall:
    speaker = request.param
    source = SPEAKERS[speaker]
    if not source.exists():
        pytest.skip(f"{source} is not here")
    wav = as_microphone(source, tmp_path_factory.mktemp("speaker"), MAX_SECONDS)
    file = read_audio(wav, SOUND_RATE)
    seconds = len(file) / SOUND_RATE + LEAD_IN
    browser = chromium.launch(playwright, *chromium.speaking(wav))
    page = browser.new_page(viewport={"width": 1440, "height": 900}, bypass_csp=True)
    page.goto(server.address)
    start_call(page)
    avatar, style = (page.locator(f"#{group} input:checked").input_value() for group in ("avatars", "styles"))
    recordings = {style: record(page, seconds)}
    page.screenshot(path=artefacts / f"talking-{speaker}.png")
    delay_ms, latency = page.evaluate(PLANNED_DELAY)
    applied, switch_intervals = None, None
    if speaker == SWITCHING:
        page.wait_for_timeout(2000)  # compressing the first recording has kept the page busy
        page.evaluate("setTimeout(() => document.querySelector('#styles input[value=sad]').click(), 500)")
        switch_intervals = np.diff(record(page, 3, width=0).frame_times)
        applied = page.evaluate("styletalk.events.findLast(({type}) => type === 'style.applied')")
        recordings[applied["style"]] = record(page, seconds)
        page.screenshot(path=artefacts / f"talking-{speaker}-{applied['style']}.png")
    browser.close()

    offline = artefacts / f"offline-{speaker}.mp4"
    render(avatar, wav, style, offline)
    said = []
    for name, recording in recordings.items():
        sound = find_sound(recording.returned, file, SOUND_RATE)
        since = (recording.frame_times - recording.sound_start) / 1000 + TAP_LATENESS
        positions = sound.position(since) % (len(file) / SOUND_RATE)
        face = track_face(write_video(recording, artefacts / f"received-{speaker}-{name}.mp4"))
        write_contact_sheet(recording, positions, artefacts / f"contact-sheet-{speaker}-{name}.png")
        said.append(Said(recording, sound, face, positions))
    return TalkingCall(file, track_face(offline), said, applied, switch_intervals, delay_ms, latency)


def render(avatar: str, wav: Path, style: str, output: Path) -> None:
    """`styletalk render`, as a user runs it."""
    options = ["--portrait", avatar, "--audio", str(wav), "--style", style, "-o", str(output), "--json"]
    result = subprocess.run([sys.executable, "-m", "server.cli", "render", *options], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["frames"] > 0


def motion(call: TalkingCall) -> MotionMatch:
    return compare_motion(call.first.positions, call.first.face.opening, call.expected.times, call.expected.opening)


def test_the_mouth_moves_with_the_speech(call: TalkingCall) -> None:
    assert np.isfinite(call.first.face.opening).mean() > 0.98, "the received face is not always a face"
    match = motion(call)
    assert match.aligned > 0.8, match


def test_the_mouth_is_closed_in_the_silences(call: TalkingCall) -> None:
    silent = np.array([is_silent(call.file, position) for position in call.first.positions])
    speaking = ~silent & np.isfinite(call.first.face.opening)
    silent &= np.isfinite(call.first.face.opening)
    assert silent.sum() > 30
    assert np.percentile(call.first.face.opening[silent], 95) < CLOSED
    assert np.percentile(call.first.face.opening[speaking], 90) > 2 * CLOSED, "it is closed because it never opens"


def is_silent(file: Any, position: float, before: float = 0.45, after: float = 0.25) -> bool:
    """Whether there is no speech around ``position``: lips close after speech and open before the next word."""
    around = np.arange(int((position - before) * SOUND_RATE), int((position + after) * SOUND_RATE))
    return bool(np.abs(np.take(file, around, mode="wrap")).max() < 0.01)


def test_the_returned_audio_is_what_was_spoken(call: TalkingCall) -> None:
    for said in call.said:
        assert len(said.sound.correlations) > 12
        assert np.median(said.sound.correlations) > 0.75


def test_the_audio_returns_after_the_promised_delay(call: TalkingCall) -> None:
    """Both taps of the recorder are equally late, so their difference is the delay from the microphone to the ear.

    It is at least the planned one, and longer by up to `MAX_ADDED_DELAY_MS` while the machine is busy.
    """
    spoken = find_sound(call.first.recording.microphone, call.file, SOUND_RATE)
    length = len(call.file) / SOUND_RATE
    delay_ms = 1000 * ((np.median(spoken.offsets) - np.median(call.first.sound.offsets)) % length)
    assert call.delay_ms <= delay_ms + 5 < call.delay_ms + MAX_ADDED_DELAY_MS + 200


def test_video_and_audio_are_in_sync(call: TalkingCall, artefacts: Path, request: pytest.FixtureRequest) -> None:
    """Measured twice: by the content of video and audio, and by the receiver's playout statistics."""
    match = motion(call)
    reported = float(np.median(call.first.recording.reported_skews)) / 1000
    figures = {
        "shift_by_content_ms": round(match.shift * 1000),
        "shift_by_receiver_ms": round(reported * 1000),
        "correlation": round(match.best, 3),
        "correlation_aligned": round(match.aligned, 3),
        "delay_ms": call.delay_ms,
        "latency": call.latency,
    }
    name = request.node.callspec.params["call"]
    (artefacts / f"talking-{name}.json").write_text(json.dumps(figures, indent=2) + "\n")
    assert abs(match.shift) <= SYNC, figures
    assert abs(reported) <= SYNC, figures


@pytest.mark.parametrize("call", [SWITCHING], indirect=True)
def test_a_style_switch_changes_the_face_but_not_the_words(call: TalkingCall) -> None:
    """Against the offline result in the first style, at equal places of the file: the first recording matches it, the
    one after the switch is another face, whose mouth still opens with the same speech."""
    first, other = call.said
    assert call.applied["style"] == "sad" and call.applied["frame"] > 0
    same, changed = shape_difference(call, first), shape_difference(call, other)
    assert changed > 2.5 * same and changed > 0.01, (same, changed)
    match = compare_motion(other.positions, other.face.opening, call.expected.times, call.expected.opening)
    assert match.best > 0.5, match
    assert call.switch_intervals.max() < 250, "the picture froze while the style changed"


def shape_difference(call: TalkingCall, said: Said) -> float:
    """Distance in inter-ocular distances between the mean faces, received and expected at the same places."""
    nearest = np.abs(call.expected.times[None] - said.positions[:, None]).argmin(axis=1)
    known = np.isfinite(said.face.opening) & np.isfinite(call.expected.opening[nearest])
    difference = (said.face.face[known] - call.expected.face[nearest[known]]).mean(axis=0)
    return float(np.sqrt((difference[:, :2] ** 2).sum(axis=1).mean()))
