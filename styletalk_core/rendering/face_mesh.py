"""Head mesh of a portrait: 478 face landmarks, surrounded by anchors for hair, neck and background.

Lengths are in pixels of the portrait, x right, y down, z away from the camera. Index names follow MediaPipe:
"right" is the person's right, on the left of the image.
Runs on: any thread, at enrolment only; pure.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from styletalk_core.rendering.arrays import Float, Index
from styletalk_core.rendering.raster.triangulation import delaunay

LANDMARKS = 478
MESH = 468
RIGHT_EYE_OUTER, LEFT_EYE_OUTER = 33, 263
NOSE_TIP, CHIN = 1, 152

FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
# Inner lips from the person's right corner to the left one; both lists share the corners.
UPPER_INNER_LIP = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_INNER_LIP = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
UPPER_OUTER_LIP = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
LOWER_OUTER_LIP = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)


@dataclass(frozen=True, slots=True)
class Eye:
    """Landmark rows of one eye; lids run from the image's left corner to the right one and share both corners."""

    upper_lid: tuple[int, ...]
    lower_lid: tuple[int, ...]
    upper_fold: tuple[int, ...]  # skin above the upper lid
    lower_fold: tuple[int, ...]
    iris: tuple[int, ...]  # centre, then four points of the rim


RIGHT_EYE = Eye(
    upper_lid=(33, 246, 161, 160, 159, 158, 157, 173, 133),
    lower_lid=(33, 7, 163, 144, 145, 153, 154, 155, 133),
    upper_fold=(247, 30, 29, 27, 28, 56, 190),
    lower_fold=(25, 110, 24, 23, 22, 26, 112),
    iris=(468, 469, 470, 471, 472),
)
LEFT_EYE = Eye(
    upper_lid=(362, 398, 384, 385, 386, 387, 388, 466, 263),
    lower_lid=(362, 382, 381, 380, 374, 373, 390, 249, 263),
    upper_fold=(414, 286, 258, 257, 259, 260, 467),
    lower_fold=(341, 256, 252, 253, 254, 339, 255),
    iris=(473, 474, 475, 476, 477),
)
EYES = (RIGHT_EYE, LEFT_EYE)

_HOLE_RIMS = {*UPPER_INNER_LIP, *LOWER_INNER_LIP}.union(*({*eye.upper_lid, *eye.lower_lid} for eye in EYES))

_RINGS = (1.10, 1.24, 1.42, 1.65)
_GRID = 14  # anchors per side of the image
# Depths beyond the first are compressed towards the second (inter-ocular distances): otherwise the steep sides of the
# face would separate from the adjacent hair when the head turns.
_TRUE_DEPTH, _MAX_DEPTH = 0.12, 0.42
_EDGE = 0.5  # inter-ocular distances from the lower edge within which the motion of the head fades


@dataclass(frozen=True, slots=True)
class HeadMesh:
    """Mesh vertices and their weights for following the face."""

    vertices: Float  # (V, 3) px; rows 0..477 are the landmarks
    triangles: Index  # (F, 3), far ones first
    head_weight: Float  # (V,) 1 moves with the head .. 0 is fixed to the shoulders
    spread: Float  # (V - 478, 36) weights with which an anchor follows the expression of the face-oval vertices


@cache
def face_triangles() -> Index:
    """Return the triangles (F, 3) of the MediaPipe face mesh, with eyes and mouth filled in."""
    from mediapipe.tasks.python.vision.face_landmarker import FaceLandmarksConnections

    edges = FaceLandmarksConnections.FACE_LANDMARKS_TESSELATION
    triples = [edges[i : i + 3] for i in range(0, len(edges), 3)]
    skin = [sorted({edge.start for edge in triple} | {edge.end for edge in triple}) for triple in triples]
    holes = [(UPPER_INNER_LIP, LOWER_INNER_LIP), *((eye.upper_lid, eye.lower_lid) for eye in EYES)]
    return np.array(skin + [triangle for hole in holes for triangle in _strip(*hole)], np.int32)


def _strip(upper: tuple[int, ...], lower: tuple[int, ...]) -> list[list[int]]:
    """Return the triangles between two rows of equal length with common ends."""
    triangles = []
    for k in range(len(upper) - 1):
        if k > 0:
            triangles.append([upper[k], upper[k + 1], lower[k]])
        if k < len(upper) - 2:
            triangles.append([upper[k + 1], lower[k], lower[k + 1]])
    return triangles


