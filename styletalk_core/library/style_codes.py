"""Codes of the styles of a library: read once for each motion, blended, scaled by intensity, and placed in the plane.

Runs on: any thread; one style takes some ten milliseconds the first time.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.errors import InputError
from styletalk_core.library.style_map import StylePosition, places
from styletalk_core.library.styles import EMOTIONS, StyleLibrary

NEUTRAL: Final = EMOTIONS[0]
"""The preset from which intensity is measured."""
CODES_KEPT: Final = 256
"""Style codes that stay ready; one takes 1 kB."""

Float = NDArray[np.float32]


def fade(start: Float, end: Float, share: float) -> Float:
    """Cross-fades two style codes (…, C): share 0 is the start, 1 the end."""
    way = end - start
    if share < 0.5:  # exact at both ends
        return start + np.float32(share) * way
    return end - np.float32(1 - share) * way


def intensify(code: Float, neutral: Float, intensity: float) -> Float:
    """Scales a style code (…, C) as seen from the neutral one: 0 is neutral, 1 the style, above 1 exaggerates it."""
    return fade(neutral, code, intensity)


class StyleCodes:
    """Style codes by name, for one network."""

    def __init__(self, styles: StyleLibrary, encode: Callable[[Float], Float]) -> None:
        """Reads the neutral style; ``encode`` turns coefficients (L, 64) into a code (C,)."""
        self._styles, self._encode = styles, encode
        self._codes: dict[bytes, Float] = {}
        self._neutral = self._of(NEUTRAL)

    def blend(self, style: str | Mapping[str, float], intensity: float) -> Float:
        """Code (1, C) of a style or of shares by name, at an intensity: 0 is neutral, 1 the style as recorded.

        Raises:
            InputError: there is no such style.
        """
        shares = {style: 1.0} if isinstance(style, str) else style
        blended = np.sum([np.float32(share) * self._of(name) for name, share in shares.items()], axis=0)
        return intensify(blended, self._neutral, intensity)

    def places(self) -> list[StylePosition]:
        """Where every style lies in the plane, by the codes that are blended."""
        codes: dict[str, Float] = {}
        for name in self._styles.names():
            with suppress(InputError):  # a style that cannot be read has no place
                codes[name] = self._of(name)
        return places(list(codes), np.concatenate(list(codes.values())))

    def _of(self, style: str) -> Float:
        """Code (1, C); computed once for each motion, so that a style which is added anew gets a new code."""
        coefficients = self._styles.get(style).coefficients
        motion = coefficients.tobytes()
        code = self._codes.get(motion)
        if code is None:
            if len(self._codes) >= CODES_KEPT:
                self._codes.clear()
            code = self._encode(coefficients)[None]
            self._codes[motion] = code
        return code
