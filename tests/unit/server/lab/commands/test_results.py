"""`styletalk results` generates the pages from files alone: missing results are dashes, failures are reported."""

import json
from pathlib import Path
from typing import Any

import pytest

from server.cli import main
from server.lab.benchmarks import report
from server.lab.benchmarks.quality import SENTENCES, STUDIO, UNSEEN

TAKEN = {"commit": "abc1234", "date": "2026-01-02"}
MEAN = {
    "opening_correlation": 0.61, "opening_std_ratio": 0.95, "lip_error_px": 1.9, "lip_error_mean_mouth_px": 2.06,
    "lip_error_still_px": 4.05, "closure_recall": 0.93, "closure_precision": 0.72, "jitter_ratio": 1.1, "f_lmd": 1.82,
    "m_lmd": 1.957, "ssim": 0.841, "cpbd": None, "identity_similarity": 0.92, "style_accuracy": 1.0,
    "width_correlation": 0.57, "width_range": 0.31,
}  # fmt: skip
BASELINES = {name: MEAN | {"m_lmd": 4.111} for name in ("still", "mean_per_phone", "amplitude_jaw")}
STYLES = {"closure_recall": {"neutral": 0.99, "angry": 0.91}, "opening_std_ratio": {"neutral": 0.95, "angry": None}}
HEARD = {"strict": 0.571, "viseme": 0.655, "closure_recall": 0.8, "closure_precision": 0.7}
QUALITY = TAKEN | {
    "self_driven": {
        name: {
            "clips": clips,
            "people": 1,
            "mean": MEAN,
            "baselines": BASELINES,
            "styles": STYLES,
            "style_ranges": {"sad": {"brows": 0.62}},
        }
        for name, clips in ((UNSEEN, 5), (STUDIO, 1), (SENTENCES, 10))
    },
    "renderer": {"ssim": 0.9, "cpbd_ratio": 0.98, "m_lmd": 1.0, "mouth_l1": 5.0, "mouth_l1_plain_warp": 8.0},
    "recogniser": {"neural": HEARD, "pocketsphinx": HEARD | {"strict": 0.439}},
}
DECODER = TAKEN | {"ms_per_frame_b1": 0.912, "ms_per_frame_b8": 0.8, "ratio_uncached": 10.2, "style_switch_ms": 7.0}


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    folder = tmp_path / "bench"
    folder.mkdir()
    paper = {"source": "Tables", "rows": {"StyleTalk on HDTF": {"ssim": 0.812, "m_lmd": 2.412}}}
    (folder / report.PAPER).write_text(json.dumps(paper))
    return folder


def store(bench: Path, name: str, **entries: Any) -> None:
    (bench / f"{name}.json").write_text(json.dumps({"machine": name.upper(), "cores": 2, "python": "3.11"} | entries))


def write(bench: Path) -> tuple[str, str]:
    """The page and the README."""
    page, readme = bench.parent / "results.md", bench.parent / "README.md"
    readme.write_text("# Before\n<!-- begin figures -->\nold\n<!-- end figures -->\nafter\n")
    assert main(["results", "--bench", str(bench), "--page", str(page), "--readme", str(readme)]) == 0
    return page.read_text(), readme.read_text()


def test_every_machine_has_a_column_and_every_result_its_origin(bench: Path) -> None:
    store(bench, "fast", decoder=DECODER | {"date": "2026-01-03"})
    store(bench, "slow", decoder=DECODER | {"ms_per_frame_b1": 3.0}, renderer=TAKEN | {"failed": "no room"})
    page, readme = write(bench)
    assert "|  | FAST, 2 cores | SLOW, 2 cores |" in page
    assert "| decode one frame, network size of the paper | 0.91 ms | 3.00 ms |" in page
    assert (
        "| render one frame at 512 x 512, median / p95 | – | – |" in page
        and "`renderer` failed on SLOW, 2 cores: no room" in page
    )
    assert "commit abc1234 of 2026-01-03, abc1234 of 2026-01-02" in page
    assert "## Quality" not in page
    assert "3.00 ms; 10 times as long without style caching | `styletalk bench decoder` |" in readme
    assert "old" not in readme and readme.startswith("# Before") and readme.endswith("after\n")
    assert "–" not in readme and "emotions" not in readme


