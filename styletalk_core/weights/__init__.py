"""The packaged sets of weights and styles, and which of them this process uses.

``default`` is trained on all material, ``free`` on freely licensed material only. The environment variable
``STYLETALK_WEIGHTS`` or `use` chooses, before the first file is loaded; child processes inherit the choice. A process
never mixes two sets: the expression coefficients of one mean another face in the other.

Runs on: any thread.
"""

import os
from functools import cache
from pathlib import Path
from typing import Final, Literal, get_args

from styletalk_core.errors import InputError

VARIABLE: Final = "STYLETALK_WEIGHTS"
SetName = Literal["default", "free"]
DEFAULT: Final[SetName] = "default"
FREE: Final[SetName] = "free"
SETS: Final[tuple[SetName, ...]] = get_args(SetName)
MOTION: Final = "styletalk.safetensors"
"""File of the motion network."""
NEEDED: Final = (
    "folds.safetensors",
    "mesh64.safetensors",
    "mouth.safetensors",
    "recognizer.safetensors",
    MOTION,
    "visemes.safetensors",
)
"""Files of every set. Those of other people's networks and of generated faces are free, and the same in all sets."""

FOLDER: Final = Path(__file__).parent
_PRESETS: Final = FOLDER.parent / "presets"


def use(name: str) -> None:
    """Chooses the set of this process and of those that it starts.

    Raises:
        InputError: there is no such set, or this process already uses another one.
    """
    os.environ[VARIABLE] = checked(name)
    if (current := chosen()) != name:
        os.environ[VARIABLE] = current
        raise InputError(f"This process already uses the {current} weights, so it cannot use the {name} ones.")


@cache
def chosen() -> SetName:
    """Return the name of the set that this process uses; from the first call on it does not change.

    Raises:
        InputError: the environment names a set that there is not.
    """
    return checked(os.environ.get(VARIABLE) or DEFAULT)


def checked(name: str) -> SetName:
    """Return the name of a set.

    Raises:
        InputError: there is no such set.
    """
    for known in SETS:
        if name == known:
            return known
    raise InputError(f"The weights are {' or '.join(SETS)}, not {name!r}.")


def weight_path(name: str, weights: SetName | None = None) -> Path:
    """Return the path of a file of a set, of the chosen one without ``weights``; it need not exist."""
    return (FOLDER / FREE if (weights or chosen()) == FREE else FOLDER) / name


def packaged_weights(name: str, weights: SetName | None = None) -> Path:
    """Return a file of a set, of the chosen one without ``weights``.

    Raises:
        InputError: it is missing.
    """
    path = weight_path(name, weights)
    _check_present(path, weights=weights or chosen())
    return path


def preset_folder() -> Path:
    """Return the folder of the chosen set's styles."""
    return _PRESETS / FREE if chosen() == FREE else _PRESETS


def check_complete() -> None:
    """Checks that the chosen set has every file that a call needs.

    Raises:
        InputError: one is missing.
    """
    _check_present(*map(weight_path, NEEDED), preset_folder() / "neutral.style.npz", weights=chosen())


def _check_present(*paths: Path, weights: SetName) -> None:
    if missing := [path.name for path in paths if not path.is_file()]:
        raise InputError(f"The {weights} weights lack {', '.join(missing)}: reinstall styletalk-live.")
