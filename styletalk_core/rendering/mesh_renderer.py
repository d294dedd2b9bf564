"""Mesh renderer: deforms the face mesh by expression, pose, gaze and blink, and resamples the photo over it.

Layers, back to front: the empty background; the person as one soft-edged layer, with head and hair moving over fixed
shoulders; the eyeballs between the lids; the mouth interior between the lips.
Runs on: worker thread; `render` keeps no state between frames.
"""

import weakref
from dataclasses import dataclass, replace

import cv2
import numpy as np

from styletalk_core.face.eyelids import lid_gaps
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.head_pose import FACE_FROM_NECK, fit_head
from styletalk_core.rendering import face_mesh
from styletalk_core.rendering.arrays import Float, Image, Index
from styletalk_core.rendering.face_mesh import EYES, LANDMARKS, HeadMesh, eye_distance_px
from styletalk_core.rendering.mesh_motion import MeshMotion, MeshState
from styletalk_core.rendering.mouth.interior import MouthInterior
from styletalk_core.rendering.mouth.lips import Seam, heal_lips
from styletalk_core.rendering.mouth.neutral import resting_offsets
from styletalk_core.rendering.mouth.retouch import Retouch
from styletalk_core.rendering.portrait.eyeball import LASHES, LID_APPEARS, Eyeball, Eyelid
from styletalk_core.rendering.portrait.matting import foreground_colors
from styletalk_core.rendering.portrait.person_mask import empty_background
from styletalk_core.rendering.portrait.portrait import Portrait
from styletalk_core.rendering.portrait.sharpness import blur_of
from styletalk_core.rendering.raster.compositor import opaque, stacked_yuv420p, without_alpha, yuv420p
from styletalk_core.rendering.raster.opening import Patch, open_between
from styletalk_core.rendering.raster.rasterizer import PLAIN, SHADED, SKIPPED, draw_triangles, fill_triangles
from styletalk_core.rendering.retouch_weights import load
from styletalk_core.rendering.skin_folds import FoldWeights, SkinFolds
from styletalk_core.rendering.skin_folds import load as load_folds

_SUPERSAMPLING = 2.0  # texture pixels per output pixel, so that bilinear sampling does not blur visible detail
_SHARPENED = 0.45  # sharpening of the finest detail of an enlarged photo, to compensate for resampling
_STRIP = 1 / 32  # height of the strips in which triangles are drawn, relative to the frame
_LINE = 1e-5  # twice the area of a nearly degenerate triangle, in square inter-ocular distances
_LIPS_PART = 0.05  # px, minimum lip gap at which the mouth interior is painted
_SEEN_BESIDE = 3  # texture pixels around a triangle that may be visible at its edge


@dataclass(frozen=True, slots=True)
class Scene:
    """Deformed mesh and patches of one frame, before drawing."""

    vertices: Float  # (V, 2) px, mesh position in the output
    patches: list[Patch]  # eyes and mouth, in drawing order
    source: Float  # (V, 2) px, positions of the vertices in the texture
    gains: Float  # (V, 3) gains of R, G, B at the vertices


