"""Proves that a session with the free weights speaks, in every style that is offered, with files of that set alone."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.landmarks import LIPS
from styletalk_core.face.track import lip_gap
from styletalk_core.library.styles import StyleLibrary
from styletalk_core.weights import FOLDER, FREE, VARIABLE, packaged_weights

SPEECH = Path(__file__).parents[2] / "data" / "speech" / "two_sentences.flac"
PRESETS = FOLDER.parent / "presets" / "free"
SESSION = """
import asyncio, json, sys
from pathlib import Path
import numpy as np
import safetensors, safetensors.numpy
opened = []
def recorded(function):
    return lambda path, *rest, **options: opened.append(str(path)) or function(path, *rest, **options)
safetensors.safe_open = recorded(safetensors.safe_open)
safetensors.numpy.load_file = recorded(safetensors.numpy.load_file)
from server.http.lists import weights as answer
from streaming.offline import render
from streaming.session import Settings
from streaming.units import TICK_RATE
from styletalk_core import weights
from styletalk_core.audio import read_pcm
from styletalk_core.engine import ModelEngine
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.track import lip_gap
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.styles import StyleLibrary
weights.check_complete()
engine = ModelEngine(AvatarLibrary(None), StyleLibrary(None), size=256)
model, decode, decoded = FaceModel.load(), engine.decode, []
engine.decode = lambda slots, windows: decoded.append(decode(slots, windows)) or decoded[-1]
samples = read_pcm(Path(sys.argv[1]), TICK_RATE)[: 3 * TICK_RATE]
frames = list(render(engine, samples, Settings("clara", engine.styles[0], 1.0)))
gap = lip_gap(model.mean + model.offsets(np.concatenate(decoded)))
print(json.dumps({
    "frames": len(frames), "styles": engine.styles, "places": len(engine.style_map()),
    "moving": float(gap.std()), "opened": opened, "answer": json.loads(asyncio.run(answer(None)).body),
}))
"""


@pytest.fixture(scope="module")
def session() -> Mapping[str, Any]:
    """Three seconds of speech with the free weights."""
    command = [sys.executable, "-c", SESSION, str(SPEECH)]
    environment = os.environ | {VARIABLE: FREE}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_a_session_speaks(session: Mapping[str, Any]) -> None:
    assert session["frames"] == 90 and session["moving"] > 0.02


def test_the_server_says_which_weights_it_uses(session: Mapping[str, Any]) -> None:
    answer = session["answer"]
    assert (answer["weights"], answer["commercial"], answer["title"]) == (FREE, True, "Free weights")


def test_no_file_that_only_the_default_set_has_is_opened(session: Mapping[str, Any]) -> None:
    shared = str(FOLDER / "silero_vad.safetensors")
    strange = [path for path in session["opened"] if not path.startswith(str(FOLDER / FREE)) and path != shared]
    assert session["opened"] and strange == []


def test_every_style_on_offer_is_one_of_the_set(session: Mapping[str, Any]) -> None:
    names = {path.name.removesuffix(".style.npz") for path in PRESETS.glob("*.style.npz")}
    assert set(session["styles"]) == names and session["places"] == len(names)
    for path in PRESETS.glob("*.style.npz"):
        with np.load(path) as style:
            assert json.loads(str(style["about"]))["weights"] == FREE, path


@pytest.mark.parametrize("name", ["conversational", "happy", "surprised", "angry"])
def test_a_style_of_the_default_set_looks_the_same_when_it_is_converted(name: str) -> None:
    default, free = FaceModel.load(), FaceModel.load(packaged_weights("mesh64.safetensors", FREE))
    motion = StyleLibrary(None).get(name).coefficients
    shown, converted = default.offsets(motion), free.offsets(motion @ free.map_from(default))
    lips = list(LIPS)
    moved = np.sqrt((shown - shown.mean(axis=0))[:, lips].var())
    assert np.sqrt(((converted - shown)[:, lips] ** 2).mean()) < 0.25 * moved
    gaps = lip_gap(default.mean + shown), lip_gap(default.mean + converted)
    assert np.corrcoef(*gaps)[0, 1] > 0.99 and gaps[1].std() / gaps[0].std() == pytest.approx(1, abs=0.1)