def test_free_weights_have_their_columns_beside_the_default_ones(bench: Path) -> None:
    store(bench, "fast", quality=QUALITY)
    assert "free weights" not in write(bench)[0]
    free = json.loads(json.dumps(QUALITY))
    for group in free["self_driven"].values():
        group["mean"] |= {"m_lmd": 2.5, "width_range": 0.25}
    free["recogniser"]["neural"]["strict"] = 0.511
    store(bench, "fast", quality=QUALITY, **{"quality-free": free})
    page, _ = write(bench)
    assert "| unseen people: default | unseen people: free |" in page
    assert "| M-LMD, px | 1.957 | 2.500 | 1.957 | 2.500 | 1.957 | 2.500 |" in page
    assert "| width, range | 0.310 | 0.250 |" in page
    assert "| neural, free weights | 51.1% |" in page


def test_quality_is_compared_with_the_paper_and_the_baselines(bench: Path) -> None:
    store(bench, "fast", quality=QUALITY)
    page, readme = write(bench)
    assert "| StyleTalk on HDTF | 0.812 | – | – | 2.412 |" in page
    assert "| here, unseen people (5 clips, 1 person) | 0.841 | – | 1.820 | 1.957 |" in page
    assert "| here, unseen people, GRID (1 clip, 1 person) |" in page
    assert "| here, still face | 0.841 | – | 1.820 | 4.111 |" in page
    assert "| M-LMD, px | 1.957 | 1.957 | 1.957 | 4.111 | 4.111 | 4.111 |" in page
    assert "| angry | 0.910 | 0.910 | 0.910 | – | – | – |" in page
    assert "| width | 0.570 | 0.570 | 0.570 | 0.310 | 0.310 | 0.310 |" in page
    assert "| sad | – | – | – | – | – | – | 0.620 | – | – | – | – |" in page
    assert "| pocketsphinx | 43.9% | 65.5% |" in page and "Sync_conf is not measured" in page
    assert "| 1.90; 2.06; 4.05 px | `styletalk bench quality` |" in readme and "closed lips | 93% |" in readme


def test_every_language_has_a_row(bench: Path) -> None:
    keys = ("viseme", "viseme_within_one", "closure_recall", "closure_precision", "lips_correlation")
    lips = ("lips_recall", "lips_precision", "told_lips_recall", "told_lips_precision")
    figures = {key: index / 100 for index, key in enumerate((*keys, *lips))}
    store(bench, "fast", languages=TAKEN | {"languages": {"German": figures}})
    page, _ = write(bench)
    assert "| German | 0.00 | 0.01 | 0.02 | 0.03 | 0.05 | 0.06 | 0.07 | 0.08 | 0.04 |" in page
    assert "`styletalk bench languages`, commit abc1234" in page


def test_the_recognizer_is_shown_by_delay_and_by_probability(bench: Path) -> None:
    figures = {key: 0.5 for key in ("strict", "viseme", "viseme_within_one", "closure_recall", "closure_precision")}
    bins = [{"share": 1.0, "confidence": 0.72, "accuracy": 0.65}]
    calibration = {"error": 0.07, "temperature": 1.25, "error_at_temperature": 0.013, "bins": bins}
    measured = {"by_delay": {"80": {"hand": figures, "official": figures | {"strict": 0.25}}}}
    store(bench, "fast", **{"recognizer-accuracy": TAKEN | measured | {"calibration": calibration}})
    page, _ = write(bench)
    assert "| 80 | 0.500 | 0.500 | 0.500 | 0.500 | 0.500 | 0.250 | 0.500 |" in page
    assert "| 0.72 | 0.65 | 1.00 |" in page and "calibration error is 0.070" in page and "1.25" in page


