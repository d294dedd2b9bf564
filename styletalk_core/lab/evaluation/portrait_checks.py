"""Automatic checks of a portrait that speaks: what a viewer would see at once and no mean reports.

For each frame: a hole in the face, an eye that is held shut, a bright fragment between closed lips, and lips that are
not where the mesh has them (doubled lips confuse the tracker).
Runs on: any thread; about 30 ms per frame.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from styletalk_core.errors import InputError
from styletalk_core.face.landmarks import LIPS
from styletalk_core.face.tracker import FaceTracker
from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.face_mesh import EYES, FACE_OVAL, LOWER_INNER_LIP, UPPER_INNER_LIP, Eye
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.mouth.enamel import cheek_color
from styletalk_core.rendering.mouth.lips import whiteness

_SHUT: Final = 0.4
"""Share of the portrait's own lid gap below which an eye is held shut."""
_CLOSED: Final = 0.012
"""Lip gap up to which lips count as closed, in inter-ocular distances, like all lengths below."""
_BESIDE: Final = 0.022
"""Distance from the line of the lips within which fragments are looked for."""
_CORNER: Final = 2
"""Points of the inner lips that are left out at each corner."""
_BRIGHT: Final = 0.3
"""Whiteness of a fragment above that of the lips beside it, relative to the lightness of the cheeks."""
_FRAGMENT: Final = 0.0005
"""Area of the smallest fragment, in squared inter-ocular distances."""
_APART: Final = 0.02
"""Mean distance of the lips from the mesh."""
_STILL, _AHEAD = np.zeros(6, np.float32), np.zeros(2, np.float32)


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with one frame."""

    hole: bool
    eye_held_shut: bool
    fragment: bool
    lips_apart: bool

    @property
    def any(self) -> bool:
        """True if there is a fault."""
        return self.hole or self.eye_held_shut or self.fragment or self.lips_apart


def check(renderer: MeshRenderer, expression: Float, tracker: FaceTracker) -> Faults:
    """Checks the frame of an expression (64,), with open eyes and a still head."""
    scene = renderer.scene(renderer.offsets(expression), _STILL, _AHEAD, 0.0)
    points, own = scene.vertices, renderer.mesh.vertices
    image = renderer.render_rgb(expression, _STILL, _AHEAD, 0.0)
    alpha = renderer.render_with_alpha(expression, _STILL, _AHEAD, 0.0)[renderer.size : 2 * renderer.size]
    try:
        lips = tracker.track_image(image)[list(LIPS), :2]
        apart = float(np.linalg.norm(lips - points[list(LIPS)], axis=1).mean()) / renderer.unit
    except InputError:
        apart = np.inf
    return Faults(
        hole=_hole(alpha, points),
        eye_held_shut=any(_gap(points, eye) < _SHUT * _gap(own, eye) for eye in EYES),
        fragment=_fragment(image, points, renderer.unit),
        lips_apart=apart > _APART,
    )


def _gap(points: Float, eye: Eye) -> float:
    return float((points[list(eye.lower_lid), 1] - points[list(eye.upper_lid), 1])[2:7].mean())


def _hole(alpha: Image, points: Float) -> bool:
    """Whether the face in an alpha mask (H, W), with luma from 16 to 235, is transparent anywhere."""
    face = np.zeros(alpha.shape, np.uint8)
    oval = points[list(FACE_OVAL)]
    inner = oval.mean(axis=0) + 0.85 * (oval - oval.mean(axis=0))
    cv2.fillPoly(face, [inner.round().astype(np.int32)], 1)
    opaque = np.percentile(alpha[face > 0], 50)
    return bool((alpha[face > 0] < 0.8 * opaque).any())


def _fragment(image: Image, points: Float, unit: float) -> bool:
    """Whether something as bright as teeth is seen between closed lips of an image (H, W, 3)."""
    upper, lower = points[list(UPPER_INNER_LIP)], points[list(LOWER_INNER_LIP)]
    if (lower - upper)[:, 1].max() > _CLOSED * unit:
        return False
    line = np.zeros(image.shape[:2], np.uint8)
    middle = (upper + lower) / 2
    # Beyond the corners of the mouth there is skin.
    cv2.polylines(line, [middle[_CORNER:-_CORNER].round().astype(np.int32)], False, 1)
    away = cv2.distanceTransform(1 - line, cv2.DIST_L2, 3) / unit
    white = whiteness(image)
    level = float(whiteness(cheek_color(image, points, unit).reshape(1, 1, 3))[0, 0])
    # One lip may be much lighter than the other.
    rows, columns = np.indices(white.shape)
    below = rows > np.interp(columns, middle[:, 0], middle[:, 1])
    lips = max(float(np.median(white[(away < 2 * _BESIDE) & side])) for side in (below, ~below))
    bright = ((away < _BESIDE) & (white > lips + _BRIGHT * level)).astype(np.uint8)
    stats = cv2.connectedComponentsWithStats(bright)[2][1:]
    return bool(len(stats) and stats[:, cv2.CC_STAT_AREA].max() > _FRAGMENT * unit**2)
