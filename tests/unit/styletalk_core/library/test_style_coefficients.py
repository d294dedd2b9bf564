"""Coefficient files of the authors become styles whose coefficients are unchanged; unusable files are refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from server.cli import main
from styletalk_core.face.spaces import BFM64, MESH64
from styletalk_core.library.enrollment import enroll_style
from styletalk_core.library.style_coefficients import MIN_FRAMES
from styletalk_core.library.styles import STYLE_FRAMES, StyleLibrary

OFFICIAL = Path(__file__).parents[5] / "shared" / "data" / "official_dev"
COLUMNS = 257


def coefficients(frames: int = 300, seed: int = 0) -> dict[str, Any]:
    """The content of a file: a face that turns to the image's right, comes nearer and moves right and down."""
    random = np.random.default_rng(seed)
    values = random.standard_normal((frames, COLUMNS)).astype(np.float32)
    way = np.linspace(-1, 1, frames, dtype=np.float32)
    values[:, 224:227] = 0.1 * np.stack([0 * way, way, 0 * way], axis=1)
    crop = np.stack([0 * way + 256, 0 * way + 256, 1 - 0.1 * way, 128 + 10 * way, 128 - 5 * way], axis=1)
    return {"coeff": values, "transform_params": crop}


def test_coefficients_are_stored_as_they_are_and_the_head_moves_with_them(tmp_path: Path) -> None:
    library, content = StyleLibrary(tmp_path / "styles"), coefficients()
    savemat(tmp_path / "clip.mat", content)
    added = enroll_style(library, "mine", tmp_path / "clip.mat")
    assert (added.space, added.frames_used, added.source) == (BFM64, STYLE_FRAMES, "clip.mat")
    assert 0 < added.conversion_error < 1 and added.motion_energy > 0.1
    style = library.get("mine")
    np.testing.assert_array_equal(style.coefficients, content["coeff"][:STYLE_FRAMES, 80:144])
    assert style.within(BFM64).coefficients is style.coefficients
    assert style.within(MESH64).coefficients.shape == style.coefficients.shape
    first, last = style.pose[0], style.pose[-1]
    assert last[1] - first[1] == pytest.approx(0.2 * 255 / 299, rel=0.2), "yaw"
    assert last[3] > first[3] and last[4] > first[4] and last[5] > first[5], "right, down, nearer"


def test_a_file_without_a_name_of_its_own_is_known_by_its_content(tmp_path: Path) -> None:
    savemat(tmp_path / "upload", coefficients(), appendmat=False)
    assert enroll_style(StyleLibrary(tmp_path / "styles"), "mine", tmp_path / "upload").space == BFM64


def test_unusable_files_are_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STYLETALK_HOME", str(tmp_path / "home"))
    whole, numbers = coefficients(), coefficients()["coeff"]
    broken = numbers.copy()
    broken[3, 100] = np.nan
    contents: dict[str, dict[str, Any]] = {
        "other.mat": {"x": numbers},
        "narrow.mat": {"coeff": numbers[:, 1:]},
        "short.mat": {"coeff": numbers[: MIN_FRAMES - 1]},
        "broken.mat": {"coeff": broken},
        "words.mat": {"coeff": "words"},
        "uneven.mat": whole | {"transform_params": whole["transform_params"][1:]},
    }
    for name, content in contents.items():
        savemat(tmp_path / name, content)
    savemat(tmp_path / "whole.mat", whole)
    (tmp_path / "cut.mat").write_bytes((tmp_path / "whole.mat").read_bytes()[:5000])
    (tmp_path / "text.mat").write_text("these are no coefficients")
    reasons = {
        "other.mat": "no numeric variable 'coeff'",
        "narrow.mat": "(300, 256) where (frames, 257) is needed",
        "short.mat": f"at least {MIN_FRAMES} are needed",
        "broken.mat": "not finite",
        "words.mat": "no numeric variable 'coeff'",
        "uneven.mat": "300 rows of coeff but 299 of transform_params",
        "cut.mat": "cannot be read as a MATLAB file",
        "text.mat": "cannot be read as a MATLAB file",
        "nowhere.mat": "cannot be read as a MATLAB file",
    }
    for name, reason in reasons.items():
        assert main(["style", "add", "mine", str(tmp_path / name)]) == 2
        said = capsys.readouterr().err.strip().splitlines()[-1]
        assert reason in said and said.startswith("styletalk: ")
    assert not StyleLibrary(tmp_path / "home" / "styles").added_names()


def test_the_command_tells_the_space_and_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STYLETALK_HOME", str(tmp_path / "home"))
    savemat(tmp_path / "clip.mat", coefficients())
    assert main(["style", "add", "mine", str(tmp_path / "clip.mat"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"name": "mine", "frames_used": 256, "space": "bfm64"}.items() <= answer.items()
    assert main(["style", "add", "mine", str(tmp_path / "clip.mat")]) == 0
    assert "estimates" in capsys.readouterr().out


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="../shared/data is not here")
def test_the_official_files_go_in_and_come_out_unchanged(tmp_path: Path) -> None:
    library = StyleLibrary(tmp_path)
    files = sorted(OFFICIAL.rglob("*.mat"))
    assert len(files) == 49
    for path in files:
        enroll_style(library, "mine", path)
        expected = loadmat(path)["coeff"][:STYLE_FRAMES, 80:144]
        np.testing.assert_array_equal(library.get("mine").coefficients, expected)