def eye_distance_px(landmarks: Float) -> float:
    """Return the distance between the outer eye corners in the image, px."""
    return float(np.linalg.norm(landmarks[RIGHT_EYE_OUTER, :2] - landmarks[LEFT_EYE_OUTER, :2]))


def build_head_mesh(landmarks: Float, size: int, inside: Index) -> HeadMesh:
    """Adds anchors over an image of ``size`` x ``size`` to landmarks (478, 3) px and their triangles (F, 3)."""
    unit = eye_distance_px(landmarks)
    landmarks = landmarks.copy()
    landmarks[:, 2] = _limited_depth(landmarks[:, 2], unit)
    oval = landmarks[list(FACE_OVAL)]
    center = oval.mean(0)
    outline_depth = float(_limited_depth(np.array(np.inf), unit))
    rings = []
    for ring in _RINGS:
        points = center + (oval - center) * np.array([ring, ring, 1.0], np.float32)
        share = (ring - 1) / (_RINGS[-1] - 1)
        points[:, 2] = oval[:, 2] + (outline_depth - oval[:, 2]) * share
        rings.append(points[:: 1 if ring < 1.3 else 2])
    steps = np.linspace(-0.12, 1.12, _GRID) * size
    grid = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    outermost = center[:2] + (oval[:, :2] - center[:2]) * (_RINGS[-1] + 0.12)
    hull = cv2.convexHull(outermost.astype(np.float32))
    grid = grid[[cv2.pointPolygonTest(hull, (float(x), float(y)), False) < 0 for x, y in grid]]
    anchors = np.vstack([*rings, np.column_stack([grid, np.full(len(grid), outline_depth)])])
    vertices = np.vstack([landmarks, anchors]).astype(np.float32)

    around = np.concatenate([np.array(FACE_OVAL), np.arange(LANDMARKS, len(vertices))])
    outside = delaunay(vertices[around, :2])
    outside = around[outside[(outside >= len(FACE_OVAL)).any(1)]]
    # The triangles that fill eyes and mouth are behind the surrounding skin.
    hole = np.array([set(triangle) <= _HOLE_RIMS for triangle in inside.tolist()])
    nearer_last = np.argsort(-vertices[inside, 2].mean(1), kind="stable")
    order = np.concatenate([nearer_last[hole[nearer_last]], nearer_last[~hole[nearer_last]]])
    triangles = np.vstack([outside, inside[order]]).astype(np.int32)

    chin = landmarks[CHIN, 1]
    fall = np.clip((vertices[:, 1] - (chin - 0.25 * unit)) / (1.35 * unit), 0, 1)
    # Below the picture the photo shows nothing: what reaches its lower edge stays there.
    edge = np.clip(1 - (size - vertices[:, 1]) / (_EDGE * unit), 0, 1)
    head_weight = (1 - fall * fall * (3 - 2 * fall)) * (1 - edge * edge * (3 - 2 * edge))
    head_weight[:LANDMARKS] = 1
    return HeadMesh(vertices, triangles, head_weight.astype(np.float32), _spread(vertices, unit))


def _limited_depth(depth: Float, unit: float) -> Float:
    room = (_MAX_DEPTH - _TRUE_DEPTH) * unit
    beyond = np.maximum(depth - _TRUE_DEPTH * unit, 0)
    return np.asarray(np.minimum(depth, _TRUE_DEPTH * unit) + room * (1 - np.exp(-beyond / room)), np.float32)


def _spread(vertices: Float, unit: float) -> Float:
    """Return the weights of anchors for following the nearest part of the face outline, decreasing with distance."""
    oval, anchors = vertices[list(FACE_OVAL), :2], vertices[LANDMARKS:, :2]
    distance = np.linalg.norm(anchors[:, None] - oval[None], axis=-1) / unit
    share = np.exp(-((distance / 0.25) ** 2) + (distance.min(1, keepdims=True) / 0.25) ** 2)
    share /= share.sum(1, keepdims=True)
    return np.asarray(share * np.exp(-((distance.min(1, keepdims=True) / 0.45) ** 2)), np.float32)
