"""Proves that the commands of a live presenter record and publish what they are given, and refuse bad input."""

import asyncio
import json
import logging
import os
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from deterministic_engine import DeterministicEngine
from live_server import FixedCatalogue, TirelessWorker, tone
from ports import free_port
from streaming_servers import rtmp_receiver, whip_server
from waiting import until

from server.cli import local_presenter, main, presenter
from server.config import ServerConfig
from server.service import Service
from server.tts.voice import Voice, VoiceFailed
from styletalk_core.errors import InputError

RATE = 48_000
SPOKEN_SECONDS = 1.5


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with audio; the commands run an engine without models, at this process's priority."""
    monkeypatch.setenv("STYLETALK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(presenter, "make_service", service)
    monkeypatch.setattr(presenter, "raise_priority", lambda: 0)
    with wave.open("tone.wav", "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(tone(500, SPOKEN_SECONDS).tobytes())
    yield tmp_path
    logging.getLogger("server.sessions").setLevel(logging.NOTSET)


def service(config: ServerConfig) -> Service:
    return Service(config, TirelessWorker(DeterministicEngine(), config.max_sessions), FixedCatalogue())


def sound_of(path: Path) -> np.ndarray:
    """(n,) float, 48 kHz."""
    with av.open(str(path)) as video:
        return np.concatenate([frame.to_ndarray()[0] for frame in video.decode(audio=0)])


def voice_of(speak: Callable[[str], np.ndarray]) -> Callable[..., Voice]:
    """Replaces the voice of a service by a function."""

    class Spoken:
        name = "fake"

        async def speak(self, text: str):  # type: ignore[no-untyped-def]
            from server.tts.voice import VoicePiece

            yield VoicePiece(speak(text))

    return lambda *_: Spoken()  # type: ignore[return-value]


def test_a_recording_has_the_whole_audio_and_a_face_for_every_frame(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["presenter", "record", "ada", "--audio", "tone.wav", "-o", "out.mp4", "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["output"] == "out.mp4" and SPOKEN_SECONDS < result["seconds"] < SPOKEN_SECONDS + 4
    loud = np.abs(sound_of(folder / "out.mp4")) > 0.02
    assert loud.sum() / RATE == pytest.approx(SPOKEN_SECONDS, abs=0.1)  # some of its samples are nearly zero
    with av.open("out.mp4") as video:
        frames = sum(1 for _ in video.decode(video=0))
    assert frames == pytest.approx(result["seconds"] * 30, abs=12)
    assert b"c2pa" in (folder / "out.mp4").read_bytes()
    assert not list(folder.glob(".*")) and not list(folder.glob("home/recordings/*"))


def test_the_lines_of_standard_input_are_spoken_in_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(Service, "voice", voice_of(lambda text: said.append(text) or tone(500, 0.3)))  # type: ignore[func-returns-value]
    reading, writing = os.pipe()
    lines = [f"This is line {number}." for number in range(8)]
    os.write(writing, "\n".join([*lines, "", "🙂"]).encode())
    os.close(writing)
    with os.fdopen(reading) as standard_input:
        monkeypatch.setattr("sys.stdin", standard_input)
        assert main(["presenter", "record", "ada", "-o", "out.mp4"]) == 0
    assert said == lines
    loud = np.abs(sound_of(folder / "out.mp4")) > 0.02
    assert loud.sum() / RATE == pytest.approx(8 * 0.3, abs=0.2)


def test_a_voice_that_fails_is_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(text: str) -> np.ndarray:
        raise VoiceFailed("The voice is hoarse.")

    monkeypatch.setattr(Service, "voice", voice_of(fail))
    assert main(["presenter", "record", "ada", "--text", "Hello.", "-o", "out.mp4"]) == 2
    assert capsys.readouterr().err == "styletalk: The voice is hoarse.\n"


async def test_an_interrupted_recording_is_complete(folder: Path) -> None:
    speakers: list[local_presenter.LocalPresenter] = []

    async def speech(local: local_presenter.LocalPresenter) -> None:
        speakers.append(local)
        await local.speak_audio(tone(500, 600))

    recording = asyncio.create_task(
        presenter.record(
            made := service(ServerConfig(size=256, max_sessions=1)), made.first_settings(), speech, folder / "out.mp4"
        ),
        name="recording",
    )
    await until(lambda: speakers and speakers[0].session.media_session.played_tick > 2 * RATE)
    recording.cancel()
    with pytest.raises(asyncio.CancelledError):
        await recording
    assert np.abs(sound_of(folder / "out.mp4")).max() > 0.02
    assert made.worker.free_slots == made.worker.slots


async def test_a_file_that_cannot_be_written_ends_the_recording(folder: Path) -> None:
    made = service(ServerConfig(size=256, max_sessions=1))
    with pytest.raises(InputError, match="cannot be written"):
        await presenter.record(
            made, made.first_settings(), lambda local: local.speak_audio(tone(500, 600)), folder / "gone/out.mp4"
        )


async def test_a_whip_server_receives_all_of_the_audio(folder: Path) -> None:
    (folder / "key").write_text("sesame\n")
    async with whip_server() as whip:
        words = ["--to", f"{whip.address}/{{presenter}}/whip", "--key-file", "key", "--audio", "tone.wav"]
        assert await asyncio.to_thread(main, ["presenter", "publish", "bob", *words]) == 0
        assert whip.keys == ["Bearer sesame"] and whip.deleted == ["/resource/1"] and whip.frames
        heard = sum(np.abs(part).max() > 2_000 for part in whip.audio) * 0.02
        assert heard == pytest.approx(SPOKEN_SECONDS, abs=0.2)


async def test_an_rtmp_server_receives_audio_and_video() -> None:
    address = f"rtmp://127.0.0.1:{free_port()}/live/ada"
    async with rtmp_receiver(address) as receiver:
        words = ["presenter", "publish", "ada", "--to", address, "--audio", "tone.wav"]
        await until(lambda: asyncio.to_thread(lambda: main(words) == 0))  # nobody tells when it listens
        said, _ = await asyncio.wait_for(receiver.communicate(), 60)
    assert said.split(b"\n")[1] == b"['AudioFrame', 'VideoFrame'] 64"


async def test_a_server_that_refuses_or_is_away_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    away = f"127.0.0.1:{free_port()}"
    async with whip_server(refusals=1) as whip:
        for address, told in (
            (f"{whip.address}/ada/whip", "The WHIP server answered with status 403.\n"),
            (f"http://{away}/whip", "The WHIP server cannot be reached.\n"),
            (f"rtmp://{away}/live", "The RTMP server cannot be reached.\n"),
        ):
            words = ["presenter", "publish", "ada", "--to", address, "--audio", "tone.wav"]
            assert await asyncio.to_thread(main, words) == 2
            assert capsys.readouterr().err == f"styletalk: {told}"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["record", "nobody", "-o", "out.mp4", "--text", "Hello."], "'nobody'; there are ada, bob"),
        (["record", "ada", "-o", "out.mp4", "--text", "Hello.", "--style", "gruff"], "'gruff'"),
        (["record", "ada", "-o", "out.mp4", "--text", "Hello.", "--background", "moon"], "'moon'"),
        (["record", "ada", "-o", "out.avi", "--text", "Hello."], "must be an .mp4 file"),
        (["record", "ada", "-o", "out.mp4", "--audio", "nothing.wav"], "nothing.wav"),
        (["record", "ada", "-o", "out.mp4", "--text", "🙂"], "no words"),
        (["record", "ada", "-o", "out.mp4", "--text", "Hello.", "--config", "nothing.toml"], "nothing.toml"),
        (["publish", "ada", "--to", "ftp://host/x", "--text", "Hello."], "--to takes an address"),
        (["publish", "ada", "--to", "https://host/x", "--key-file", "none", "--text", "Hello."], "key file none"),
    ],
)
def test_bad_input_is_a_sentence(words: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presenter", *words]) == 2
    message = capsys.readouterr().err
    assert named in message and message.count("\n") == 1
