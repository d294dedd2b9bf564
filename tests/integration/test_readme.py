"""Proves that the README works: every block of it is run here or is marked as an excerpt.

A block under `<!-- excerpt -->` is only looked at; every line of any other must be a command of a kind that is run.
"""

import asyncio
import os
import re
import shlex
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from face_videos import talking_frames, write_video
from live_server import running_server
from PIL import Image

from server.avatar import VideoFrame, rgb
from server.cli import main
from server.sessions.mp4 import Mp4Writer
from styletalk_core.audio import read_audio
from styletalk_core.library.avatars import AvatarLibrary

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
OUTSIDE_MAKE = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
"""The environment as if `make` had not started these tests."""
BLOCK = re.compile(r"^(<!-- excerpt -->\n)?```(\w*)\n(.*?)^```$", re.M | re.S)
CALLED = {
    "serve": ".venv/bin/styletalk serve",
    "test": '.venv/bin/python -m pytest -m "browser and not benchmark"',
}
"""What the targets of the README end in."""
PARTS = ("test-without-browser", "test-without-lab", "test-in-browser")
"""Of `make test`, in their order."""


def commands(text: str) -> list[list[str]]:
    """The lines of all blocks that are neither excerpts nor Python, as words."""
    return [
        shlex.split(line)
        for excerpt, language, body in BLOCK.findall(text)
        if not excerpt and language != "python"
        for line in body.splitlines()
    ]


README = (ROOT / "README.md").read_text()
COMMANDS = commands(README)
(PROGRAM,) = [body for _, language, body in BLOCK.findall(README) if language == "python"]
"""The twelve lines."""


def of_kind(program: str) -> list[list[str]]:
    """The arguments of every command that begins with ``program``."""
    return [arguments for first, *arguments in COMMANDS if first == program]


def test_every_line_is_of_a_kind_that_is_run_here() -> None:
    assert {words[0] for words in COMMANDS} == {"make", ".", "styletalk", "python"}


def test_a_block_that_nobody_runs_is_noticed() -> None:
    text = "```\nmake serve\n```\n\n<!-- excerpt -->\n```bibtex\n@a\n```\n\n```bash\nrm -r x\n```\n"
    assert commands(text) == [["make", "serve"], ["rm", "-r", "x"]]


@pytest.mark.parametrize("target", [target for (target,) in of_kind("make")])
def test_make_installs_and_then_runs_what_the_target_is_for(target: str) -> None:
    steps = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "--always-make", target],
        cwd=ROOT, env=OUTSIDE_MAKE, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert 0 < steps.index("-m venv .venv") < steps.index("-r requirements.lock") < steps.rindex(CALLED[target])
    assert steps.rstrip().endswith(CALLED[target])


def test_a_red_part_does_not_hide_those_after_it(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\ntest "$4" = "browser and not benchmark"\n')
    python.chmod(0o755)
    outcome = subprocess.run(
        ["make", "--keep-going", *PARTS, f"BIN={tmp_path}"],
        cwd=ROOT, env=OUTSIDE_MAKE, capture_output=True, text=True, check=False,
    )  # fmt: skip
    called = (tmp_path / "calls").read_text().splitlines()
    assert [call.removeprefix("-m pytest -m ").split(" tests/")[0] for call in called] == [
        "not browser and not benchmark",
        "not browser and not benchmark --without-lab",
        "browser and not benchmark",
    ]
    assert outcome.returncode != 0
    assert f"--keep-going --jobs=1 {' '.join(PARTS)}\n" in MAKEFILE


def test_the_environment_that_is_activated_is_the_one_that_make_creates() -> None:
    (folder,) = re.findall(r"^VENV\s*:= (.+)$", MAKEFILE, re.M)
    assert of_kind(".") == [[f"{folder}/bin/activate"]]


@pytest.fixture
def material(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the photo, clip and recording that the README mentions, without user files."""
    monkeypatch.setenv("STYLETALK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    Image.fromarray(AvatarLibrary(tmp_path).get("clara").image).save("photo.jpg")
    write_video(Path("clip.mp4"), talking_frames())
    samples = read_audio(ROOT / "tests/data/speech/two_sentences.flac", 48_000)[:72_000]
    with wave.open("speech.wav", "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return tmp_path


def test_the_commands_work_one_after_the_other(material: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in of_kind("styletalk"):
        assert main(arguments) == 0, arguments
        assert capsys.readouterr().out, arguments
    assert (material / "out.mp4").stat().st_size > 10_000


async def test_a_program_lets_a_presenter_speak(material: Path) -> None:
    ((script, recording, presenter),) = of_kind("python")
    async with running_server() as server:
        address = f"ws://127.0.0.1:{server.port}"
        process = await asyncio.create_subprocess_exec(
            sys.executable, ROOT / script, recording, presenter, address, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0 and b"heard 1.50 s" in said


def test_the_twelve_lines_show_the_frames_of_the_command(
    material: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len([line for line in PROGRAM.splitlines() if line.strip()]) <= 12
    shown, written = list[bytes](), list[bytes]()

    def seen(frame: VideoFrame) -> np.ndarray:
        shown.append(frame.yuv.tobytes())
        return rgb(frame)

    monkeypatch.setattr("server.avatar.rgb", seen)
    exec(compile(PROGRAM, "README.md", "exec"), {"__name__": "readme"})
    assert capsys.readouterr().out.splitlines()[-1] == "1.47 s (512, 512, 3)"
    monkeypatch.setattr(Mp4Writer, "write_frame", lambda writer, index, yuv: written.append(yuv.tobytes()))
    monkeypatch.setattr(Mp4Writer, "close", lambda writer: None)
    command = "render --portrait clara --audio speech.wav --style happy -o out.mp4"
    (material / ".out.partial.mp4").touch()
    main(command.split())
    assert len(shown) == 45 and shown == written
