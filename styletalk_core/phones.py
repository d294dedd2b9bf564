"""The paper's 41 phone symbols (39 CMU + SIL + NSN), their viseme classes and the frame rate (section 3.1).

Defines the symbol order of the official checkpoints. Pure constants.
"""

from typing import Final

FPS: Final = 30
CONTEXT: Final = 5
"""w: frames of context on each side of the decoded frame."""
WINDOW: Final = 2 * CONTEXT + 1

PHONES: Final[tuple[str, ...]] = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY",
    "JH", "K", "L", "M", "N", "NG", "NSN", "OW", "OY", "P", "R", "S", "SH", "SIL", "T", "TH", "UH", "UW",
    "V", "W", "Y", "Z", "ZH",
)  # fmt: skip
"""Index in this tuple = phone id, the order of the official ``phindex.json``."""

INDEX: Final[dict[str, int]] = {phone: index for index, phone in enumerate(PHONES)}
SIL_INDEX: Final = INDEX["SIL"]
NSN_INDEX: Final = INDEX["NSN"]

VISEME_CLASSES: Final[dict[str, tuple[str, ...]]] = {
    "silence": ("SIL", "NSN"),
    "bilabial": ("P", "B", "M"),
    "labiodental": ("F", "V"),
    "dental": ("TH", "DH"),
    "alveolar": ("T", "D", "N", "L", "S", "Z"),
    "postalveolar": ("CH", "JH", "SH", "ZH"),
    "velar": ("K", "G", "NG", "HH", "Y"),
    "rhotic": ("R", "ER"),
    "rounded": ("W", "UW", "UH", "OW", "OY", "AO"),
    "open": ("AA", "AH", "AE", "AW", "AY"),
    "spread": ("EH", "EY", "IH", "IY"),
}
"""Groups of phones with similar lip shapes."""

VISEME_OF_PHONE: Final[tuple[int, ...]] = tuple(
    next(i for i, members in enumerate(VISEME_CLASSES.values()) if phone in members) for phone in PHONES
)
CLOSED_LIPS: Final[tuple[int, ...]] = tuple(INDEX[phone] for phone in VISEME_CLASSES["bilabial"])
"""Ids of P, B and M: the lips must meet."""
LIP_TO_TEETH: Final[tuple[int, ...]] = tuple(INDEX[phone] for phone in VISEME_CLASSES["labiodental"])
"""Ids of F and V: the lower lip touches the upper teeth."""
