"""The maps between mesh64 and Basel coefficients are recovered from clips made with them, and told with their error."""

import numpy as np
import pytest

from styletalk_core.face.basel import BaselMap, MapQuality, converted, head_features
from styletalk_core.face.basel_alignment import FIVE, SIDE, aligned_square, crop_parameters, five_points
from styletalk_core.face.spaces import BFM64, MESH64
from styletalk_core.lab.training.basel import _Pair, fit
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.window_renderer import aligned

STANDARD = np.array([[-0.33, 0.3, 0.1], [0.33, 0.3, 0.1], [0, 0.08, 0.54], [-0.2, -0.35, 0.26], [0.2, -0.35, 0.26]])
UNKNOWN = MapQuality(0, 0, 0, 0, 0, 0)


def _map() -> BaselMap:
    generator = np.random.default_rng(0)
    placement = np.zeros((7, 6), np.float32)
    placement[[0, 1, 2], [0, 1, 2]] = 1, 1, -1
    turned = np.linalg.qr(generator.standard_normal((64, 64)))[0].astype(np.float32)
    parts = (turned, generator.standard_normal(64), turned.T, np.zeros(64), placement, STANDARD, np.ones(3))
    return BaselMap(*(part.astype(np.float32) for part in parts), UNKNOWN)


def _clip(made_by: BaselMap, seed: int) -> _Pair:
    generator = np.random.default_rng(seed)
    mesh = generator.standard_normal((300, 64)).astype(np.float32)
    head = head_features(
        0.2 * generator.standard_normal((300, 3)),
        0.5 + 0.02 * generator.standard_normal((300, 2)),
        0.35 + 0.01 * generator.standard_normal(300),
    )
    turn = np.linalg.qr(generator.standard_normal((300, 3, 3)))[0]
    shown = (made_by.five_points @ turn.transpose(0, 2, 1))[..., :2] * generator.uniform(80, 120, (300, 1, 1))
    five = (shown + 128).astype(np.float64)
    crop = crop_parameters(five, made_by.five_points).astype(np.float32)
    basel = np.concatenate([made_by.to_basel(mesh), made_by.place(head), crop], axis=1)
    return _Pair(mesh, head, basel, five, mesh[:, 0])


def test_the_fit_finds_the_maps_that_made_the_clips() -> None:
    true = _map()
    fitted = fit([_clip(true, seed) for seed in range(8)], [_clip(true, 99)])
    assert np.abs(fitted.placement - true.placement).max() < 0.01
    assert np.abs(fitted.rest - true.rest).max() < 0.1
    five = _clip(true, 5)
    found = crop_parameters(five.five, fitted.five_points)
    assert np.abs(found / five.basel[:, -3:] - 1).max() < 0.01
    quality = fitted.quality
    assert quality.to_basel_correlation > 0.98 and quality.to_basel_error < 0.15 and quality.to_mesh_error < 0.15
    assert quality.angle_error_deg < 0.1 and quality.crop_error_px < 0.2
    assert (quality.error_from(MESH64), quality.error_from(BFM64)) == (quality.to_basel_error, quality.to_mesh_error)


def test_the_packaged_map_knows_the_opening_of_the_lips_both_ways() -> None:
    packaged = BaselMap.load()
    expression = np.zeros((2, 64), np.float32)
    expression[1, 0] = 1
    rest, opened = converted(expression, MESH64, BFM64)
    assert np.array_equal(rest, packaged.rest)
    lower = [0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 14]
    change = np.abs(opened - rest)
    assert change[lower].sum() > 3 * change[15:].max()
    there_and_back = converted(np.stack([rest, opened]), BFM64, MESH64)
    assert 0.4 < there_and_back[1, 0] - there_and_back[0, 0] < 1.2
    assert converted(expression, BFM64, BFM64) is expression


def test_the_packaged_map_is_good_enough_for_people_it_does_not_know() -> None:
    quality = BaselMap.load().quality
    assert quality.opening_correlation >= 0.8 and quality.angle_error_deg < 3 and quality.crop_error_px < 2


def test_a_moved_and_scaled_face_has_the_crop_parameters_of_the_official_code() -> None:
    points = 100 * STANDARD[:, :2] + np.array([130, 120])
    scale, x, up = crop_parameters(points[None], STANDARD)[0]
    assert (x, up) == pytest.approx((130, 120))
    assert scale == pytest.approx(102 / (100 * (1 + 1) / 2))


def test_portraits_are_cropped_so_that_the_face_lies_as_in_the_authors_images() -> None:
    packaged = BaselMap.load()
    for name in ("clara", "kenji"):
        portrait = AvatarLibrary(None).get(name)
        image, landmarks = aligned(portrait)
        assert image.shape == (SIDE, SIDE, 3)
        found = crop_parameters(five_points(landmarks[None, list(FIVE)], SIDE), packaged.five_points)[0]
        assert found == pytest.approx(packaged.aligned, abs=1.0)
        assert found[0] == pytest.approx(packaged.aligned[0], rel=0.01)
        left, top, side = aligned_square(landmarks, SIDE, packaged.five_points, packaged.aligned)
        assert (abs(left) <= 1, abs(top) <= 1, abs(side - SIDE) <= 2) == (True, True, True), "aligned already"
