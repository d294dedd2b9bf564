"""`styletalk train motion` on a small data set: the same weights for the same seed, and a full disk harms nothing."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from server.cli import main
from styletalk_core.errors import StyleTalkError
from styletalk_core.lab.training import trainer
from styletalk_core.models import checkpoint
from styletalk_core.phones import INDEX, PHONES, SIL_INDEX

SETTINGS = """
[network]
width = 16
heads = 2
feed_forward = 32
phone_embedding = 8
[data]
clips = 2
foreign = 3
frames = 40
style_frames = 40
[optimisation]
warmup = 1
steps = {steps}
save_every = 2
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rows = ["clip\tsplit\tsource\tspeaker\tstyle\taudio\tlicence"]
    for part in ("coefficients", "posteriors"):
        (folder / part).mkdir()
    for index in range(6):
        split = "train" if index < 4 else "dev"
        rows.append(f"clip{index}\t{split}\tGRID\tperson{index % 4}\tneutral\tyes\tCC BY 4.0")
        random = np.random.default_rng(index)
        ids = np.repeat(random.choice([INDEX["AA"], INDEX["M"], SIL_INDEX], 15), 6)
        opening = np.where(ids == INDEX["AA"], 2.0, 0.0)
        coefficients = 0.1 * random.standard_normal((90, 64)).astype(np.float32)
        coefficients[:, 0] += opening
        np.savez(folder / "coefficients" / f"clip{index}.npz", coefficients=coefficients, valid=np.ones(90, bool))
        np.savez(folder / "posteriors" / f"clip{index}.npz", frames=np.eye(len(PHONES), dtype=np.float16)[ids])
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def train(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def run(output: str, steps: int, *more: str) -> dict[str, Any]:
        config = tmp_path / f"{output}.toml"
        config.write_text(SETTINGS.format(steps=steps))
        arguments = ["--config", str(config), "--data", str(data), "--manifest", str(data / "manifest.tsv")]
        assert main(["train", "motion", *arguments, "--output", str(tmp_path / output), "--json", *more]) == 0
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "styletalk.safetensors")


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_same_seed_gives_the_same_weights_and_figures(train: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    first, again = train("first", 2), train("again", 2)
    assert first == again and first["steps"] == 2
    assert set(first["look_ahead"]) == {"0", "1", "2", "3", "4", "5"}
    assert first["unseen people"]["lip_error_px"] > 0
    assert equal(weights(tmp_path / "first"), weights(tmp_path / "again"))
    card = checkpoint.load(tmp_path / "first" / "styletalk.safetensors").card
    assert card["steps"] == 2 and card["trained_on"] == {"GRID": "4 clips, 0.2 min"}


def test_a_training_can_start_from_finished_weights(train: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    train("old", 2)
    train("new", 2, "--start", str(tmp_path / "old" / "styletalk.safetensors"))
    train("fresh", 2)
    old, new, fresh = (weights(tmp_path / name)["content_encoder.embedding.weight"] for name in ("old", "new", "fresh"))
    assert (new - old).abs().max() < 0.02 and not torch.equal(new, fresh)


def test_two_networks_are_taught_to_one(
    train: Callable[..., dict[str, Any]], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train("one", 2)
    train("other", 3)
    networks = [str(tmp_path / name / "styletalk.safetensors") for name in ("one", "other")]
    arguments = ["--start", *networks, "--teachers", *networks, "--data", str(data)]
    arguments += ["--manifest", str(data / "manifest.tsv"), "--output", str(tmp_path / "styletalk.safetensors")]
    assert main(["train", "motion-distilled", *arguments, "--steps", "2", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    stored = checkpoint.load(tmp_path / "styletalk.safetensors")
    assert stored.card["distillation"] == {"steps": 2} and stored.card["figures_on_unseen"] == figures
    one, two, taught = (weights(tmp_path / name)["lower.tail.4.weight"] for name in ("one", "other", ""))
    assert 0 < (taught - (one + two) / 2).abs().max() < 0.02


def test_a_full_disk_loses_no_earlier_state(
    train: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train("run", 2)
    kept = (tmp_path / "run" / "last.pt").read_bytes()

    def full(state: object, path: Path) -> None:
        path.write_bytes(kept[:1000])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(trainer.torch, "save", full)
    with pytest.raises(StyleTalkError, match=r"the earlier one is kept: .*No space left"):
        train("run", 4)
    assert (tmp_path / "run" / "last.pt").read_bytes() == kept
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["last.pt", "styletalk.safetensors"]
    monkeypatch.undo()
    assert train("run", 4)["steps"] == 4
