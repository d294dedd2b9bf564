"""The two meanings of 64 expression coefficients. Pure constants."""

from typing import Final, Literal

Space = Literal["mesh64", "bfm64"]
"""This project's face model (`face_model`), or the Basel model of the official code (`basel`)."""
MESH64: Final[Space] = "mesh64"
BFM64: Final[Space] = "bfm64"
