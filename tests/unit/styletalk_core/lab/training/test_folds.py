"""The training of folds learns what an expression adds to a warped photo, also for unseen people."""

from pathlib import Path

import cv2
import numpy as np

from styletalk_core.face.face_model import FaceModel
from styletalk_core.lab.training.fold_pairs import FoldPairs, lacking
from styletalk_core.lab.training.folds import REGIONS, fade, judge, train_folds
from styletalk_core.rendering.face_mesh import CHIN, MESH, UPPER_INNER_LIP

MODEL = FaceModel.load()
SIDE = 144


def smiling(seed: int, count: int = 300) -> FoldPairs:
    """Pairs in which a smile lifts and brightens the cheeks, with noise."""
    generator = np.random.default_rng(seed)
    scores = np.zeros((count, 52), np.float32)
    smile = generator.uniform(0, 1, count).astype(np.float32)
    scores[:, [44, 45]] = smile[:, None]  # mouthSmileLeft, mouthSmileRight
    coefficients = scores @ MODEL.from_scores + generator.normal(0, 0.3, (count, 64))
    displacement, shade = generator.normal(0, 1e-3, (count, MESH, 2)), generator.normal(0, 0.01, (count, MESH))
    shade[:, REGIONS["cheeks"]] += 0.1 * smile[:, None]
    displacement[:, REGIONS["cheeks"], 1] -= 0.01 * smile[:, None]
    parts = (coefficients, displacement, shade, np.ones(count))
    return FoldPairs(*(part.astype(np.float32) for part in parts))


def test_cheeks_that_rise_with_a_smile_are_learned() -> None:
    weights = train_folds(smiling(0), MODEL)
    found = judge(weights, smiling(1), MODEL)
    assert found["shade"]["cheeks"] > 0.5 and found["moved"]["cheeks"] > 0.5
    assert not weights.fields[:, [CHIN, UPPER_INNER_LIP[5]]].any()


def test_a_few_pairs_in_bad_light_do_not_spoil_the_fields() -> None:
    pairs = smiling(0)
    spoilt = FoldPairs(pairs.coefficients, pairs.displacement, pairs.shade.copy(), pairs.weight)
    spoilt.shade[::10] = np.random.default_rng(2).normal(0, 0.4, spoilt.shade[::10].shape)
    assert judge(train_folds(spoilt, MODEL), smiling(1), MODEL)["shade"]["cheeks"] > 0.4


def test_fields_fade_towards_lips_lids_and_the_outline() -> None:
    weights = fade(MODEL)
    assert weights[[CHIN, UPPER_INNER_LIP[5], 159, 145]].max() == 0
    assert weights[[50, 280, 9]].min() > 0.6


def test_a_dark_fold_and_a_lifted_cheek_are_measured() -> None:
    generator = np.random.default_rng(0)
    coarse = generator.uniform(90, 180, (SIDE // 4, SIDE // 4)).astype(np.float32)
    image = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).clip(0, 255)
    cheek = (SIDE / 2 + MODEL.mean[50, :2] * (SIDE / 2)).round().astype(int)
    y, x = np.indices((SIDE, SIDE))
    spot = np.exp(-((x - cheek[0]) ** 2 + (y - cheek[1]) ** 2) / 100)
    moved, shade = lacking(image.astype(np.uint8), (image * (1 - 0.2 * spot)).astype(np.uint8), MODEL)
    assert -0.25 < shade[50] < -0.1 and abs(shade[280]) < 0.02
    lifted = np.roll(image, -2, axis=0)
    moved, _ = lacking(image.astype(np.uint8), lifted.astype(np.uint8), MODEL)
    assert np.allclose(moved[[50, 280, 205, 425]].mean(0), [0, 2 * 2.0 / SIDE], atol=0.01)


def test_pairs_are_kept_and_joined(tmp_path: Path) -> None:
    one = smiling(0, 5)
    one.save(tmp_path / "one.npz")
    both = FoldPairs.joined([FoldPairs.load(tmp_path / "one.npz"), smiling(1, 7)])
    assert both.coefficients.shape == (12, 64) and (both.shade[:5] == one.shade).all()
