"""The rendered portrait follows the motion, and nothing else moves."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from styletalk_core.face.landmarks import INNER_LIP_PAIRS
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.rendering.face_mesh import EYES, LANDMARKS, LOWER_INNER_LIP, UPPER_INNER_LIP, eye_distance_px
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.portrait.eyeball import EYEBALL_RADIUS
from styletalk_core.rendering.portrait.portrait import Portrait

SIZE = 256
STILL = np.zeros(6, np.float32)
AHEAD = np.zeros(2, np.float32)
NEUTRAL = np.zeros((LANDMARKS, 3), np.float32)


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return AvatarLibrary(Path("does-not-exist")).get("clara")


@pytest.fixture(scope="module")
def renderer(portrait: Portrait) -> MeshRenderer:
    return MeshRenderer(portrait, SIZE)


@pytest.fixture(scope="module")
def landmarks(portrait: Portrait) -> NDArray[np.float32]:
    """Landmarks (478, 2) in output pixels."""
    scale = SIZE / portrait.image.shape[0]
    return portrait.landmarks[:, :2] * scale + (0.5 * scale - 0.5)


def jaw_down(amount: float) -> NDArray[np.float32]:
    """Offsets that move the lower lip and the chin down by ``amount`` inter-ocular distances."""
    offsets = NEUTRAL.copy()
    lower = [below for _, below in INNER_LIP_PAIRS]
    offsets[[*lower, 17, 84, 314, 181, 405, 91, 321, 152, 148, 377, 175, 199, 200, 18], 1] = amount
    return offsets


def mouth_box(landmarks: NDArray[np.float32], below: float) -> tuple[slice, slice]:
    lips = landmarks[[*UPPER_INNER_LIP, *LOWER_INNER_LIP]]
    low, high = lips.min(0).astype(int), lips.max(0).astype(int)
    return slice(low[1] - 2, high[1] + int(below) + 3), slice(low[0], high[0])


def test_a_neutral_motion_shows_the_photo(renderer: MeshRenderer, portrait: Portrait) -> None:
    image = renderer.render_offsets(NEUTRAL, STILL, AHEAD, 0.0)
    photo = cv2.resize(portrait.image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    assert np.abs(image.astype(int) - photo).mean() < 2.5


def test_a_photo_that_is_no_larger_than_the_output_loses_no_sharpness(portrait: Portrait) -> None:
    photo = cv2.resize(portrait.image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    mask = cv2.resize(portrait.mask, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    landmarks = portrait.landmarks * np.float32(SIZE / portrait.image.shape[0])
    small = MeshRenderer(replace(portrait, image=photo, mask=mask, landmarks=landmarks), SIZE)
    moved = STILL.copy()
    moved[3:5] = 0.013, 0.017  # about a pixel, so that every pixel is resampled
    shown = small.render_offsets(NEUTRAL, moved, AHEAD, 0.0)
    face = (slice(SIZE // 3, 2 * SIZE // 3),) * 2
    detail, wanted = (cv2.Laplacian(image[face].astype(np.float32), -1).std() for image in (shown, photo))
    assert 0.9 < detail / wanted < 1.15


def test_yuv420p_is_the_rgb_frame(renderer: MeshRenderer) -> None:
    motion = (np.ones(64, np.float32) * 0.4, STILL, AHEAD, 0.2)
    yuv = renderer.render(*motion)
    assert yuv.shape == (SIZE * 3 // 2, SIZE) and yuv.dtype == np.uint8
    back = cv2.cvtColor(yuv, cv2.COLOR_YUV2RGB_I420).astype(int)
    assert np.abs(back - renderer.render_rgb(*motion)).mean() < 2


def test_the_same_motion_gives_the_same_pixels(renderer: MeshRenderer) -> None:
    first = renderer.render_offsets(jaw_down(0.1), STILL, AHEAD, 0.3).copy()
    renderer.render_offsets(NEUTRAL, STILL + 0.1, AHEAD + 0.1, 1.0)
    assert np.array_equal(first, renderer.render_offsets(jaw_down(0.1), STILL, AHEAD, 0.3))


def test_still_regions_stay_still_while_the_mouth_moves(renderer: MeshRenderer, landmarks: NDArray[np.float32]) -> None:
    forehead = int(landmarks[9, 1])
    frames = [renderer.render_offsets(jaw_down(a), STILL, AHEAD, 0.0)[:forehead] for a in (0, 0.03, 0.08, 0.12)]
    for one, other in itertools.pairwise(frames):
        moved = np.abs(one.astype(int) - other)
        assert moved[:, 0].max() == 0, "the background"
        assert moved.mean() < 0.2, "the forehead, whose shading follows the expression, in grey levels"


def test_the_background_stays_still_while_the_head_turns(renderer: MeshRenderer) -> None:
    corner = (slice(0, 40), slice(0, 24))
    turned = renderer.render_offsets(NEUTRAL, np.array([0.1, 0.2, 0.1, 0, 0, 0], np.float32), AHEAD, 0.0)
    still = renderer.render_offsets(NEUTRAL, STILL, AHEAD, 0.0)
    assert np.abs(turned[corner].astype(int) - still[corner]).max() <= 1


def test_the_mouth_opens_monotonically(renderer: MeshRenderer, landmarks: NDArray[np.float32]) -> None:
    unit = eye_distance_px(landmarks)
    box = mouth_box(landmarks, 0.2 * unit)
    closed = renderer.render_offsets(NEUTRAL, STILL, AHEAD, 0.0)[box].astype(int)
    changes = []
    for amount in (0.02, 0.06, 0.10, 0.15):
        opened = renderer.render_offsets(jaw_down(amount), STILL, AHEAD, 0.0)[box].astype(int)
        changes.append(int((np.abs(opened - closed).max(-1) > 24).sum()))
    assert changes == sorted(changes) and changes[-1] > 4 * changes[0]


def test_lips_that_would_cross_touch(renderer: MeshRenderer, landmarks: NDArray[np.float32]) -> None:
    """Pressing the lips further than closed shows no mouth interior and tears nothing."""
    box = mouth_box(landmarks, 0)
    closed = renderer.render_offsets(NEUTRAL, STILL, AHEAD, 0.0)[box].astype(int)
    pressed = renderer.render_offsets(jaw_down(-0.02), STILL, AHEAD, 0.0)[box].astype(int)
    assert np.abs(pressed - closed).mean() < 12


@pytest.mark.parametrize("side", [0, 1])
def test_a_blink_covers_the_iris(renderer: MeshRenderer, landmarks: NDArray[np.float32], side: int) -> None:
    x, y = landmarks[EYES[side].iris[0]].round().astype(int)
    iris = (slice(y - 2, y + 3), slice(x - 2, x + 3))
    skin = renderer.render_offsets(NEUTRAL, STILL, AHEAD, 0.0)[y + 22 : y + 27, x - 2 : x + 3].mean((0, 1))
    distance = [
        float(np.abs(renderer.render_offsets(NEUTRAL, STILL, AHEAD, blink)[iris].mean((0, 1)) - skin).mean())
        for blink in (0.0, 1.0)
    ]
    assert distance[1] < 0.45 * distance[0]


@pytest.mark.parametrize("yaw", [-0.25, 0.25])
def test_the_iris_follows_the_gaze(renderer: MeshRenderer, landmarks: NDArray[np.float32], yaw: float) -> None:
    """The iris seen ahead is found again where the eyeball has turned it, 12 mm times the sine of the angle."""
    x, y = landmarks[EYES[0].iris[0]].round().astype(int)
    ahead = renderer.render_offsets(NEUTRAL, STILL, AHEAD, 0.0)
    aside = renderer.render_offsets(NEUTRAL, STILL, np.array([yaw, 0], np.float32), 0.0)
    iris = ahead[y - 3 : y + 4, x - 4 : x + 5]
    match = cv2.matchTemplate(aside[y - 3 : y + 4, x - 12 : x + 13], iris, cv2.TM_CCOEFF_NORMED)
    shift = int(match.argmax()) - 8
    assert abs(shift - EYEBALL_RADIUS * renderer.unit * np.sin(yaw)) < 1.2


def test_a_turn_of_the_head_moves_the_nose_and_keeps_the_shoulders(renderer: MeshRenderer) -> None:
    mesh = renderer.mesh
    as_photographed = -renderer.resting_offsets
    pose = np.array([0, np.radians(15), 0, 0, 0, 0], np.float32)
    turned = renderer.scene(as_photographed, pose, AHEAD, 0.0).vertices - mesh.vertices[:, :2]
    assert turned[1, 0] > 0.08 * renderer.unit
    shoulders = mesh.vertices[:, 1] > SIZE * 1.05
    assert np.abs(turned[shoulders]).max() < 0.35 * turned[1, 0]


def test_threads_share_a_renderer(renderer: MeshRenderer) -> None:
    stream = np.random.default_rng(2)
    motions = [
        (stream.normal(0, 1, 64).astype(np.float32), stream.uniform(-0.1, 0.1, 6).astype(np.float32), AHEAD, 0.5)
        for _ in range(24)
    ]
    alone = [renderer.render(*motion) for motion in motions]
    with ThreadPoolExecutor(2) as threads:
        together = list(threads.map(lambda motion: renderer.render(*motion), motions))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_a_background_that_takes_the_place_of_another_is_shown(renderer: MeshRenderer) -> None:
    """Backgrounds are converted once, known by their address, which a later one may have again."""
    for level in range(0, 250, 25):
        behind = np.full((SIZE, SIZE, 3), level, np.uint8)
        assert renderer.render_rgb(np.zeros(64, np.float32), STILL, AHEAD, 0.0, behind)[0, 0].tolist() == [level] * 3
        del behind


def test_the_frame_is_the_same_at_every_size(portrait: Portrait, renderer: MeshRenderer) -> None:
    motion = (np.ones(64, np.float32) * 0.5, STILL + 0.05, AHEAD, 0.4)
    small = renderer.render_rgb(*motion).astype(int)
    for size in (384, 512):
        large = MeshRenderer(portrait, size).render_rgb(*motion)
        assert large.shape == (size, size, 3)
        assert np.abs(cv2.resize(large, (SIZE, SIZE), interpolation=cv2.INTER_AREA) - small).mean() < 3
