"""Packages of the extra `lab`, imported where they are needed."""

import importlib
from typing import Any

from styletalk_core.errors import InputError


def import_lab(name: str) -> Any:
    """Imports a module of a package that only the laboratory installs.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise InputError(f"this needs the package {name.split('.')[0]}: pip install 'styletalk-live[lab]'") from error
