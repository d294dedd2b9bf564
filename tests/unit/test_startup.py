"""Proves that a command imports only what it needs, because unneeded imports delay startup by seconds."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

COMMAND = """
import json, sys
from server.cli import main
try:
    main(sys.argv[1:])
finally:
    print(json.dumps(sorted(sys.modules)))
"""
SERVICE = """
import json, sys
from server.app import create_app
from server.cli.serve import make_service
from server.config import ServerConfig
create_app(make_service(ServerConfig()))
print(json.dumps(sorted(sys.modules)))
"""
DATA = {"mediapipe", "matplotlib", "scipy.spatial", "scipy.stats", "scipy.signal", "scipy.interpolate", "ray", "vosk"}
"""What only enrolment, training and drawings need."""
SERVER = {"aiortc", "starlette", "uvicorn"}
NATIVE = {"numpy", "cv2", "av", "numba", "onnxruntime", "PIL"}
TORCH = {"torch", "tqdm"}
"""The second is imported by the first."""


def modules_of(script: str, *words: str, folder: Path) -> set[str]:
    """The modules that a program has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", script, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a fifth of a second of audio."""
    folder = tmp_path_factory.mktemp("startup")
    wavfile.write(folder / "tone.wav", 16_000, np.zeros(3_200, np.int16))
    return folder


RENDER = ["render", "--portrait", "clara", "--audio", "tone.wav", "--size", "256", "-o", "out.mp4", "--json"]


@pytest.fixture(scope="module")
def rendering(folder: Path) -> set[str]:
    """The modules of a whole rendering."""
    modules = modules_of(COMMAND, *RENDER, folder=folder)
    assert (folder / "out.mp4").is_file()
    return modules


@pytest.fixture(scope="module")
def recognizing(folder: Path) -> set[str]:
    """The modules of a whole recognition."""
    return modules_of(COMMAND, "recognize", "tone.wav", "--json", folder=folder)


def test_rendering_loads_no_tracker_and_no_server(rendering: set[str]) -> None:
    assert "numba" in rendering and not rendering & (DATA | SERVER)


def test_recognizing_loads_no_image(recognizing: set[str]) -> None:
    assert "numba" in recognizing and not recognizing & (DATA | SERVER | {"cv2", "PIL"})


def test_rendering_needs_no_torch(rendering: set[str]) -> None:
    assert not rendering & TORCH


def test_recognizing_needs_no_torch(recognizing: set[str]) -> None:
    assert not recognizing & TORCH


def test_serving_leaves_the_models_to_the_worker(folder: Path) -> None:
    modules = modules_of(SERVICE, folder=folder)
    assert "aiortc" in modules and not modules & (DATA | TORCH | {"onnxruntime", "numba", "styletalk_core.engine"})


@pytest.mark.parametrize("command", ["serve", "doctor", "style", "dataset", "bench", "train", "results"])
def test_options_are_listed_without_what_the_command_needs(command: str, folder: Path) -> None:
    assert not modules_of(COMMAND, command, "--help", folder=folder) & (DATA | SERVER | TORCH | NATIVE - {"numpy"})


@pytest.mark.parametrize("command", ["render", "avatar", "background"])
def test_options_of_images_are_listed_without_the_models(command: str, folder: Path) -> None:
    modules = modules_of(COMMAND, command, "--help", folder=folder)
    assert not modules & (DATA | SERVER | TORCH | {"onnxruntime", "numba", "styletalk_core.engine"})


def test_the_list_of_commands_imports_no_package(folder: Path) -> None:
    assert not modules_of(COMMAND, "--help", folder=folder) & (DATA | SERVER | TORCH | NATIVE)
