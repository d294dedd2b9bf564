"""Presets are complete, user styles are stored atomically, and names cannot escape the folder."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from styletalk_core.errors import InputError
from styletalk_core.face.spaces import BFM64, MESH64, Space
from styletalk_core.library import styles as module
from styletalk_core.library.styles import CONVERSATIONAL, EMOTIONS, STYLE_FRAMES, Style, StyleLibrary, typical_frames

MANNERS = ("animated", "newsreader", "whispered")


@pytest.fixture
def library(tmp_path: Path) -> StyleLibrary:
    return StyleLibrary(tmp_path / "styles")


def style(name: str = "mine", frames: int = 90) -> Style:
    motion = np.random.default_rng(1).normal(0, 1, (frames, 64)).astype(np.float32)
    pose = np.random.default_rng(2).normal(0, 0.1, (frames, 6)).astype(np.float32)
    return Style.of_motion(name, motion, pose, np.ones(frames, bool), "clip.mp4", 0.98, [0, 40], np.full(6, 0.01))


def test_presets_cover_eight_emotions_and_three_manners(library: StyleLibrary) -> None:
    assert tuple(library.names()) == (CONVERSATIONAL, *EMOTIONS, *MANNERS)
    assert len(EMOTIONS) == 8
    for name in library.names():
        preset = library.get(name)
        assert library.kind(name) == ("emotion" if name in EMOTIONS else "manner")
        assert 90 <= preset.frames_used == len(preset.coefficients) <= STYLE_FRAMES
        assert np.abs(preset.coefficients).max() < 20
        assert preset.tracked_share > 0.95


def test_presets_look_as_they_are_called(library: StyleLibrary) -> None:
    """A smile widens the mouth, lifts the cheeks and narrows the eyes; surprise lifts the brows, anger lowers them."""
    from styletalk_core.face.eyelids import lid_gaps
    from styletalk_core.face.face_model import FaceModel

    model = FaceModel.load()
    means = {name: model.offsets(library.get(name).coefficients.mean(0, keepdims=True))[0] for name in EMOTIONS}
    gaps = {name: (lid_gaps(model.mean + mean) / lid_gaps(model.mean)).mean() for name, mean in means.items()}
    cheeks = {name: -mean[[50, 280, 205, 425], 1].mean() for name, mean in means.items()}
    width = {name: mean[291, 0] - mean[61, 0] for name, mean in means.items()}
    brows = {name: -(mean[105, 1] + mean[334, 1]) / 2 for name, mean in means.items()}
    assert max(width, key=lambda name: width[name]) == "happy"
    assert gaps["happy"] < 0.8 < gaps["neutral"] < gaps["surprised"]
    assert max(cheeks, key=lambda name: cheeks[name]) == "happy"
    assert brows["surprised"] > 0.02 > brows["neutral"] > -0.02 > brows["angry"]
    assert library.get("animated").motion_energy > 2 * library.get("whispered").motion_energy


def test_added_style_is_there_at_once_and_gone_when_removed(library: StyleLibrary) -> None:
    added = style()
    library.add(added)
    assert library.names()[-1] == "mine"
    assert library.kind("mine") == "user"
    loaded = library.get("mine")
    assert loaded.coefficients == pytest.approx(added.coefficients, abs=5e-3)
    assert loaded.pose == pytest.approx(added.pose, abs=1e-3) and loaded.posture == pytest.approx(0.01)
    assert loaded.starts.tolist() == [0, 40]
    assert (loaded.source, loaded.frames_used, loaded.tracked_share) == ("clip.mp4", 90, 0.98)
    assert loaded.motion_energy == pytest.approx(1, abs=0.05)
    library.remove("mine")
    assert "mine" not in library.names()


@pytest.mark.parametrize(("space", "factor"), [(MESH64, 2.0), (BFM64, 1.0)])
def test_a_style_made_with_other_weights_is_converted_to_their_face_model(
    library: StyleLibrary, monkeypatch: pytest.MonkeyPatch, space: Space, factor: float
) -> None:
    """Coefficients of the authors mean the same with all weights."""
    monkeypatch.setattr(module, "chosen", lambda: "free")
    monkeypatch.setattr(module, "map_from_weights", lambda weights: {"free": 2.0, "default": 0.5}[weights] * np.eye(64))
    added = replace(style(), space=space)
    library.add(added)
    assert library.get("mine").coefficients == pytest.approx(added.coefficients, abs=5e-3), "with the same weights"
    monkeypatch.setattr(module, "chosen", lambda: "default")
    assert library.get("mine").coefficients == pytest.approx(factor * added.coefficients, abs=1e-2)


def test_a_style_of_an_earlier_version_was_made_with_the_default_weights(
    library: StyleLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = library.add(style())
    with np.load(path) as stored:
        parts = dict(stored)
    about = json.loads(str(parts["about"]))
    assert about.pop("weights") == "default"
    path.write_bytes(_npz(parts | {"about": json.dumps(about)}))
    assert library.get("mine").coefficients == pytest.approx(style().coefficients, abs=5e-3)
    monkeypatch.setattr(module, "chosen", lambda: "free")
    monkeypatch.setattr(module, "map_from_weights", lambda weights: {"default": 3.0}[weights] * np.eye(64))
    assert library.get("mine").coefficients == pytest.approx(3 * style().coefficients, abs=1.5e-2)
    path.write_bytes(_npz(parts | {"about": json.dumps(about | {"weights": "paid"})}))
    with pytest.raises(InputError, match="damaged"):
        library.get("mine")


def _npz(parts: dict[str, object]) -> bytes:
    """The content of a file with these arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, **parts)  # type: ignore[arg-type]
    return buffer.getvalue()


