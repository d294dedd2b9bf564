"""The outline of a person keeps its strands of hair, and their colours hold nothing of the photo's background."""

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.portrait.matting import foreground_colors, soft_mask

SIDE, FINE = 384, 4
BROWN, WHITE, RED, BLACK = (90, 60, 30), (200, 180, 150), (150, 90, 40), (40, 30, 28)
GREEN, WOOD, WALL, GREY = (60, 140, 110), (90, 70, 60), (150, 150, 155), (128, 128, 128)


@dataclass(frozen=True, slots=True)
class Scene:
    """A photo of a head with loose strands, and what it was mixed from."""

    photo: Image
    alpha: Float
    person: Float
    coarse: Float  # (128, 128) as a network gives it: without strands


def scene(hair: tuple[int, ...], wall: tuple[int, ...], loose: bool = True) -> Scene:
    stream = np.random.default_rng(3)
    head = drawn_head()
    coarse = cv2.GaussianBlur(cv2.resize(head, (128, 128), interpolation=cv2.INTER_AREA), (0, 0), 1.2)
    drawn = with_strands(head, stream) if loose else head
    alpha = cv2.resize(drawn, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    person = np.array(hair, np.float32) + 10 * grain(stream, 1.0)
    behind = np.array(wall, np.float32) + 10 * grain(stream, 40.0)
    photo = person * alpha[..., None] + behind * (1 - alpha[..., None])
    return Scene(photo.clip(0, 255).round().astype(np.uint8), alpha, person, coarse)


def grain(stream: np.random.Generator, width: float) -> Float:
    """Smooth noise (H, W, 1) of standard deviation 1."""
    noise = cv2.GaussianBlur(stream.standard_normal((SIDE, SIDE)).astype(np.float32), (0, 0), width)
    return np.asarray(noise / noise.std(), np.float32)[..., None]


def drawn_head() -> Float:
    side = SIDE * FINE
    head = np.zeros((side, side), np.float32)
    cv2.ellipse(head, (side // 2, round(0.55 * side)), (round(0.26 * side), round(0.3 * side)), 0, 0, 360, 1.0, -1)
    cv2.rectangle(head, (round(0.15 * side), round(0.8 * side)), (round(0.85 * side), side), 1.0, -1)
    return head


def with_strands(head: Float, stream: np.random.Generator) -> Float:
    """Adds curved strands, less than a pixel wide, that end within 0.045 heights of the head."""
    side, drawn = len(head), (head * 255).astype(np.uint8)
    for angle in stream.uniform(np.pi, 2 * np.pi, 160):
        out = np.array([np.cos(angle), np.sin(angle)])
        along, bend = np.array([-out[1], out[0]]), stream.normal(0, 0.5)
        way = np.linspace(0, 1, 12)[:, None]
        root = side * (np.array([0.5, 0.55]) + 0.95 * out * [0.26, 0.3])
        points = root + side * stream.uniform(0.03, 0.06) * way * (out + bend * way * along)
        cv2.polylines(drawn, [(16 * points).round().astype(np.int32)], False, 255, 3, cv2.LINE_AA, 4)
    return np.asarray(drawn, np.float32) / 255


def enlarged(coarse: Float) -> Float:
    return np.asarray(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).clip(0, 1), np.float32)


def error(alpha: Float, truth: Float) -> float:
    """Mean difference along the outline."""
    soft = ((truth > 0.02) & (truth < 0.98)).astype(np.uint8)
    return float(np.abs(alpha - truth)[cv2.dilate(soft, np.ones((9, 9))) > 0].mean())


@pytest.mark.parametrize(("hair", "wall"), [(BROWN, GREEN), (WHITE, WOOD), (BLACK, WALL), (RED, GREEN)])
def test_strands_of_hair_are_seen_and_nothing_appears_elsewhere(hair: tuple[int, ...], wall: tuple[int, ...]) -> None:
    made = scene(hair, wall)
    alpha = soft_mask(made.photo, made.coarse)
    assert error(alpha, made.alpha) < 0.15 * error(enlarged(made.coarse), made.alpha)
    near = cv2.dilate((made.alpha > 0).astype(np.uint8), np.ones((3, 3))) > 0
    assert alpha[~near].mean() < 1e-3
    inside = alpha[cv2.erode(made.alpha, np.ones((9, 9))) == 1]
    assert inside.min() > 0.5 and inside.mean() > 0.999, "a hole in the person"


@pytest.mark.parametrize(("hair", "wall"), [(BROWN, GREEN), (WHITE, WOOD), (BLACK, WALL), (RED, GREEN)])
def test_before_another_wall_nothing_of_the_first_one_shines_through(
    hair: tuple[int, ...], wall: tuple[int, ...]
) -> None:
    """Strands are as close to the hair's colour as its own grain is, and do not lean towards the wall's."""
    made = scene(hair, wall)
    colors = foreground_colors(made.photo, made.alpha)
    strands = (made.alpha > 0.1) & (made.alpha < 0.9)
    off = (colors - made.person)[strands]
    assert np.abs(off).mean() < 6
    towards = np.subtract(wall, hair) / np.linalg.norm(np.subtract(wall, hair))
    lean = float((off @ towards).mean())
    contaminated = float(((made.photo - made.person)[strands] @ towards).mean())
    assert abs(lean) < 0.05 * contaminated


def test_where_colours_say_nothing_the_coarse_outline_stays() -> None:
    made = scene(GREY, GREY, loose=False)
    alpha = soft_mask(made.photo, made.coarse)
    assert error(alpha, made.alpha) < 1.1 * error(enlarged(made.coarse), made.alpha)
    far = cv2.distanceTransform((made.alpha < 0.5).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5) > 0.03 * SIDE
    assert alpha[far].mean() < 0.01


def test_a_large_photo_has_the_same_outline_as_a_small_one() -> None:
    made = scene(BROWN, GREEN)
    large = cv2.resize(made.photo, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    alpha = soft_mask(large, made.coarse)
    assert alpha.shape == (2 * SIDE, 2 * SIDE)
    assert error(cv2.resize(alpha, (SIDE, SIDE), interpolation=cv2.INTER_AREA), made.alpha) < 0.1


@pytest.mark.parametrize("all_of_it", [0.0, 1.0])
def test_a_photo_of_nobody_and_one_filled_by_a_person_have_no_outline(all_of_it: float) -> None:
    photo = np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)
    alpha = soft_mask(photo, np.full((64, 64), all_of_it, np.float32))
    assert (alpha == all_of_it).all()
    assert np.isfinite(foreground_colors(photo, alpha)).all()
