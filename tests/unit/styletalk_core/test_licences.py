"""Proves that every packaged weight file, portrait and style has terms, and that research material is not offered for
commerce."""

from importlib.resources import files
from pathlib import Path

import numpy as np

from styletalk_core.licences import licences

PACKAGE = Path(str(files("styletalk_core")))
PATTERNS = (
    "weights/*.safetensors",
    "weights/*.tflite",
    "weights/*.npy",
    "portraits/**/*.np[zy]",
    "portraits/*.png",
    "presets/*",
)
MATERIAL = [path.relative_to(PACKAGE).as_posix() for pattern in PATTERNS for path in PACKAGE.glob(pattern)]


def test_every_packaged_file_is_covered_by_exactly_one_entry_and_every_entry_by_a_file() -> None:
    covered = {path: [entry for entry in licences() if entry.covers(path)] for path in MATERIAL}
    assert len(MATERIAL) > 20
    assert {path: found for path, found in covered.items() if len(found) != 1} == {}
    assert {entry.files for entry in licences()} == {found[0].files for found in covered.values()}


def test_styles_from_research_clips_are_not_marked_for_commercial_use() -> None:
    for path in (PACKAGE / "presets").iterdir():
        (entry,) = [entry for entry in licences() if entry.covers(f"presets/{path.name}")]
        with np.load(path) as style:
            assert entry.commercial == ('"grid/' in str(style["about"]))
