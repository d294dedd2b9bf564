"""Coefficient files of the authors (`.mat`, written by Deep3DFaceRecon): expression, head and crop of every frame.

Column layout as in the official code: of the 257 columns of ``coeff`` the expression is 80..143, the angles 224..226
and the translation 254..256; the last three of ``transform_params`` are the crop.

Runs on: any thread; reads files. A MATLAB file holds plain arrays; nothing in it is executed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.errors import InputError
from styletalk_core.face.matlab_file import DamagedFile, read_matrices

SUFFIX: Final = ".mat"
_START: Final = b"MATLAB "
COLUMNS: Final = 257
"""Columns of ``coeff``."""
_EXPRESSION, _ANGLES, _TRANSLATION = slice(80, 144), slice(224, 227), slice(254, 257)
_COEFFICIENTS, _CROP = "coeff", "transform_params"
_CROP_COLUMNS: Final = 5


@dataclass(frozen=True, slots=True)
class BaselClip:
    """Coefficients of a clip, T frames, as stored."""

    expression: NDArray[np.float32]
    """(T, 64)"""
    placement: NDArray[np.float32]
    """(T, 9): angles [rad], translation, crop; the crop is zero where the file has none."""


def is_basel_file(path: Path) -> bool:
    """Return True for a coefficient file, by its name or its first bytes."""
    if path.suffix.lower() == SUFFIX:
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(_START)) == _START
    except OSError:
        return False


def read_basel_file(path: Path) -> BaselClip:
    """Reads a coefficient file.

    Raises:
        InputError: the file cannot be read, or lacks coefficients; the message says which.
    """
    stored = _stored(path)
    coefficients = _matrix(path, stored, _COEFFICIENTS, COLUMNS)
    crop = np.zeros((len(coefficients), 3), np.float32)
    if _CROP in stored:
        crop = _matrix(path, stored, _CROP, _CROP_COLUMNS)[:, -3:]
    if len(crop) != len(coefficients):
        raise InputError(f"{path.name} has {len(coefficients)} rows of {_COEFFICIENTS} but {len(crop)} of {_CROP}")
    placement = np.concatenate([coefficients[:, _ANGLES], coefficients[:, _TRANSLATION], crop], axis=1)
    return BaselClip(coefficients[:, _EXPRESSION], placement)


def _stored(path: Path) -> dict[str, NDArray[Any]]:
    try:
        return read_matrices(path.read_bytes())
    except (OSError, DamagedFile) as error:
        raise InputError(f"{path.name} cannot be read as a MATLAB file of coefficients") from error


def _matrix(path: Path, stored: dict[str, NDArray[Any]], name: str, columns: int) -> NDArray[np.float32]:
    """Return a matrix (T, columns) of a file.

    Raises:
        InputError: there is no such matrix.
    """
    if name not in stored:
        raise InputError(f"{path.name} has no numeric variable {name!r}, which holds the authors' coefficients")
    values = stored[name]
    if values.ndim != 2 or values.shape[1] != columns:
        raise InputError(f"{path.name}: {name} has shape {values.shape} where (frames, {columns}) is needed")
    if not len(values) or not np.isfinite(values).all():
        raise InputError(f"{path.name}: {name} is empty or contains values that are not finite")
    return values.astype(np.float32)
