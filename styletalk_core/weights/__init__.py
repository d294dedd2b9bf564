"""Paths of the packaged weight files."""

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
MOTION_WEIGHTS: Final = FOLDER / "styletalk.safetensors"