def test_own_style_hides_a_preset_of_the_same_name(library: StyleLibrary) -> None:
    library.add(style("happy"))
    assert library.get("happy").source == "clip.mp4"
    assert library.names().count("happy") == 1
    library.remove("happy")
    assert library.kind("happy") == "emotion"


def test_presets_cannot_be_removed(library: StyleLibrary) -> None:
    with pytest.raises(InputError, match="is built in"):
        library.remove("happy")
    with pytest.raises(InputError, match="does not exist"):
        library.remove("unknown")


@pytest.mark.parametrize("name", ["", "../evil", "a/b", ".hidden", "x" * 41, "a b", "-x"])
def test_names_that_could_leave_the_folder_are_refused(library: StyleLibrary, name: str) -> None:
    with pytest.raises(InputError, match="not a name"):
        library.add(style(name))


def test_unknown_and_damaged_styles_are_distinguished(library: StyleLibrary) -> None:
    with pytest.raises(InputError, match=r"no style called 'nobody'; there are: conversational, neutral"):
        library.get("nobody")
    path = library.add(style())
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="damaged"):
        library.get("mine")


def test_interrupted_storing_leaves_the_old_style(library: StyleLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    library.add(style())

    def full_disk(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.raises(OSError, match="no space"):
        library.add(style(frames=200))
    assert library.names().count("mine") == 1
    assert library.get("mine").frames_used == 90


def test_typical_part_is_the_one_most_like_the_whole() -> None:
    motion = np.random.default_rng(2).normal(0, 1, (900, 64)).astype(np.float32)
    motion[:300] += 8
    part = motion[typical_frames(motion, np.ones(900, bool))]
    assert part.shape == (STYLE_FRAMES, 64)
    assert 1 < part.mean() < 5


def test_untracked_frames_are_excluded_from_a_style() -> None:
    motion = np.ones((100, 64), np.float32)
    valid = np.arange(100) % 2 == 0
    motion[~valid] = 99
    assert motion[typical_frames(motion, valid)].max() == 1
    valid[40:60] = False
    made = Style.of_motion("gaps", motion, np.zeros((100, 6), np.float32), valid, "clip.mp4", 0.5)
    assert made.frames_used == 40 and made.starts.tolist() == [0, 20], "a long gap ends a part"


def test_a_style_of_version_0_1_has_a_head_that_does_not_move(library: StyleLibrary) -> None:
    about = json.dumps({"source": "old.mp4", "tracked_share": 1.0, "motion_energy": 0.5})
    path = library.add(style("old"))
    np.savez_compressed(path, coefficients=np.ones((90, 64), np.float16), about=about)
    old = library.get("old")
    assert old.frames_used == 90 and not old.pose.any() and not old.posture.any() and old.starts.tolist() == [0]


@pytest.mark.parametrize(
    ("field", "value"),
    [("pose", np.zeros((3, 6))), ("pose", np.full((90, 6), np.nan)), ("starts", np.array([0, 95])),
     ("starts", np.array([5])), ("posture", np.zeros(5))],
)  # fmt: skip
def test_a_style_with_a_head_that_does_not_fit_is_damaged(library: StyleLibrary, field: str, value: np.ndarray) -> None:
    path = library.add(style())
    with np.load(path) as stored:
        fields = dict(stored) | {field: value}
    np.savez_compressed(path, **fields)
    with pytest.raises(InputError, match="damaged"):
        library.get("mine")
