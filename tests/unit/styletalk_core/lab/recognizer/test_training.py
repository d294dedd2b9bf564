"""Training the recognizer: an interrupted run equals an uninterrupted one; bad options are rejected."""

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from styletalk_core.errors import InputError
from styletalk_core.lab.recognizer import augmentation, training
from styletalk_core.lab.recognizer.augmentation import Augmenter, SpeechClip
from styletalk_core.lab.recognizer.training import DevClip, Training, run
from styletalk_core.phones import INDEX, PHONES, SIL_INDEX
from styletalk_core.recognizer.network import load_network


def arguments(cache: Path, **changes: object) -> argparse.Namespace:
    options = {
        "data": cache,
        "cache": cache,
        "out": cache / "w.safetensors",
        "steps": 4,
        "batch": 2,
        "rate": 1e-3,
        "every": 2,
        "seed": 0,
        "device": "cpu",
        "start": None,
        "licence": "all",
        "no_align": True,
    }
    return argparse.Namespace(**(options | changes))


@pytest.fixture
def material(monkeypatch: pytest.MonkeyPatch) -> tuple[Augmenter, list[DevClip], list[DevClip]]:
    monkeypatch.setattr(augmentation, "NOISE_SECONDS", 5)
    monkeypatch.setattr(augmentation, "NOISE_CLIPS", 1)
    monkeypatch.setattr(training, "COLUMNS", 60)
    rng = np.random.default_rng(0)
    targets = np.eye(len(PHONES), dtype=np.float16)[np.repeat(rng.choice([SIL_INDEX, INDEX["AA"]], 20), 12)]
    clips = [SpeechClip("GRID", rng.uniform(-80, -20, (480, 80)).astype(np.float16), targets)]
    dev = [DevClip(torch.randn(1, 120, 80), np.full(30, SIL_INDEX, np.uint8))]
    return Augmenter(clips, {"GRID": 1.0, "other": 1.0}, 0), dev, dev


def test_a_resumed_training_ends_where_an_uninterrupted_one_does(
    tmp_path: Path, material: tuple[Augmenter, list[DevClip], list[DevClip]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    whole.mkdir()
    halves.mkdir()
    Training(arguments(whole), *material).run()
    judge = Training._judge

    def stop_after(self: Training, *figures: float) -> None:
        judge(self, *figures)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Training, "_judge", stop_after)
        Training(arguments(halves), *material).run()
    Training(arguments(halves), *material).run()
    name = "training_all_0.pt"
    expected, resumed = (torch.load(folder / name, weights_only=True) for folder in (whole, halves))
    assert resumed["step"] == expected["step"] == 4
    for key, tensor in expected["network"].items():
        torch.testing.assert_close(resumed["network"][key], tensor)


def test_a_training_can_start_from_finished_weights(
    tmp_path: Path, material: tuple[Augmenter, list[DevClip], list[DevClip]]
) -> None:
    first = Training(arguments(tmp_path), *material)
    first.run()
    (tmp_path / "training_all_0.pt").unlink()
    second = Training(arguments(tmp_path, start=tmp_path / "w.safetensors"), *material)
    expected = load_network(tmp_path / "w.safetensors").state_dict()
    for name, tensor in second._network.state_dict().items():
        torch.testing.assert_close(tensor, expected[name])
    assert all(parameter.requires_grad for parameter in second._network.parameters())


def test_the_card_names_the_extra_recordings_and_their_terms(
    tmp_path: Path, material: tuple[Augmenter, list[DevClip], list[DevClip]]
) -> None:
    Training(arguments(tmp_path), *material, extra=["Game (freeware)"]).run()
    with safe_open(tmp_path / "w.safetensors", "np") as file:
        assert "Game (freeware)" in file.metadata()["material"]


def test_an_empty_cache_says_how_to_fill_it(tmp_path: Path) -> None:
    (tmp_path / "utterances").mkdir()
    with pytest.raises(InputError, match="run once without --no-align"):
        run(arguments(tmp_path))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_missing_gpu_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no CUDA device was found"):
        run(arguments(tmp_path, device="cuda"))
