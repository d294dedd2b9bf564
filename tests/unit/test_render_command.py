"""`styletalk render` writes a video of the right length, also of a photo, and refuses bad input before it works."""

import json
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from server.cli import main
from server.commands import render
from styletalk_core.renderer.portrait import AvatarLibrary


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with half a second of sound."""
    monkeypatch.setenv("STYLETALK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    tone = 8000 * np.sin(np.arange(8000) * 2 * np.pi * 200 / 16_000)
    wavfile.write("tone.wav", 16_000, tone.astype(np.int16))
    return tmp_path


def test_a_photo_speaks_before_another_background(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(AvatarLibrary(folder).get("clara").picture).save("me.png")
    words = ["--portrait", "me.png", "--audio", "tone.wav", "--size", "256", "--background", "transparent"]
    assert main(["render", *words, "-o", "out.mp4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["frames"] == 15
    with av.open("out.mp4") as video:
        stream = video.streams.video[0]
        assert (stream.width, stream.height) == (256, 512)  # the mask lies below the person
        assert sum(1 for _ in video.decode(stream)) == 15
    assert not list((folder / "home").rglob("*.npz"))  # a guest does not stay


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--intensity", "2"], "from 0 to 1.5"),
        (["--future-frames", "6"], "from 0 to 5"),
        (["-o", "out.avi"], "out.avi must be an .mp4 file"),
        (["-o", "nowhere/out.mp4"], "in a folder that exists"),
        (["--portrait", "nobody"], "nobody"),
        (["--portrait", "nothing.jpg"], "nothing.jpg"),
        (["--style", "none"], "none"),
        (["--background", "the moon"], "the moon"),
        (["--audio", "missing.wav"], "missing.wav"),
    ],
)
def test_bad_input_is_refused_in_one_sentence_and_leaves_no_file(
    options: list[str], named: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = ["--portrait", "clara", "--audio", "tone.wav", "--size", "256", "-o", "out.mp4"]
    assert main(["render", *sound, *options]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert named in said[-1] and said[-1].startswith("styletalk: ")
    assert not list(folder.glob("**/*.mp4"))


def test_sound_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(render, "LONGEST_SECONDS", 0.1)
    assert main(["render", "--portrait", "clara", "--audio", "tone.wav", "-o", "out.mp4"]) == 2
    assert "is longer than" in capsys.readouterr().err
