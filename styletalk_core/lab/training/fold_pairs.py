"""Training pairs for `styletalk train folds`: what the warped photo of a face lacks against another frame of it.

A reference frame becomes a portrait and is rendered with the tracked motion of another frame, without folds. Both
images are unwrapped to the mean face, where the displacement between them (optical flow) and the ratio of their
brightness are averaged to a coarse grid and read at the vertices of the mesh. A change of the light over the whole face
is removed from the ratio.
Runs on: the command line; about 15 pairs per second.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from styletalk_core.face.face_model import FaceModel
from styletalk_core.lab.dataset import VideoClip, load_track
from styletalk_core.lab.evaluation.fidelity import SIZE, cut_faces
from styletalk_core.lab.evaluation.reenactment import motion_of_landmarks, portrait_of_frame
from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.face_mesh import (
    EYES,
    FACE_OVAL,
    LANDMARKS,
    LOWER_OUTER_LIP,
    MESH,
    UPPER_OUTER_LIP,
    face_triangles,
)
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.raster.rasterizer import fill_triangles
from styletalk_core.rendering.skin_folds import NO_FOLDS
from styletalk_core.video import read_frames

_SIDE, _GRID = 144, 36
"""Side of the unwrapped face, px, and nodes per side of the coarse grid."""
_SPAN, _MIDDLE = 2.0, -0.036
"""Side of the unwrapped square and height of its centre on the mean face, inter-ocular distances."""
_MAX_FRAMES: Final = 300
"""Frames used per clip, at most."""
_MAX_TURN: Final = 0.2
"""Rotation of the head against the reference above which a frame is not used, rad."""
_MAX_FLOW, _MAX_RATIO = 0.09, 0.4
"""Limits of the displacement (inter-ocular distances) and of the logarithm of the ratio: more is an error."""
_DARK: Final = 12.0
"""Grey levels below which ratios count less."""
_FLOW_BLUR, _SHADE_BLUR = 1.0, 0.7
"""Standard deviations of the low-pass filters, in nodes of the grid."""
_SURE: Final = 0.05
"""Smallest share of skin around a vertex that is read."""
_RANDOM_WEIGHT: Final = 0.6
"""Weight of a pair whose reference is any frame, which may have an expression of its own, against a calm one."""


@dataclass(frozen=True, slots=True)
class FoldPairs:
    """N pairs."""

    coefficients: Float  # (N, 64) expression relative to that of the reference
    displacement: Float  # (N, 468, 2) inter-ocular distances, on the mean face
    shade: Float  # (N, 468) logarithm of the brightness ratio
    weight: Float  # (N,)

    def save(self, path: Path) -> None:
        """Writes an ``.npz`` file for `load`."""
        np.savez(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> "FoldPairs":
        """Reads a file written by `save`."""
        with np.load(path) as stored:
            return cls(**stored)

    @classmethod
    def joined(cls, parts: "Sequence[FoldPairs]") -> "FoldPairs":
        """Concatenates several sets."""
        return cls(
            **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)}
        )


@dataclass(frozen=True, slots=True)
class _Clip:
    """Frames with a face, (T, 478, 3) landmarks and the distance (T,) of each frame's scores from those at rest."""

    frames: list[Image]
    landmarks: Float
    unrest: Float

    @property
    def calmest(self) -> int:
        return int(self.unrest.argmin())


def cut_person(clips: Sequence[VideoClip], cache: Path, model: FaceModel, pairs: int) -> FoldPairs:
    """Pairs of one person; deterministic.

    Args:
        clips: of the same person; every clip has a calm frame and a random one as references, and the calm frame of the
            person's neutral clip if there is one.
        cache: folder with the tracks.
        model: face model of the coefficients.
        pairs: target frames per reference.
    """
    generator = np.random.default_rng(sum(clips[0].name.encode()))
    read = [(clip, _read(clip, cache, model)) for clip in clips]
    neutral = [seen for clip, seen in read if clip.style.startswith("neutral")]
    parts = []
    for _, seen in read:
        references = [(seen, seen.calmest, 1.0), (seen, int(generator.integers(len(seen.frames))), _RANDOM_WEIGHT)]
        if neutral and neutral[0] is not seen:
            references.append((neutral[0], neutral[0].calmest, 1.0))
        for source, frame, weight in references:
            portrait = portrait_of_frame(source.frames[frame], source.landmarks[frame])
            renderer = MeshRenderer(portrait, SIZE, model, NO_FOLDS)
            parts += list(_pairs(renderer, seen, pairs, weight, model, generator))
    return FoldPairs.joined(parts)


def _read(clip: VideoClip, cache: Path, model: FaceModel) -> _Clip:
    track = load_track(cache, clip)
    images = [frame.image for frame in read_frames(clip.path)]
    seen = np.flatnonzero(track.tracked[: len(images)])
    if len(seen) > _MAX_FRAMES:
        seen = seen[np.linspace(0, len(seen) - 1, _MAX_FRAMES).astype(int)]
    frames, landmarks = cut_faces([images[k] for k in seen], track.landmarks[seen])
    return _Clip(frames, landmarks, np.abs(track.blendshapes[seen] - model.rest_scores).sum(axis=1))


