"""Proves that every packaged weight file, portrait and style has terms, and that research material is not offered for
commerce: a file belongs to the set of weights whose folder holds it."""

from importlib.resources import files
from pathlib import Path

import numpy as np

from styletalk_core.licences import BOTH, licences, terms
from styletalk_core.weights import DEFAULT, FOLDER, FREE, NEEDED

PACKAGE = Path(str(files("styletalk_core")))
PATTERNS = (
    "weights/**/*.safetensors",
    "weights/*.tflite",
    "weights/*.npy",
    "portraits/**/*.np[zy]",
    "portraits/*.png",
    "presets/**/*.npz",
)
MATERIAL = [path.relative_to(PACKAGE).as_posix() for pattern in PATTERNS for path in PACKAGE.glob(pattern)]


def test_every_packaged_file_is_covered_by_exactly_one_entry_and_every_entry_by_a_file() -> None:
    covered = {path: [entry for entry in licences() if entry.covers(path)] for path in MATERIAL}
    assert len(MATERIAL) > 20
    assert {path: found for path, found in covered.items() if len(found) != 1} == {}
    assert {entry.files for entry in licences()} == {found[0].files for found in covered.values()}


def test_styles_from_research_clips_are_not_marked_for_commercial_use() -> None:
    for path in (PACKAGE / "presets").glob("*.npz"):
        (entry,) = [entry for entry in licences() if entry.covers(f"presets/{path.name}")]
        with np.load(path) as style:
            assert entry.commercial == ('"grid/' in str(style["about"]))


def test_entries_name_the_set_that_loads_their_files() -> None:
    own = {f"weights/{name}" for name in (*NEEDED, "basel.safetensors")}
    for path in MATERIAL:
        (entry,) = [entry for entry in licences() if entry.covers(path)]
        replaced = path in own or path.startswith("presets/")
        assert entry.weights == (FREE if "/free/" in path else DEFAULT if replaced else BOTH), path


def test_everything_that_the_free_set_loads_may_be_used_commercially() -> None:
    assert {entry.files: entry.commercial for entry in licences(FREE) if not entry.commercial} == {}
    assert {"portraits/*/portrait.npz", "weights/silero_vad.safetensors"} <= {entry.files for entry in licences(FREE)}
    assert terms(FREE).commercial and terms(FREE).title == "Free weights"
    assert not terms(DEFAULT).commercial and terms(DEFAULT).title == "Research weights"


def test_no_file_of_the_free_set_is_a_copy_of_the_default_one() -> None:
    pairs = {path: path.parents[1] / path.name for path in FOLDER.glob(f"{FREE}/*.safetensors")}
    pairs |= {path: path.parents[1] / path.name for path in (PACKAGE / "presets" / FREE).glob("*.npz")}
    copied = [path.name for path, other in pairs.items() if other.exists() and path.read_bytes() == other.read_bytes()]
    assert len(pairs) > len(NEEDED) and copied == []
