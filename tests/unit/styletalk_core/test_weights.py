"""Proves that a process uses one set of weights: the one that was asked for, whole, or none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from styletalk_core import weights

PRINT = "from styletalk_core import weights; print(weights.chosen())"
LOADERS = """
from pathlib import Path
from styletalk_core import weights
weights.FOLDER = Path("nothing")
from styletalk_core.engine import ModelEngine
from styletalk_core.face import arkit, basel
from styletalk_core.face.face_model import FaceModel
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.style_map import style_codes
from styletalk_core.library.styles import StyleLibrary
from styletalk_core.recognizer.stream import Recognizer
from styletalk_core.rendering import retouch_weights, skin_folds
for load in (FaceModel.load, arkit.FaceDriver, basel.packaged_map, Recognizer.load, retouch_weights.load,
             skin_folds.load, lambda: style_codes([]),
             lambda: ModelEngine(AvatarLibrary(None), StyleLibrary(None))):
    try:
        load()
    except weights.InputError as error:
        assert str(error).startswith("The free weights "), error
    else:
        raise AssertionError(load)
"""


def run(code: str, chosen: str = "") -> subprocess.CompletedProcess[str]:
    """Run Python with a set chosen by the environment."""
    environment = os.environ | {weights.VARIABLE: chosen}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(("chosen", "used"), [("", "default"), ("default", "default"), ("free", "free")])
def test_the_environment_chooses(chosen: str, used: str) -> None:
    assert run(PRINT, chosen).stdout == f"{used}\n"


def test_a_set_that_there_is_not_is_one_sentence() -> None:
    failed = run(PRINT, "paid")
    assert failed.returncode and failed.stderr.endswith("The weights are default or free, not 'paid'.\n")


def test_a_program_chooses_for_itself_and_for_the_processes_that_it_starts() -> None:
    inherit = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {PRINT!r}])"
    assert run(f"from styletalk_core import weights; weights.use('free'); {inherit}").stdout == "free\n"


def test_a_process_that_uses_one_set_cannot_change_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(weights.VARIABLE, weights.chosen())
    other = next(name for name in weights.SETS if name != weights.chosen())
    with pytest.raises(weights.InputError, match=f"already uses the {weights.chosen()} weights"):
        weights.use(other)
    assert os.environ[weights.VARIABLE] == weights.chosen()
    weights.use(weights.chosen())


def test_no_file_of_the_default_set_stands_in_for_one_that_is_missing() -> None:
    done = run(LOADERS, "free")
    assert done.returncode == 0, done.stderr


def test_missing_files_are_named_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights.check_complete()
    for name in weights.NEEDED[1:]:
        (tmp_path / name).touch()
    monkeypatch.setattr(weights, "weight_path", lambda name, weights=None: tmp_path / name)
    with pytest.raises(weights.InputError, match=rf"weights lack {weights.NEEDED[0]}: reinstall styletalk-live"):
        weights.check_complete()
