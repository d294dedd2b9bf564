"""Style codes of a library: computed once per motion, blended, scaled by intensity and projected to 2-D.

Runs on: any thread; one style takes about ten milliseconds the first time.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.errors import InputError
from styletalk_core.face.spaces import MESH64, Space
from styletalk_core.library.style_map import StylePosition, places
from styletalk_core.library.styles import NEUTRAL, StyleLibrary

CODES_KEPT: Final = 256
"""Cached style codes; one takes 1 kB."""

Float = NDArray[np.float32]


def fade(start: Float, end: Float, share: float) -> Float:
    """Interpolates two style codes (…, C): share 0 is the start, 1 the end."""
    way = end - start
    if share < 0.5:  # exact at both ends
        return start + np.float32(share) * way
    return end - np.float32(1 - share) * way


def intensify(code: Float, neutral: Float, intensity: float) -> Float:
    """Scales a style code (…, C) relative to neutral: 0 is neutral, 1 the style, above 1 exaggerates it."""
    return fade(neutral, code, intensity)


class StyleCodes:
    """Style codes by name, for one network."""

    def __init__(self, styles: StyleLibrary, encode: Callable[[Float], Float], space: Space = MESH64) -> None:
        """Encodes the neutral style; ``encode`` maps coefficients (L, 64) of a space to a code (C,)."""
        self._styles, self._encode, self._space = styles, encode, space
        self._codes: dict[bytes, Float] = {}
        self._neutral = self._of(NEUTRAL)

    def blend(self, style: str | Mapping[str, float], intensity: float) -> Float:
        """Return the code (1, C) of a style or a blend at an intensity: 0 is neutral, 1 the style as recorded.

        Raises:
            InputError: there is no such style.
        """
        shares = {style: 1.0} if isinstance(style, str) else style
        blended = np.sum([np.float32(share) * self._of(name) for name, share in shares.items()], axis=0)
        return intensify(blended, self._neutral, intensity)

    def places(self) -> list[StylePosition]:
        """Return the 2-D positions of all styles, computed from their codes."""
        codes: dict[str, Float] = {}
        for name in self._styles.names():
            with suppress(InputError):  # unreadable styles are skipped
                codes[name] = self._of(name)
        return places(list(codes), np.concatenate(list(codes.values())))

    def _of(self, style: str) -> Float:
        """Return the code (1, C); cached by motion, so that a replaced style gets a new code."""
        coefficients = self._styles.get(style).within(self._space).coefficients
        motion = coefficients.tobytes()
        code = self._codes.get(motion)
        if code is None:
            if len(self._codes) >= CODES_KEPT:
                self._codes.clear()
            code = self._encode(coefficients)[None]
            self._codes[motion] = code
        return code
