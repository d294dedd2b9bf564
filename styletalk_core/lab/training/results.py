"""Writes the tables and plots of training runs to the results page.

Runs on: any thread; writes files.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from styletalk_core.lab.documents.markdown_page import table, write_section

_FIGURES: Final = {
    "opening_correlation": "opening correlation",
    "lip_error_px": "lip error, px",
    "closure_recall": "closure recall",
    "style_accuracy": "style accuracy",
    "opening_std_ratio": "range",
}
_SIGNS: Final = {"opening_correlation": 1, "lip_error_px": -1, "closure_recall": 1, "style_accuracy": 1}
"""Metrics on which rows are compared: 1 if higher is better, -1 if lower is better."""
_LOOK_AHEAD: Final = ("lip_error_px", "closure_recall", "opening_correlation")
_FRAME_MS: Final = 1000 / 30
_WORSE: Final = 1.05
"""Maximum lip error of the default look-ahead, relative to the longest."""
_LOOSER: Final = 0.98
"""Minimum correlation of the default look-ahead, relative to the longest."""
_BLUE: Final = "#2563eb"
_ORANGE: Final = "#d97706"

Rows = Mapping[str, Mapping[str, float]]


def write_ablations(page: Path, name: str, rows: Rows, steps: int) -> None:
    """Writes the table and bar chart of an ablation, the full network first; ``name`` is that of the settings."""
    keys = [key for key in _FIGURES if all(key in row for row in rows.values())]
    full, *others = rows.values()
    wins = [_better(full, row) for row in others]
    text = f"Evaluated on people outside the training set. Every row is trained from scratch for {steps} steps with\n"
    text += "the same seed, except where the row names another seed, which shows the variation due to chance. The\n"
    text += "networks are compared on opening correlation, lip error, closure recall and style accuracy; on at least\n"
    text += f"three of these four, the full network is better than {sum(count >= 3 for count in wins)} of the "
    text += f"{len(others)} others.\n\n"
    text += table(
        ["network", *(_FIGURES[key] for key in keys), "full is better in"],
        [[name, *_cells(rows[name], keys), count] for name, count in zip(rows, ["", *map(str, wins)], strict=True)],
    )
    figure = Figure(figsize=(3.2 * len(keys), 0.35 * len(rows) + 1), layout="constrained")
    for axes, key in zip(figure.subplots(1, len(keys), sharey=True, squeeze=False)[0], keys, strict=True):
        axes.barh(list(rows), [row[key] for row in rows.values()], color=[_ORANGE, *[_BLUE] * (len(rows) - 1)])
        axes.invert_yaxis()
        axes.set_title(_FIGURES[key], fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    title = name.replace("_", " ").capitalize()
    write_section(page, name, title, text + _figure_link(page, figure, name))


def _better(one: Mapping[str, float], other: Mapping[str, float]) -> int:
    """Number of metrics on which ``one`` is better than ``other``."""
    return sum(sign * one[key] > sign * other[key] for key, sign in _SIGNS.items() if key in one and key in other)


def write_look_ahead(page: Path, curve: Mapping[int, Mapping[str, float]]) -> None:
    """Writes the table and plot of the metrics by look-ahead, and the recommended value."""
    enough = shortest_enough(curve)
    rows = [[str(f), f"{f * _FRAME_MS:.0f}", *_cells(row, _LOOK_AHEAD)] for f, row in sorted(curve.items())]
    text = "Effect of the decoder's look-ahead, on clips of people outside the training set.\n\n"
    text += table(["future frames", "delay, ms", *(_FIGURES[key] for key in _LOOK_AHEAD)], rows)
    text += f"\nThe default is **{enough}** frames, the shortest look-ahead whose lip error is within 5 % and whose\n"
    text += "correlation is within 2 % of the longest.\n"
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    error = figure.subplots()
    frames = sorted(curve)
    error.plot(frames, [curve[f]["lip_error_px"] for f in frames], "o-", color=_BLUE)
    error.set_xlabel("future frames known")
    error.set_ylabel(_FIGURES["lip_error_px"], color=_BLUE)
    recall = error.twinx()
    recall.plot(frames, [curve[f]["closure_recall"] for f in frames], "s--", color=_ORANGE)
    recall.set_ylabel(_FIGURES["closure_recall"], color=_ORANGE)
    recall.set_ylim(0, 1)
    write_section(page, "look-ahead", "Look-ahead", text + _figure_link(page, figure, "look_ahead"))


def shortest_enough(curve: Mapping[int, Mapping[str, float]]) -> int:
    """The shortest look-ahead that is nearly as good as the longest."""
    best = curve[max(curve)]
    return min(
        frames
        for frames, row in curve.items()
        if row["lip_error_px"] <= _WORSE * best["lip_error_px"]
        and row["opening_correlation"] >= _LOOSER * best["opening_correlation"]
    )


def _figure_link(page: Path, figure: Figure, name: str) -> str:
    path = page.parent / "figures" / f"{name}.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    return f"\n![{name.replace('_', ' ')}](figures/{path.name})\n"


def _cells(row: Mapping[str, float], keys: Sequence[str]) -> list[str]:
    return [f"{row[key]:.3f}" if key in row else "–" for key in keys]
