"""Lazy imports of packages from the `lab` extra."""

import importlib
from typing import Any

from styletalk_core.errors import InputError


def import_lab(name: str) -> Any:
    """Imports a module of a package that only the `lab` extra installs.

    Raises:
        InputError: the package is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise InputError(f"this needs the package {name.split('.')[0]}: pip install 'styletalk-live[lab]'") from error
