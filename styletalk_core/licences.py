"""Licences of the packaged weights, portraits and styles.

Runs on: any thread; reads `licences.json`.
"""

import json
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Licence:
    """Terms of one or more packaged files.

    Attributes:
        files: path pattern relative to this package; ``{a,b}`` matches either name.
        content: what the files hold.
        origin: who made them, from what.
        licence: licence, or "research use" where some of the material is licensed for research only.
        commercial: whether commercial use is allowed.
    """

    files: str
    content: str
    origin: str
    licence: str
    commercial: bool

    def covers(self, path: str) -> bool:
        """Return whether the terms are those of ``path``, relative to this package."""
        start, brace, rest = self.files.partition("{")
        names, _, end = rest.partition("}")
        patterns = [start + name + end for name in names.split(",")] if brace else [start]
        return any(fnmatch(path, pattern) for pattern in patterns)


def licences() -> list[Licence]:
    """Return the terms of every packaged weight file, portrait and style."""
    return [Licence(**entry) for entry in json.loads(files("styletalk_core").joinpath("licences.json").read_text())]