def test_the_load_during_a_benchmark_without_times_does_not_matter(bench: Path) -> None:
    store(bench, "fast", decoder=DECODER | on("A", 2.0, 0.1), languages=TAKEN | on("A", 2.0, 0.9) | {"languages": {}})
    assert "| CPU load from other programs, maximum | 10% |" in write(bench)[0]


def test_what_was_measured_beside_other_programs_is_named_with_their_share(bench: Path) -> None:
    busy, quiet = on("A", 2.0, 0.3), on("A", 2.0, 0.05)
    store(bench, "fast", decoder=DECODER | busy, latency=TAKEN | quiet, quality=QUALITY | on("A", 2.0, 0.9))
    words = "Measured on FAST, 2 cores while other programs took part of the machine: `decoder` (30%)."
    page, readme = write(bench)
    assert words in page and words in readme
    store(bench, "fast", decoder=DECODER | quiet)
    assert not any("while other programs" in text for text in write(bench))


def on(processor: str, blas_ms: float, load: float) -> dict[str, Any]:
    """The machine report of a benchmark."""
    return {
        "machine": {"processor": processor, "features": ["avx2"], "cores": 2, "core_limit": 1.5},
        "reference": {"remap_ms": 1.25, "blas_ms": blas_ms, "vp8_ms": 3.5},
        "load": {"other_programs": load},
    }


def test_machines_are_ordered_by_their_reference_times_the_slowest_first(bench: Path) -> None:
    capacity = TAKEN | {"sessions": 1, "fps": 30.0, "late_share": 0.0, "cpu_per_session": 0.434, "size": 512}
    decoder = DECODER | on("A", 2.0, 0.0) | {"date": "2026-09-09"}
    store(bench, "fast", decoder=decoder, interruption=TAKEN)
    slow = on("B", 8.0, 0.31)
    store(bench, "slow", decoder=DECODER | on("B", 9.0, 0.12), capacity=capacity | slow | {"memory_mb_per_session": 90})
    page, readme = write(bench)
    assert (
        "|  | SLOW, 2 cores | FAST, 2 cores |" in page
        and "|  | SLOW, 2 cores | FAST, 2 cores | measured by |" in readme
    )
    assert "| CPU time, product of 512 x 512 float32 matrices | 8.00 ms | 2.00 ms |" in page
    assert "| CPU load from other programs, maximum | 31% | 0% |" in page
    assert "| instruction sets | avx2 | avx2 |" in page and "| available cores | 1.5 | 1.5 |" in page
    assert "| - cost per session | 0.43 cores, 90 MB | – |" in page
    assert "| sessions at 512 x 512 | 1 at 30.0 fps, 0.00% late | – |" in readme
    assert "| measured on | 2026-01-02 | 2026-01-02 to 2026-09-09 |" in readme


def test_a_missing_result_is_a_dash(bench: Path) -> None:
    busy = {"fps": 12.0, "frame_interval_p95_ms": 99.0, "skew_p95_ms": 20.0}
    store(bench, "slow", latency=TAKEN | {"busy": busy, "recovery_s": None})
    page, _ = write(bench)
    assert "| - time to recover the full frame rate | – |" in page and "frame rate | 12.0 fps |" in page


def test_every_row_uses_an_existing_benchmark() -> None:
    for rows in (report.SPEED, report.LATENCY, report.CAPACITY, report.README):
        assert {row.benchmark for row in rows} <= set(report.RUNS)
    assert {row.benchmark for row in report.MACHINES} == {report.MACHINE}


def test_without_results_the_command_that_measures_them_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["results", "--bench", str(tmp_path)]) == 2
    assert "styletalk bench all --out" in capsys.readouterr().err
