"""The quality benchmark groups clips by difficulty and uses no training clip."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from server.lab.benchmarks import quality
from server.lab.benchmarks.quality import SENTENCES, STUDIO, UNSEEN
from styletalk_core.errors import InputError

HEAD = "clip split source speaker style audio licence text"
ROWS = [
    "address/ann dev Web ann address yes free -",
    "mead/bob test MEAD bob happy yes free -",
    "mead/mute test MEAD bob happy no free -",
    "mead/trained train MEAD cid happy yes free -",
    "grid/other test GRID grid_x neutral yes free -",
    *(f"grid/{k} test GRID grid_s1 neutral yes free -" for k in range(5)),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "video").mkdir()
    write(tmp_path, ROWS)
    return tmp_path


def write(data: Path, rows: list[str]) -> None:
    lines = (row.replace(" ", "\t") for row in [HEAD, *rows])
    (data / "video" / "manifest.tsv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, list[str]]]:
    """What `styletalk evaluate` is asked to judge: whether the renderer alone, and the clips."""
    asked: list[tuple[bool, list[str]]] = []

    def evaluate(args: argparse.Namespace) -> dict[str, Any]:
        names = sorted(path.stem for path in args.folder.iterdir())
        asked.append((args.renderer_only, names))
        return {"clips": names, "mean": {"ssim": 0.5}, "skipped": {}}

    monkeypatch.setattr(quality.evaluate, "run", evaluate)
    monkeypatch.setattr(quality, "official_samples", lambda data: iter([]))
    monkeypatch.setattr(quality, "accuracy", lambda backend, references: {"strict": 0.5})
    return asked


def run(data: Path, most: int = 3) -> dict[str, Any]:
    return quality.run(argparse.Namespace(data=data, every=15, most=most, rendered=False, json=False))


def test_three_groups_are_judged_and_the_renderer_alone_on_people(
    data: Path, judged: list[tuple[bool, list[str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(data)
    groups = result["self_driven"]
    assert {name: (group["clips"], group["people"]) for name, group in groups.items()} == {
        UNSEEN: (2, 2), STUDIO: (1, 1), SENTENCES: (3, 1),
    }  # fmt: skip
    assert judged == [
        (False, ["address-ann", "mead-bob"]),
        (False, ["grid-other"]),
        (False, ["grid-0", "grid-2", "grid-4"]),
        (True, ["address-ann", "mead-bob"]),
    ]
    assert result["renderer"] == {"ssim": 0.5} and set(result["recogniser"]) == {"neural", "pocketsphinx"}
    assert '"self_driven"' in capsys.readouterr().out


@pytest.mark.usefixtures("judged")
def test_a_group_without_clips_is_refused(data: Path) -> None:
    write(data, ROWS[:4])
    with pytest.raises(InputError, match="no spoken clip"):
        run(data)
