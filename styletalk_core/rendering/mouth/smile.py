"""A person's own teeth from a second photo that shows them in a smile, placed in the mouth of the portrait.

The teeth are fixed to the skull: both faces are fitted by the same rigid head, so a tooth lies at the same place below
the portrait's nose as below that of the smile. Their brightness is kept relative to the cheeks of the smile.
Runs on: any thread, at enrolment only; pure.
"""

from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from styletalk_core.errors import InputError
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.head_pose import HeadMotion, fit_head
from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.face_mesh import LEFT_EYE_OUTER, RIGHT_EYE_OUTER, eye_distance_px
from styletalk_core.rendering.mouth.anatomy import JAW
from styletalk_core.rendering.mouth.enamel import cheek_color, usual_enamel
from styletalk_core.rendering.mouth.interior import resting_middle
from styletalk_core.rendering.mouth.neutral import resting_offsets
from styletalk_core.rendering.mouth.teeth import Rows, TeethRow
from styletalk_core.rendering.mouth.teeth_bank import PIXEL, UPPER_EDGE
from styletalk_core.rendering.mouth.teeth_row import find_rows

_SIDE: Final = 2.2
"""Side of the image around the mouth, inter-ocular distances, like all lengths below."""
_TYPICAL_SHADE: Final = 0.82
"""Median brightness of the teeth in 28 smiles, relative to `usual_enamel`; the lip shades them, as drawn ones."""
_SHADE: Final = 0.85, 1.12
"""Range of the brightness of own teeth, relative to the typical one."""
_TINT: Final = 0.92, 1.08
"""Range of the tint of own teeth, relative to the usual one in the same light."""
_MAX_REDNESS: Final = 1.11
"""Ratio of red to green, relative to the usual one in the same light: teeth have up to 1.10, tongues 1.13 and more."""
_EDGE: Final = UPPER_EDGE - 0.022, UPPER_EDGE + 0.028
"""Range of the cutting edge's distance below the line of the closed lips; beyond it, the fit of the heads is off."""
_OPAQUE: Final = 0.5
_MARGIN: Final = 2
"""Texture pixels kept around the teeth."""


def upright(image: Image, landmarks: Float) -> tuple[Image, Float]:
    """Turns and scales a face (H, W, 3) so that its eyes are level and `PIXEL` fits; also its landmarks (478, 3)."""
    eyes = landmarks[LEFT_EYE_OUTER, :2] - landmarks[RIGHT_EYE_OUTER, :2]
    side, scale = round(_SIDE / PIXEL), 1 / (PIXEL * eye_distance_px(landmarks))
    cosine, sine = scale * eyes / np.linalg.norm(eyes)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    shift = np.array([side / 2, side / 2]) - turn @ landmarks[[78, 308], :2].mean(0)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LANCZOS4
    moved = landmarks * np.float32(scale)
    moved[:, :2] = landmarks[:, :2] @ turn.T + shift
    return cv2.warpAffine(image, np.column_stack([turn, shift]), (side, side), flags=method), moved


def smile_rows(image: Image, landmarks: Float, portrait: Float) -> Rows:
    """Cuts the rows of teeth out of a smile, for the mouth of a portrait.

    Args:
        image: (H, W, 3) photo of the smile.
        landmarks: (478, 3) of it, px.
        portrait: (478, 3) landmarks of the portrait of the same person, px.

    Raises:
        InputError: no whole upper row is seen.
    """
    rgb, points = upright(image, landmarks)
    unit = eye_distance_px(points)
    at_rest = _at_rest(points, portrait)
    middle = resting_middle(at_rest[:, :2])
    jaw = (points - at_rest)[list(JAW), :2].mean(0)
    skin = cheek_color(rgb, points, unit)
    rows = find_rows(rgb, points, middle, jaw, unit, skin)
    usual = usual_enamel(skin)
    upper, lower = (_own(row, usual) for row in (rows.upper, rows.lower))
    if upper is None:
        raise InputError("it shows no whole row of upper teeth: use a wide smile, sharp and from the front")
    return Rows(_with_edge_in_reach(upper), lower)


def _at_rest(smile: Float, portrait: Float) -> Float:
    """Landmarks (478, 3) px of the portrait's face with its mouth at rest, where the head of the ``smile`` is."""
    model = FaceModel.load()
    face = _head(portrait, model).remove(portrait[None])[0]
    resting = face + resting_offsets(face, model)
    return np.asarray(_head(smile, model).restore(resting[None])[0], np.float32)


def _head(landmarks: Float, model: FaceModel) -> HeadMotion:
    return fit_head(landmarks[None], model.mean)


def _own(row: TeethRow | None, usual: Float) -> TeethRow | None:
    """A row cut out; None if there is none, or if it is as red as a tongue."""
    if row is None:
        return None
    red, green = (row.enamel / usual)[:2]
    return None if red / green > _MAX_REDNESS else _cut_out(row, usual)


def _cut_out(row: TeethRow, usual: Float) -> TeethRow:
    """A row cut to its size, its enamel relative to the ``usual`` (3,) one in the light of the photo."""
    solid = row.rgba[..., 3] > _OPAQUE
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    low, left = max(int(rows[0]) - _MARGIN, 0), max(int(columns[0]) - _MARGIN, 0)
    rgba = row.rgba[low : rows[-1] + 1 + _MARGIN, left : columns[-1] + 1 + _MARGIN]
    return TeethRow(
        np.ascontiguousarray(rgba),
        row.left + left * row.pixel,
        row.top + low * row.pixel,
        row.pixel,
        _shade(row.enamel / usual),
    )


def _shade(relative: Float) -> Float:
    """Colour (3,) of enamel from its colour ``relative`` (3,) to the usual one, within what teeth and light allow."""
    level = relative.mean()
    shade = np.clip(level / _TYPICAL_SHADE, *_SHADE) * np.clip(relative / level, *_TINT)
    return np.asarray(shade, np.float32)


def _with_edge_in_reach(upper: TeethRow) -> TeethRow:
    """The row moved up or down until its cutting edge is within `_EDGE` of the closed lips."""
    edge = upper.edge
    return replace(upper, top=upper.top + float(np.clip(edge, *_EDGE)) - edge)
