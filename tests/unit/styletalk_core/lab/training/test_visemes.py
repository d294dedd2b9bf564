"""The shape of a viseme is the mean lower face in the middle of its phones."""

import argparse
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from styletalk_core.errors import InputError
from styletalk_core.face.arkit import VISEMES, viseme_of_phones
from styletalk_core.face.clip_motion import ClipMotion
from styletalk_core.lab.training.visemes import phone_middles, run
from styletalk_core.phones import INDEX, PHONES

HEADER = "clip\tsplit\tsource\tspeaker\tstyle\taudio\tfps\tframes\tsize\tface_px\tlicence\ttext\n"


def write_data(folder: Path, labels: np.ndarray, split: str = "train") -> argparse.Namespace:
    (folder / "video").mkdir()
    row = f"talk\t{split}\tGRID\tann\tneutral\tyes\t30\t{len(labels)}\t256\t200\tCC BY 4.0\t\n"
    (folder / "video" / "manifest.tsv").write_text(HEADER + row)
    for part in ("labels", "coefficients"):
        (folder / part).mkdir()
    np.save(folder / "labels" / "talk.npy", labels)
    coefficients = np.tile(viseme_of_phones()[labels][:, None], (1, 64)).astype(np.float32)
    ones = np.ones(len(labels), np.float32)
    ClipMotion(coefficients, ones, ones, ones > 0, ones).save(folder / "coefficients" / "talk.npz")
    return argparse.Namespace(data=folder, cache=folder, licence="all", out=folder / "visemes.safetensors", json=True)


def test_shapes_are_those_of_the_phones(tmp_path: Path) -> None:
    labels = np.repeat(np.arange(len(PHONES)), 3).astype(np.uint8)
    result = run(write_data(tmp_path, labels))
    shapes = load_file(tmp_path / "visemes.safetensors")["shapes"]
    assert sum(result["phones"].values()) == len(PHONES)
    wanted = np.arange(len(VISEMES), dtype=np.float32)
    wanted[VISEMES.index("sil")] = 0
    assert shapes[:, 0] == pytest.approx(wanted)


def test_a_viseme_that_is_never_spoken_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="contains no labelled clip with the visemes"):
        run(write_data(tmp_path, np.full(9, INDEX["AA"], np.uint8)))


def test_nothing_is_learnt_from_people_held_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="contains no labelled clip"):
        run(write_data(tmp_path, np.repeat(np.arange(len(PHONES)), 3).astype(np.uint8), split="test"))


def test_the_middle_of_every_run_counts_once() -> None:
    labels = np.array([INDEX["M"]] * 5 + [INDEX["AA"]] * 2, np.uint8)
    assert [frame for _, frame in phone_middles(labels)] == [2, 6]