def _pairs(
    renderer: MeshRenderer, clip: _Clip, count: int, weight: float, model: FaceModel, generator: np.random.Generator
) -> Iterator[FoldPairs]:
    """Yields pairs of one reference; frames with much expression are more likely."""
    motion, face = motion_of_landmarks(renderer, clip.landmarks), renderer.resting_face
    own = model.encode((face - renderer.resting_offsets)[None], face)
    relative = model.encode(face + motion.offsets, face, motion.pose[:, :3]) - own
    near = np.flatnonzero(np.abs(motion.pose[:, :3]).max(axis=1) < _MAX_TURN)
    if not len(near):
        return
    distance = np.linalg.norm(relative[near], axis=1)
    likely = 0.2 + distance / max(float(distance.max()), 1e-6)
    for k in generator.choice(near, min(count, len(near)), replace=False, p=likely / likely.sum()):
        driven = motion.offsets[k], motion.pose[k], motion.gaze[k], float(motion.blink[k])
        vertices = renderer.scene(*driven).vertices[:LANDMARKS]
        rendered = _unwrapped(renderer.render_offsets(*driven), vertices, model)
        displacement, shade = lacking(rendered, _unwrapped(clip.frames[k], vertices, model), model)
        yield FoldPairs(relative[k][None], displacement[None], shade[None], np.array([weight], np.float32))


def lacking(rendered: Image, real: Image, model: FaceModel) -> tuple[Float, Float]:
    """Return the displacement (468, 2) and shade (468,) that turn an unwrapped image (S, S) uint8 into another."""
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
    moved = flow.calc(real, rendered, None) * np.float32(_SPAN / _SIDE)
    coarse, real_coarse, moved = (
        cv2.resize(np.asarray(part, np.float32), (_GRID, _GRID), interpolation=cv2.INTER_AREA)
        for part in (rendered, real, moved)
    )
    skin = _skin(model)
    ratio = np.log((real_coarse + _DARK) / (coarse + _DARK)).clip(-_MAX_RATIO, _MAX_RATIO)
    y, x = np.indices(skin.shape)
    plane = np.stack([np.ones_like(x), x, y], axis=-1).astype(np.float32)
    ratio -= plane @ np.linalg.lstsq(plane[skin], ratio[skin], rcond=None)[0]
    shade = _at_vertices(ratio, skin, _SHADE_BLUR, model)
    return _at_vertices(moved.clip(-_MAX_FLOW, _MAX_FLOW), skin, _FLOW_BLUR, model), shade


def _unwrapped(image: Image, vertices: Float, model: FaceModel) -> Image:
    """Unwraps a face (H, W, 3) with its mesh (478, 2) px to the mean face, (S, S) uint8 grey."""
    maps = np.full((2, _SIDE, _SIDE), -10, np.float32)
    fill_triangles(_places(model, _SIDE), np.ascontiguousarray(vertices), face_triangles(), *maps)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.remap(grey, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _places(model: FaceModel, side: int) -> Float:
    """Positions (478, 2) px of the mean face's landmarks in the unwrapped square of ``side`` px."""
    places = (model.mean[:, :2] - [0, _MIDDLE]) * (side / _SPAN) + (side - 1) / 2
    return np.ascontiguousarray(places, np.float32)


def _skin(model: FaceModel) -> NDArray[np.bool_]:
    """Nodes (G, G) of the grid on the face outside of eyes and lips."""
    fine = np.zeros((8 * _GRID, 8 * _GRID), np.uint8)
    places = _places(model, 8 * _GRID).round().astype(np.int32)
    cv2.fillPoly(fine, [places[list(FACE_OVAL)]], 255)
    holes = [(UPPER_OUTER_LIP, LOWER_OUTER_LIP), *((eye.upper_lid, eye.lower_lid) for eye in EYES)]
    for upper, lower in holes:
        cv2.fillPoly(fine, [places[[*upper, *lower[::-1]]]], 0)
    whole: NDArray[np.bool_] = cv2.erode(fine, np.ones((9, 9), np.uint8)).reshape(_GRID, 8, _GRID, 8).min((1, 3)) > 0
    return whole


def _at_vertices(grid: Float, skin: NDArray[np.bool_], blur: float, model: FaceModel) -> Float:
    """Low-pass values (G, G, ...) of the ``skin`` at the vertices, (468, ...)."""
    share = skin.astype(np.float32)
    smooth, seen = (cv2.GaussianBlur(part, (0, 0), blur) for part in ((grid.T * share.T).T, share))
    smooth = (smooth.T / np.maximum(seen, _SURE).T).T
    x, y = _places(model, _GRID)[:MESH].T[:, None]
    return np.asarray(cv2.remap(smooth, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0], np.float32)
