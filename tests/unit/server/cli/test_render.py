"""`styletalk render` writes a video of the right length, also of a photo, and rejects bad input at once.

An aborted run leaves neither a file nor a thread.
"""

import gc
import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from deterministic_engine import DeterministicEngine
from PIL import Image
from scipy.io import wavfile

from server.cli import main, render
from server.sessions.mp4 import Mp4Writer
from streaming.frames.drawing import THREAD_NAME, DrawingWorker
from styletalk_core.library.avatars import AvatarLibrary


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with half a second of audio."""
    monkeypatch.setenv("STYLETALK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    tone = 8000 * np.sin(np.arange(8000) * 2 * np.pi * 200 / 16_000)
    wavfile.write("tone.wav", 16_000, tone.astype(np.int16))
    return tmp_path


def test_a_photo_speaks_before_another_background(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(AvatarLibrary(folder).get("clara").image).save("me.png")
    words = ["--portrait", "me.png", "--audio", "tone.wav", "--size", "256", "--background", "transparent"]
    assert main(["render", *words, "-o", "out.mp4", "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["frames"] == 15
    costs = result["cpu_seconds"]
    assert (
        costs.pop("total") == pytest.approx(sum(costs.values()), abs=0.001) and 0 < result["parallel_efficiency"] <= 1
    )
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
        (["--portrait", "nothing.jpg"], "there is no file nothing.jpg"),
        (["--portrait", "nothing.heic"], "there is no file nothing.heic"),
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


def test_audio_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(render, "MAX_SPEECH_SECONDS", 0.1)
    assert main(["render", "--portrait", "clara", "--audio", "tone.wav", "-o", "out.mp4"]) == 2
    assert "is longer than" in capsys.readouterr().err


@pytest.mark.parametrize(("size", "side"), [("auto", 512), ("384", 384)])
def test_a_size_is_chosen_by_its_word(size: str, side: int) -> None:
    wavfile.write("short.wav", 16_000, np.zeros(1600, np.int16))
    assert main(["render", "--portrait", "clara", "--audio", "short.wav", "--size", size, "-o", "out.mp4"]) == 0
    with av.open("out.mp4") as video:
        assert (video.streams.video[0].width, video.streams.video[0].height) == (side, side)


def test_the_file_is_the_same_for_any_number_of_cores(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for cores in (1, 4):
        monkeypatch.setattr(render, "drawing_threads", lambda cores=cores: cores)
        words = ["--portrait", "clara", "--audio", "tone.wav", "--style", "happy", "--size", "256", "-o", "out.mp4"]
        assert main(["render", *words]) == 0
        files.append((folder / "out.mp4").read_bytes())
    assert files[0] == files[1]


def _interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def _full() -> None:
    raise OSError(28, "No space left on device")


def _broken() -> None:
    raise RuntimeError("no triangle is left")


@pytest.mark.parametrize(
    ("method", "happens", "status", "named"),
    [
        ("render", _broken, 1, "the renderer failed: no triangle is left"),
        ("decode", _broken, 1, "the decoder failed: no triangle is left"),
        ("write_frame", _full, 2, "out.mp4 cannot be written (No space left on device)"),
        ("decode", _interrupt, 130, ""),  # on the main thread, within the event loop
        ("finish", _interrupt, 130, ""),  # and outside of it
    ],
)
def test_an_early_end_leaves_neither_a_file_nor_a_thread(
    method: str,
    happens: Callable[[], None],
    status: int,
    named: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    gc.collect()  # the tasks of earlier tests
    caplog.clear()
    threads = threading.enumerate()
    engine = DeterministicEngine(size=256)
    owner: object = next(owner for owner in (engine, Mp4Writer, DrawingWorker) if hasattr(owner, method))
    original, calls = getattr(owner, method), 0

    def tenth_fails(*args: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 10:
            happens()
        return original(*args)

    monkeypatch.setattr(owner, method, tenth_fails)
    monkeypatch.setattr("styletalk_core.engine.ModelEngine", lambda *args, **options: engine)
    words = ["--portrait", "ada", "--style", "calm", "--audio", "tone.wav", "--size", "256", "-o", "out.mp4"]
    assert main(["render", *words]) == status
    said = capsys.readouterr().err.strip().splitlines()
    assert not named or said[-1] == f"styletalk: {named}"
    assert not list(folder.glob("**/*.mp4"))
    names = (THREAD_NAME, render.WRITER_THREAD)
    left = [thread.name for thread in threading.enumerate() if thread not in threads]
    assert not [name for name in left if name.startswith(names)]
    gc.collect()  # a task whose error nobody took is logged when it is collected
    assert not [record.getMessage() for record in caplog.records if record.name == "asyncio"]
