"""Style map: 2-D PCA of the style codes, and its plot.

Runs on: the command line or a worker thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.extras import import_lab
from styletalk_core.library.styles import Style
from styletalk_core.models import weight_file
from styletalk_core.models.compiled.numpy_style_encoder import encode_style
from styletalk_core.weights import MOTION, packaged_weights

_INK: Final = "#1f2933"
_DOT: Final = "#2563eb"


@dataclass(frozen=True, slots=True)
class StylePosition:
    """Position of a style on the map: x and y in -1..1."""

    name: str
    x: float
    y: float


def style_codes(styles: Sequence[Style]) -> NDArray[np.float32]:
    """Encodes styles with the packaged network, (S, 256)."""
    weights = weight_file.read(packaged_weights(MOTION))
    space = weights.dimensions.space
    return np.stack([encode_style(style.within(space).coefficients, weights) for style in styles])


def map_styles(styles: Sequence[Style]) -> list[StylePosition]:
    """Return the positions of styles."""
    return places([style.name for style in styles], style_codes(styles))


def places(names: Sequence[str], codes: NDArray[np.float32]) -> list[StylePosition]:
    """Return positions by the two principal components of the codes (S, C), the widest axis scaled to -1..1."""
    points = main_components(codes)
    return [
        StylePosition(name, round(float(x), 4), round(float(y), 4)) for name, (x, y) in zip(names, points, strict=True)
    ]


def main_components(codes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the first two principal components (S, 2) of (S, C), sign fixed, largest coordinate 1."""
    centred = codes - codes.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    points = np.zeros((len(codes), 2), np.float32)
    kept = (left * values)[:, :2]
    points[:, : kept.shape[1]] = kept * np.where(kept[np.abs(kept).argmax(axis=0), range(kept.shape[1])] < 0, -1, 1)
    return points / max(float(np.abs(points).max()), 1e-9)


def draw_map(places: Sequence[StylePosition], path: Path) -> None:
    """Plots positions as labelled dots; PNG or SVG by the file's suffix."""
    figure = import_lab("matplotlib.figure").Figure(figsize=(7, 5.5), layout="constrained")
    axes = figure.subplots()
    axes.scatter([place.x for place in places], [place.y for place in places], s=60, color=_DOT)
    for place in places:
        axes.annotate(place.name, (place.x, place.y), (6, 5), textcoords="offset points", color=_INK)
    axes.set(title="Speaking styles", xlabel="first main component", ylabel="second main component")
    axes.margins(0.15)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
