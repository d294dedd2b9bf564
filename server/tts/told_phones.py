"""Phones that a voice tells with its audio: symbols with times become phones for the timeline.

Pure apart from the log. A voice whose times cannot be right tells nothing, and its audio is recognized instead.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from streaming.media import TimedPhone
from streaming.units import SILENCE, TICK_RATE, Tick
from styletalk_core.ipa import phones_of_ipa
from styletalk_core.phones import INDEX

CLOSURE_SECONDS: Final = 0.03
"""Silence before the burst of a stop, which espeak-ng counts to the phone before it, while the lips are closed."""
LABEL_LAG: Final[Tick] = 720
"""Lag of the labels that the networks know after the start of a phone: 15 ms, between the shifts of 10 and 20 ms at
which the recognizer agreed best with espeak-ng on seven sentences, in English and German."""
_STOPS: Final = frozenset(INDEX[name] for name in ("P", "B", "T", "D", "K", "G", "CH", "JH"))

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ToldSymbol:
    """A symbol of IPA that starts ``start`` seconds into the audio; empty for a pause."""

    start: float
    symbol: str


def read_symbols(text: str) -> list[ToldSymbol]:
    """Parse lines of a time in seconds and a symbol; names of languages in parentheses are no symbols.

    Raises:
        ValueError: a line has no time.
    """
    lines = (line.partition(" ") for line in text.splitlines())
    return [ToldSymbol(float(start), symbol) for start, _, symbol in lines if not symbol.startswith("(")]


def told_phones(voice: str, symbols: Sequence[ToldSymbol], length: Tick) -> tuple[TimedPhone, ...]:
    """Return the phones of audio of ``length`` ticks, silence between them; gaps where a symbol is not known.

    Nothing, with a line in the log, if times run backwards or lie outside the audio.
    """
    starts = [symbol.start * TICK_RATE for symbol in symbols]
    ends = [*starts[1:], float(length)]
    if not all(math.isfinite(start) and 0 <= start <= end for start, end in zip(starts, ends, strict=True)):
        _log.warning("the voice %s tells phones at impossible times; its audio is recognized instead", voice)
        return ()
    sounds = [phones_of_ipa(one.symbol) if one.symbol else (SILENCE,) for one in symbols]
    if starts and starts[0] > 0:
        starts, sounds = [0.0, *starts], [(SILENCE,), *sounds]
    for index, sound in enumerate(sounds[1:], start=1):
        if sound and sound[0] in _STOPS:
            starts[index] -= min(CLOSURE_SECONDS * TICK_RATE, (starts[index] - starts[index - 1]) / 2)
    return tuple(
        phone
        for sound, (start, end) in zip(sounds, pairwise([*starts, float(length)]), strict=True)
        for phone in _shared(sound, start + LABEL_LAG, end + LABEL_LAG)
    )


def _shared(phones: Sequence[int], start: float, end: float) -> Iterator[TimedPhone]:
    """Yields ``phones``, which share the time from ``start`` to ``end`` evenly."""
    bounds = [round(start + (end - start) * index / len(phones)) for index in range(len(phones) + 1)] if phones else []
    for phone, (first, last) in zip(phones, pairwise(bounds), strict=True):
        if first < last:
            yield TimedPhone(first, last, phone)