class MeshRenderer:
    """Renders one portrait at one size.

    Attributes:
        size: side of the output, px.
        unit: inter-ocular distance in the output, px.
        pivot: (3,) px, the point in the neck about which the head rotates.
        head: position of the portrait's head in the output (one frame).
        background: (size, size, 3) uint8 RGB, the photo without the person.
        mesh: head mesh, px of the output.
        person: (T, T, 4) uint8 RGBA, the texture.
        texture_points: (V, 2) px, positions of the mesh's vertices in the texture.
        resting_face: (478, 3) canonical landmarks of the portrait with its mouth at rest.
        resting_offsets: (478, 3) canonical displacements from the portrait to `resting_face`.
        retouch: deformation and shading of the skin around the mouth.
        folds: deformation and shading of the face by its expression.
    """

    def __init__(
        self,
        portrait: Portrait,
        size: int = 512,
        face_model: FaceModel | None = None,
        folds: FoldWeights | None = None,
    ) -> None:
        self.size = size
        self._model = face_model or FaceModel.load()
        stored = portrait.image.shape[0]
        side = round(_SUPERSAMPLING * size)
        method = cv2.INTER_AREA if side < stored else cv2.INTER_LANCZOS4
        image = cv2.resize(portrait.image, (side, side), interpolation=method)
        mask = cv2.resize(portrait.mask, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        person = foreground_colors(image, mask).clip(0, 255).round().astype(np.uint8)
        if side > stored:
            person = _sharpened(person)
        self._photo: Image = np.dstack([person, np.round(mask * 255).astype(np.uint8)])
        wall = cv2.resize(empty_background(image, mask), (size, size), interpolation=cv2.INTER_AREA)
        self.background: Image = np.ascontiguousarray(wall.clip(0, 255).round().astype(np.uint8))

        in_texture = _rescaled(portrait.landmarks, side / stored)
        in_output = _rescaled(portrait.landmarks, size / stored)
        self.unit = face_mesh.eye_distance_px(in_output)
        mesh = face_mesh.build_head_mesh(in_output, size, portrait.triangles)
        self.mesh = mesh
        self.texture_points = np.ascontiguousarray(_rescaled(mesh.vertices, side / size)[:, :2])
        oval = mesh.vertices[list(face_mesh.FACE_OVAL)]
        center = oval.mean(0)
        self.pivot = np.array([*center[:2], 0], np.float32) - FACE_FROM_NECK * np.float32(self.unit)
        self.head = fit_head(in_output[None], self._model.mean)
        self._to_picture = self.head.scale[0] * self.head.rotation[0].T
        face = self.head.remove(in_output[None])[0]
        self.resting_offsets = resting_offsets(face, self._model)
        self.resting_face = face + self.resting_offsets
        neutral = mesh.vertices.copy()
        neutral[:LANDMARKS] += self.resting_offsets @ self._to_picture

        texture_unit = face_mesh.eye_distance_px(in_texture)
        self._eyes = [Eyeball.of(image, in_texture, eye, texture_unit) for eye in EYES]
        self._lids = [Eyelid(image, in_texture, eye, texture_unit) for eye in EYES]
        resting = _rescaled(neutral[:LANDMARKS], side / size)
        self._blur = blur_of(portrait.image, portrait.landmarks) / face_mesh.eye_distance_px(portrait.landmarks)
        self._mouth = MouthInterior(image, in_texture, resting, texture_unit, portrait.teeth, 1 / self.unit, self._blur)
        self._seam = Seam.of(self._photo, in_texture, texture_unit)
        self.person = heal_lips(self._photo, in_texture, texture_unit)
        own = -self.resting_offsets
        self.retouch = Retouch(load(), self.person, self.texture_points, self.resting_face, own)
        to_texture = self._to_picture[:2, :2] * (side / size)
        self.folds = SkinFolds(folds or load_folds(), self.person, self.texture_points, to_texture, own)
        usual_openness = float(lid_gaps(self._model.mean).mean() * self.head.scale[0])
        self._motion = MeshMotion(
            mesh, neutral, self._to_picture, self.pivot, self.unit, self.texture_points, usual_openness
        )
        self._retouched = self._within_grid()
        self._kinds = self._triangle_kinds()
        self._order = _neighbours_together(mesh.vertices[mesh.triangles].mean(axis=1), _STRIP * size)
        self._facing = _facing(mesh, self._model.mean)
        self._around_eyes = [
            _neighbourhood(mesh.triangles, [*eye.upper_lid, *eye.upper_fold, *eye.lower_lid], rings=2) for eye in EYES
        ]
        self._backgrounds: dict[int, tuple[weakref.ref[Image], Image]] = {}

    def render(self, expression: Float, pose: Float, gaze: Float, blink: float, behind: Image | None = None) -> Image:
        """Renders one frame.

        Args:
            expression: (64,) coefficients of the face model.
            pose: (6,) pitch, yaw, roll (rad) and translation (inter-ocular distances), relative to the portrait's pose.
            gaze: (2,) yaw and pitch of the eyes, rad.
            blink: 0 open .. 1 closed.
            behind: (H, W, 3) uint8 RGB background; the portrait's own if None.

        Returns:
            (H*3//2, W) uint8, yuv420p.
        """
        scene = self.scene(self.offsets(expression), pose, gaze, blink)
        return yuv420p(self._drawn(scene, self._kinds, self._layer_of(self.background if behind is None else behind)))

    def render_with_alpha(self, expression: Float, pose: Float, gaze: Float, blink: float) -> Image:
        """Like `render`, with an alpha mask below the person: (H*3, W) uint8, yuv420p.

        Live video codecs have no alpha channel, so the frame is twice as high: the luma of row ``H + y`` is the opacity
        of row ``y``.
        """
        scene = self.scene(self.offsets(expression), pose, gaze, blink)
        # The codec also encodes the colours of transparent pixels.
        everything = np.maximum(self._kinds, PLAIN)
        return stacked_yuv420p(self._drawn(scene, everything, np.empty((0, self.size, 4), np.uint8)))

    def render_rgb(
        self, expression: Float, pose: Float, gaze: Float, blink: float, behind: Image | None = None
    ) -> Image:
        """Like `render`, but returns (H, W, 3) uint8 RGB."""
        return self.render_offsets(self.offsets(expression), pose, gaze, blink, behind=behind)

    def render_offsets(
        self, offsets: Float, pose: Float, gaze: Float, blink: float, layers: bool = True, behind: Image | None = None
    ) -> Image:
        """Renders displacements (478, 3) of the landmarks in canonical units instead of coefficients.

        Without ``layers``, the photo is only warped, without eyes and mouth interior, for comparison.
        """
        scene = self.scene(offsets, pose, gaze, blink)
        below = self._layer_of(self.background if behind is None else behind)
        if layers:
            return without_alpha(self._drawn(scene, self._kinds, below))
        plain = replace(scene, patches=[], source=self.texture_points, gains=np.ones_like(scene.gains))
        return without_alpha(self._drawn(plain, np.minimum(self._kinds, PLAIN), below, self._photo))

    def offsets(self, expression: Float) -> Float:
        """Return the landmark displacements (478, 3) of coefficients (64,), in canonical units."""
        return np.asarray(self._model.offsets(np.asarray(expression, np.float32)[None])[0], np.float32)

    def scene(self, offsets: Float, pose: Float, gaze: Float, blink: float) -> Scene:
        """Deforms the mesh by landmark displacements (478, 3), and paints eyes and mouth."""
        offsets, pose, gaze = (np.ascontiguousarray(part, np.float32) for part in (offsets, pose, gaze))
        state = self._motion(offsets, pose, float(blink))
        patches = [self._eye(state, side, gaze) for side in range(len(EYES))]
        patches += [self._lid(state, side) for side in range(len(EYES)) if state.closing[side] > LID_APPEARS]
        patches.append(self._mouth_inside(state))
        if self._seam is not None:
            patches.append(self._seam.paint(state.lips, self.size, self.unit))
        retouching = self.retouch.fields(offsets, pose[:3])
        source, gains = self.retouch.vertices(self.texture_points, self._retouched, retouching)
        self.folds.add(offsets, source, gains)
        return Scene(state.vertices, [patch for patch in patches if patch is not None], source, gains)

    def _drawn(self, scene: Scene, kinds: Index, behind: Image, texture: Image | None = None) -> Image:
        """Draws a scene over ``behind`` (H, W, 4), or (0, W, 4) for no background; see `draw_triangles`."""
        layer = np.empty((self.size, self.size, 4), np.uint8)
        draw_triangles(
            scene.vertices,
            scene.source,
            scene.gains,
            self.mesh.triangles,
            self._order,
            self._facing,
            kinds,
            self.person if texture is None else texture,
            behind.view(np.uint32)[..., 0],
            layer.view(np.uint32)[..., 0],
        )
        for patch in scene.patches:
            patch.lay_over(layer)
        return layer

    def _eye(self, state: MeshState, side: int, gaze: Float) -> Patch | None:
        opening = open_between(
            state.eyes[side, 0], state.eyes[side, 1], self.size, softness=max(0.5, 0.0045 * self.unit)
        )
        eyeball = self._eyes[side]
        if opening is None or eyeball is None:
            return None
        return eyeball.paint(opening, state.to_source[side], gaze, float(state.closing[side]))

    def _lid(self, state: MeshState, side: int) -> Patch | None:
        crease, edge = state.creases[side], state.eyes[side, 0]
        below = edge + np.array([0, LASHES * self.unit], np.float32)
        opening = open_between(crease, below, self.size, softness=max(0.5, 0.005 * self.unit))
        if opening is None:
            return None
        maps = np.zeros((2, *opening.mask.shape), np.float32)
        within = state.vertices - np.array([opening.left, opening.top], np.float32)
        fill_triangles(within, self.texture_points, self._around_eyes[side], *maps)
        return self._lids[side].paint(opening, edge, crease, maps, float(state.closing[side]))

    def _mouth_inside(self, state: MeshState) -> Patch | None:
        upper, lower = state.lips
        softness = max(0.5, float(np.hypot(0.005, self._blur)) * self.unit)
        opening = open_between(upper, lower, self.size, softness)
        if opening is None or (lower - upper)[:, 1].max() < _LIPS_PART:
            return None
        return self._mouth.paint(opening, state.to_source[2], state.jaw, state.lips)

    def _layer_of(self, behind: Image) -> Image:
        """Return ``behind`` as (H, W, 4), cached while in use; the array must not be modified."""
        known = self._backgrounds.get(id(behind))
        if known is None or known[0]() is not behind:
            known = weakref.ref(behind), opaque(behind)
            in_use = {key: value for key, value in self._backgrounds.items() if value[0]() is not None}
            # Replaced as a whole, since other threads may be rendering.
            self._backgrounds = in_use | {id(behind): known}
        return known[1]

    def _within_grid(self) -> Index:
        """Return the vertices (N,) whose triangles lie entirely within the retouch grid."""
        place = self.texture_points @ self.retouch.to_grid[:, :2].T + self.retouch.to_grid[:, 2]
        beyond = np.flatnonzero((place.min(axis=1) <= 0) | (place.max(axis=1) >= self.retouch.grid - 1))
        around = self.mesh.triangles[np.isin(self.mesh.triangles, beyond).any(axis=1)]
        return np.setdiff1d(np.arange(len(place), dtype=np.int32), around)

    def _triangle_kinds(self) -> Index:
        """(F,) kinds: `SKIPPED` outside the person, `SHADED` on the face, `PLAIN` elsewhere."""
        # The texture is extended beyond its edges.
        corners = self.texture_points[self.mesh.triangles]
        seen = cv2.integral((self.person[..., 3] > 0).astype(np.uint8))
        last = len(seen) - 1
        left, top = (corners.min(axis=1).astype(int) - _SEEN_BESIDE).clip(0, last - 1).T
        right, bottom = (corners.max(axis=1).astype(int) + _SEEN_BESIDE + 1).clip(1, last).T
        empty = seen[bottom, right] - seen[top, right] - seen[bottom, left] + seen[top, left] == 0
        bent = np.isin(self.mesh.triangles, np.union1d(self._retouched, self.folds.vertices)).any(axis=1)
        return np.select([bent, empty], [SHADED, SKIPPED], PLAIN).astype(np.uint8)


def _neighbourhood(triangles: Index, vertices: list[int], rings: int) -> Index:
    """Returns the triangles at ``vertices`` and at their neighbours up to ``rings`` rings away."""
    near = np.zeros(len(triangles), np.bool_)
    reached = np.unique(vertices)
    for _ in range(rings):
        near |= np.isin(triangles, reached).any(axis=1)
        reached = np.unique(triangles[near])
    return np.ascontiguousarray(triangles[near])


def _neighbours_together(centers: Float, strip: float) -> Index:
    """Order (F,) of positions (F, >=2), px, along horizontal strips of the image."""
    return np.lexsort((centers[:, 0], centers[:, 1] // strip)).astype(np.int32)


def _facing(mesh: HeadMesh, face: Float) -> Index:
    """Signs (F,) of the areas of triangles that face the camera; 0 for nearly degenerate triangles.

    In a photo of a turned head some triangles face backwards, so those of landmarks use a frontal ``face`` (478, >=2).
    """
    places = mesh.vertices[:, :2] / eye_distance_px(mesh.vertices)
    signs = []
    inside = (mesh.triangles < LANDMARKS).all(axis=1)
    for points in (places, face[:, :2]):
        a, b, c = (points[corner.clip(0, len(points) - 1)] for corner in mesh.triangles.T)
        area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
        signs.append(np.where(np.abs(area) > _LINE, np.sign(area), 0))
    return np.where(inside, signs[1], signs[0]).astype(np.int8)


def _sharpened(image: Image) -> Image:
    blurred = cv2.GaussianBlur(image, (0, 0), 1.0)
    return np.asarray(cv2.addWeighted(image, 1 + _SHARPENED, blurred, -_SHARPENED, 0), np.uint8)


def _rescaled(points: Float, factor: float) -> Float:
    """Pixel positions after resizing the image by ``factor``; pixel centres are at integers."""
    moved = points * factor
    moved[:, :2] += 0.5 * factor - 0.5
    return np.asarray(moved, np.float32)
