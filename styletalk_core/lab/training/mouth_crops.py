"""Training pairs for `styletalk train mouth`: a mouth in a reference frame and the same mouth in another frame.

A reference frame of a clip becomes a portrait, its mesh is moved to the face in another frame, and both are cropped
around the mouth. The mesh gives the pixel correspondence; the remaining difference is what the network learns.
Runs on: the command line; about 20 pairs per second.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from styletalk_core.lab.evaluation.fidelity import SIZE, cut_faces
from styletalk_core.lab.evaluation.reenactment import DrivenMotion, motion_of_landmarks, portrait_of_frame
from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.face_mesh import LANDMARKS
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.mouth.retouch import crop_frame, motion_features, person_features
from styletalk_core.rendering.raster.rasterizer import fill_triangles
from styletalk_core.rendering.retouch_weights import CROP

SOURCE: Final = 128
"""Side of the reference crops, px."""
_PAIRS: Final = 12
"""Target frames per reference."""
_MAX_FRAMES: Final = 160
"""Frames used per clip, at most."""
_INNER_LIPS: Final = (13, 14)


@dataclass(frozen=True, slots=True)
class MouthCrops:
    """N pairs with R references."""

    source: Image  # (R, 128, 128, 3)
    person: Float  # (R, P), see `person_features`
    own: Float  # (R, M), see `motion_features`
    reference: NDArray[np.int32]  # (N,)
    clip: NDArray[np.int32]  # (N,)
    motion: Float  # (N, M)
    target: Image  # (N, 64, 64, 3), the other frame
    place: NDArray[np.float16]  # (N, 64, 64, 2), position of each pixel in the source, -1..1
    inside: Image  # (N, 64, 64, 4), rendered eyes and mouth interior, RGBA

    def save(self, path: Path) -> None:
        """Writes an ``.npz`` file for `load`."""
        np.savez(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> "MouthCrops":
        """Reads a file written by `save`."""
        with np.load(path) as stored:
            return cls(**stored)

    @classmethod
    def joined(cls, parts: "list[MouthCrops]") -> "MouthCrops":
        """Concatenates the pairs of several sets and renumbers their clips."""
        values = {field.name: [getattr(part, field.name) for part in parts] for field in fields(cls)}
        before = np.cumsum([0, *(len(part.source) for part in parts)])
        values["reference"] = [own + first for own, first in zip(values["reference"], before, strict=False)]
        values["clip"] = [np.full(len(part.target), index, np.int32) for index, part in enumerate(parts)]
        return cls(**{name: np.concatenate(value) for name, value in values.items()})


def cut_clip(images: list[Image], landmarks: Float, references: int, generator: np.random.Generator) -> MouthCrops:
    """Pairs of one clip.

    Args:
        images: (H, W, 3) frames with a face.
        landmarks: (T, 478, 3) px, of the same frames.
        references: number of frames that become portraits; the frame with the most closed lips is often one of them.
        generator: selects the frames; frames with an open mouth are more likely.
    """
    if len(images) > _MAX_FRAMES:
        chosen = np.sort(generator.choice(len(images), _MAX_FRAMES, replace=False))
        images, landmarks = [images[k] for k in chosen], landmarks[chosen]
    frames, points = cut_faces(images, landmarks)
    gap = np.linalg.norm(points[:, _INNER_LIPS[0]] - points[:, _INNER_LIPS[1]], axis=1)
    likely = 0.3 + gap / (gap.max() + 1e-6)
    parts = []
    for turn in range(references):
        closed = turn % 2 == 0 and generator.random() < 0.6
        reference = int(gap.argmin() if closed else generator.integers(len(frames)))
        count = min(_PAIRS, len(frames))
        targets = generator.choice(len(frames), count, replace=False, p=likely / likely.sum())
        renderer = MeshRenderer(portrait_of_frame(frames[reference], points[reference]), SIZE)
        parts.append(_pairs(renderer, motion_of_landmarks(renderer, points), frames, targets))
    return MouthCrops.joined(parts)


def _pairs(renderer: MeshRenderer, motion: DrivenMotion, frames: list[Image], targets: NDArray[np.int64]) -> MouthCrops:
    from_source = crop_frame(renderer.texture_points, SOURCE)
    to_source = cv2.invertAffineTransform(from_source)
    place, inside, target, features = [], [], [], []
    for k in targets:
        scene = renderer.scene(motion.offsets[k], motion.pose[k], motion.gaze[k], 0.0)
        maps = np.zeros((2, SIZE, SIZE), np.float32)
        fill_triangles(scene.vertices, renderer.texture_points, renderer.mesh.triangles, *maps)
        lies = np.moveaxis(maps, 0, -1) @ to_source[:, :2].T + to_source[:, 2]
        layer = np.zeros((SIZE, SIZE, 4), np.float32)
        for patch in scene.patches:
            layer[patch.window] = np.dstack([patch.color, 255 * patch.mask])
        crop = crop_frame(scene.vertices[:LANDMARKS], CROP)
        place.append(_cut(lies / ((SOURCE - 1) / 2) - 1, crop, CROP).astype(np.float16))
        inside.append(_cut(layer, crop, CROP).clip(0, 255).round().astype(np.uint8))
        target.append(_cut(frames[k], crop, CROP))
        features.append(motion_features(motion.offsets[k], motion.pose[k, :3]))
    own = -renderer.resting_offsets
    return MouthCrops(
        source=_cut(renderer.person[..., :3], from_source, SOURCE)[None],
        person=person_features(renderer.resting_face, own)[None],
        own=motion_features(own, np.zeros(3, np.float32))[None],
        reference=np.zeros(len(targets), np.int32),
        clip=np.zeros(len(targets), np.int32),
        motion=np.stack(features),
        target=np.stack(target),
        place=np.stack(place),
        inside=np.stack(inside),
    )


def _cut(image: Image, frame: Float, side: int) -> Image:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, frame, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
