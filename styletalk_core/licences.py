"""Licences of the packaged weights, portraits and styles.

Runs on: any thread; reads `licences.json`.
"""

import json
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from importlib.resources import files
from typing import Final

from styletalk_core.weights import SetName

BOTH: Final = "both"
"""Set of the files that the default and the free weights share."""


@dataclass(frozen=True, slots=True)
class Licence:
    """Terms of one or more packaged files.

    Attributes:
        files: path pattern relative to this package; ``{a,b}`` matches either name.
        weights: set that they belong to, "default" or "free", or `BOTH`.
        content: what the files hold.
        origin: who made them, from what.
        licence: licence, or "research use" where some of the material is licensed for research only.
        commercial: whether commercial use is allowed.
    """

    files: str
    weights: str
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


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of a set of weights and styles in one sentence."""

    commercial: bool
    title: str
    explanation: str


FREE_TERMS: Final = Terms(
    True,
    "Free weights",
    "networks, faces and styles are made of freely licensed material only; commercial use is allowed with attribution",
)
RESEARCH_TERMS: Final = Terms(
    False,
    "Research weights",
    "some of the training material is licensed for research only; no commercial use",
)


@cache
def terms(weights: SetName) -> Terms:
    """Return the terms of a set: those of its strictest file."""
    return FREE_TERMS if all(entry.commercial for entry in licences(weights)) else RESEARCH_TERMS


def licences(weights: SetName | None = None) -> list[Licence]:
    """Return the terms of every packaged weight file, portrait and style, or of those that a set uses."""
    entries = json.loads(files("styletalk_core").joinpath("licences.json").read_text())
    return [Licence(**entry) for entry in entries if weights is None or entry["weights"] in (weights, BOTH)]
