"""Ablations and look-ahead are written as a table with a plot."""

from pathlib import Path

from styletalk_core.lab.training.results import shortest_enough, write_ablations, write_look_ahead


def test_every_ablation_is_a_row_of_a_table_with_a_plot(tmp_path: Path) -> None:
    rows = {name: {"opening_correlation": 0.5, "lip_error_px": 2.0} for name in ("full", "K = 4")}
    write_ablations(tmp_path / "results.md", "ablations", rows, 10)
    text = (tmp_path / "results.md").read_text()
    assert "| K = 4 | 0.500 | 2.000 | 0 |" in text and "10 steps" in text
    assert (tmp_path / "figures" / "ablations.svg").stat().st_size > 1000


def test_the_full_network_is_compared_by_metric(tmp_path: Path) -> None:
    full = {"opening_correlation": 0.5, "lip_error_px": 2.0, "closure_recall": 0.9, "style_accuracy": 1.0}
    worse = {"opening_correlation": 0.4, "lip_error_px": 2.1, "closure_recall": 0.8, "style_accuracy": 1.0}
    mixed = {"opening_correlation": 0.6, "lip_error_px": 1.9, "closure_recall": 0.8, "style_accuracy": 0.9}
    write_ablations(tmp_path / "results.md", "ablations", {"full": full, "K = 4": worse, "K = 16": mixed}, 10)
    text = (tmp_path / "results.md").read_text()
    assert "| 0.400 | 2.100 | 0.800 | 1.000 | 3 |" in text and "| 0.600 | 1.900 | 0.800 | 0.900 | 2 |" in text
    assert "the full network is better than 1 of the 2 others" in text


def test_the_shortest_look_ahead_that_is_nearly_as_good_is_recommended(tmp_path: Path) -> None:
    errors = {0: 2.4, 1: 2.2, 2: 2.09, 3: 2.05, 4: 2.01, 5: 2.0}
    curve = {f: {"lip_error_px": e, "closure_recall": 0.9, "opening_correlation": 0.5} for f, e in errors.items()}
    looser = {f: row | {"opening_correlation": 0.4 if f < 4 else 0.5} for f, row in curve.items()}
    assert shortest_enough(looser) == 4
    write_look_ahead(tmp_path / "results.md", curve)
    text = (tmp_path / "results.md").read_text()
    assert "The default is **2** frames" in text and "| 2 | 67 | 2.090 |" in text
    assert (tmp_path / "figures" / "look_ahead.svg").exists()
