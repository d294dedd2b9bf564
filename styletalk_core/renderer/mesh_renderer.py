"""A portrait in motion: expression, pose, gaze and blink bend the face mesh, and the photo is resampled over it.

Layers, back to front: the empty background; the person as one soft-edged layer, head and hair moving over still
shoulders; the eyeballs between the lids; the inside of the mouth between the lips.
Runs on: worker thread; `render` keeps no state between frames.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from styletalk_core.face_model import FaceModel
from styletalk_core.head_pose import fit_head, rotation_matrix
from styletalk_core.renderer import face_mesh
from styletalk_core.renderer.arrays import Float, Image, Index
from styletalk_core.renderer.eyeball import LID_APPEARS, Eyeball, Eyelid
from styletalk_core.renderer.face_mesh import EYES, LANDMARKS, LOWER_INNER_LIP, UPPER_INNER_LIP
from styletalk_core.renderer.mouth import MouthInterior
from styletalk_core.renderer.mouth_anatomy import JAW
from styletalk_core.renderer.neutral import resting_mouth
from styletalk_core.renderer.opening import Patch, affine_between, open_between
from styletalk_core.renderer.own_teeth import closed_lips
from styletalk_core.renderer.person_mask import empty_background, foreground_colors
from styletalk_core.renderer.portrait import Portrait
from styletalk_core.renderer.rasterizer import composite, fill_triangles
from styletalk_core.renderer.retouch import Retouch, displace, shade
from styletalk_core.renderer.retouch_network import load

_SUPERSAMPLING = 2.0  # texture pixels per output pixel: bilinear sampling then blurs nothing that the output shows
_SHARPENED = 0.45  # share of its finest detail that an enlarged photo gains, since resampling takes as much away
_SEALED = 0.014  # inter-ocular distances between the lips below which they are drawn together
_LIDS_MEET = 0.12  # share of the way that the lower lid comes up in a blink
_FOLD_FOLLOWS = 0.42  # how far the skin above the upper lid comes down with it


@dataclass(frozen=True, slots=True)
class Scene:
    """One frame before it is drawn."""

    vertices: Float  # (V, 2) px, where the mesh lies in the output
    patches: list[Patch]  # eyes and mouth, in the order in which they are laid over the face
    retouching: Float  # (G, G, 5), see `Retouch.fields`


class MeshRenderer:
    """Renders one portrait at one size.

    Attributes:
        size: side of the output, px.
        unit: inter-ocular distance in the output, px.
        pivot: (3,) px, the point in the neck about which the head turns.
        head: where the portrait's head lies in the output (one frame).
        background: (size, size, 3) uint8 RGB, the photo without the person.
        mesh: what the photo is drawn on, px of the output.
        person: (T, T, 4) uint8 RGBA, the texture.
        texture_points: (V, 2) px of the texture, where the mesh's vertices lie in it.
        resting_face: (478, 3) canonical landmarks of the portrait with its mouth at rest.
        resting_offsets: (478, 3) canonical displacements from the portrait to `resting_face`.
        retouch: what bends and shades the skin around the mouth.
    """

    def __init__(self, portrait: Portrait, size: int = 512, face_model: FaceModel | None = None) -> None:
        self.size = size
        self._model = face_model or FaceModel.load()
        stored = portrait.picture.shape[0]
        side = round(_SUPERSAMPLING * size)
        method = cv2.INTER_AREA if side < stored else cv2.INTER_LANCZOS4
        picture = cv2.resize(portrait.picture, (side, side), interpolation=method)
        mask = cv2.resize(portrait.mask, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        person = foreground_colors(picture, mask).clip(0, 255).round().astype(np.uint8)
        if side > stored:
            person = _sharpened(person)
        self._photo: Image = np.dstack([person, np.round(mask * 255).astype(np.uint8)])
        wall = cv2.resize(empty_background(picture, mask), (size, size), interpolation=cv2.INTER_AREA)
        self.background: Image = np.ascontiguousarray(wall.clip(0, 255).round().astype(np.uint8))

        in_texture = _rescaled(portrait.landmarks, side / stored)
        in_output = _rescaled(portrait.landmarks, size / stored)
        self.unit = face_mesh.interocular(in_output)
        mesh = face_mesh.build_head_mesh(in_output, size, portrait.triangles)
        self.mesh = mesh
        self.texture_points = np.ascontiguousarray(_rescaled(mesh.vertices, side / size)[:, :2])
        oval = mesh.vertices[list(face_mesh.FACE_OVAL)]
        center = oval.mean(0)
        self.pivot = np.array([center[0], center[1] + 0.25 * self.unit, 0.5 * self.unit], np.float32)
        self.head = fit_head(in_output[None], self._model.mean)
        self._to_picture = self.head.scale[0] * self.head.rotation[0].T
        face = self.head.remove(in_output[None])[0]
        self.resting_offsets = -self._model.offsets(resting_mouth(face, self._model)[None])[0]
        self.resting_face = face + self.resting_offsets
        self._neutral = mesh.vertices.copy()
        self._neutral[:LANDMARKS] += self.resting_offsets @ self._to_picture

        texture_unit = face_mesh.interocular(in_texture)
        self._eyes = [Eyeball(picture, in_texture, eye, texture_unit) for eye in EYES]
        self._lids = [Eyelid(picture, in_texture, eye, texture_unit) for eye in EYES]
        resting = _rescaled(self._neutral[:LANDMARKS], side / size)
        self._mouth = MouthInterior(picture, in_texture, resting, texture_unit)
        own_teeth = self._mouth.has_own_teeth
        self.person = closed_lips(self._photo, in_texture, texture_unit) if own_teeth else self._photo
        self.retouch = Retouch(load(), self.person, self.texture_points, self.resting_face, -self.resting_offsets)
        self._openness = [self._lid_gap(mesh.vertices, eye) for eye in EYES]
        self._maps, self._eye_maps = np.zeros((2, 2, size, size), np.float32)
        self._gain = np.empty((size, size, 3), np.float32)
        self._around_eyes = _neighbourhood(mesh.triangles, [[*eye.upper_lid, *eye.upper_fold] for eye in EYES], rings=2)

    def render(self, expression: Float, pose: Float, gaze: Float, blink: float, behind: Image | None = None) -> Image:
        """Renders one frame.

        Args:
            expression: (64,) coefficients of the face model.
            pose: (6,) pitch, yaw, roll [rad] and shift [inter-ocular distances], relative to the portrait's own.
            gaze: (2,) yaw and pitch of the eyes [rad].
            blink: 0 open .. 1 closed.
            behind: (H, W, 3) uint8 RGB what stands behind the person; the portrait's own background if None.

        Returns:
            (H*3//2, W) uint8, yuv420p.
        """
        return cv2.cvtColor(self.render_rgb(expression, pose, gaze, blink, behind), cv2.COLOR_RGB2YUV_I420)

    def render_with_alpha(self, expression: Float, pose: Float, gaze: Float, blink: float) -> Image:
        """As `render`, but the person alone, and below it the mask as a grey picture: (H*3, W) uint8, yuv420p.

        Video codecs for live use carry no alpha, so the picture is twice as high: whoever shows it lays row ``y`` over
        anything with the brightness of row ``H + y`` as opacity.
        """
        person = self._person_layer(self.offsets(expression), pose, gaze, blink, layers=True)
        stacked = np.vstack([person[..., :3], np.repeat(person[..., 3:], 3, axis=2)])
        return cv2.cvtColor(stacked, cv2.COLOR_RGB2YUV_I420)

    def render_rgb(
        self, expression: Float, pose: Float, gaze: Float, blink: float, behind: Image | None = None
    ) -> Image:
        """As `render`, but (H, W, 3) uint8 RGB."""
        return self.render_offsets(self.offsets(expression), pose, gaze, blink, behind=behind)

    def render_offsets(
        self, offsets: Float, pose: Float, gaze: Float, blink: float, layers: bool = True, behind: Image | None = None
    ) -> Image:
        """Renders displacements (478, 3) of the landmarks in canonical units instead of coefficients.

        Without ``layers`` the photo is warped and nothing is drawn behind lips and lids, for comparison.
        """
        layer = self._person_layer(offsets, pose, gaze, blink, layers)
        out = np.empty((self.size, self.size, 3), np.uint8)
        composite(layer, self.background if behind is None else behind, out)
        return out

    def offsets(self, expression: Float) -> Float:
        """Displacements (478, 3) of the landmarks that coefficients (64,) mean, canonical units."""
        return np.asarray(self._model.offsets(np.asarray(expression, np.float32)[None])[0], np.float32)

    def _person_layer(self, offsets: Float, pose: Float, gaze: Float, blink: float, layers: bool) -> Image:
        """The person without background, (H, W, 4) RGBA."""
        scene = self.scene(offsets, pose, gaze, blink)
        map_x, map_y = self._maps
        fill_triangles(scene.vertices, self.texture_points, self.mesh.triangles, map_x, map_y)
        if not layers:
            return cv2.remap(self._photo, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        window = self.retouch.window(scene.vertices, self.size)
        height, width = map_x[window].shape
        gain = self._gain.reshape(-1)[: 3 * height * width].reshape(height, width, 3)
        displace(map_x[window], map_y[window], self.retouch.to_grid, scene.retouching, gain)
        layer: Image = cv2.remap(self.person, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        shade(layer[window], gain)
        for patch in scene.patches:
            patch.lay_over(layer)
        return layer

    def scene(self, offsets: Float, pose: Float, gaze: Float, blink: float) -> Scene:
        """Bends the mesh by displacements (478, 3) of the landmarks, and paints eyes and mouth."""
        pose, gaze, blink = np.asarray(pose, np.float32), np.asarray(gaze, np.float32), float(blink)
        still = self.mesh.vertices
        shape = self._neutral.copy()
        shape[:LANDMARKS] += offsets @ self._to_picture
        self._close_lids(shape, blink)
        _seal_lips(shape, self.unit)
        shape[LANDMARKS:] += self.mesh.spread @ (shape - still)[list(face_mesh.FACE_OVAL)]
        vertices = np.ascontiguousarray(self._posed(shape, pose)[:, :2])
        rigid = self._posed(still, pose)[:LANDMARKS, :2]
        closing = [max(0.0, 1 - self._lid_gap(vertices, eye) / self._openness[side]) for side, eye in enumerate(EYES)]
        patches = [self._eye(vertices, rigid, side, gaze, closing[side]) for side in range(len(EYES))]
        if max(closing) > LID_APPEARS:
            fill_triangles(vertices, self.texture_points, self._around_eyes, *self._eye_maps)
            patches += [self._lid(vertices, side, closing[side]) for side in range(len(EYES))]
        patches.append(self._mouth_inside(vertices, rigid, shape))
        retouching = self.retouch.fields(offsets, pose[:3])
        return Scene(vertices, [patch for patch in patches if patch is not None], retouching)

    def _posed(self, shape: Float, pose: Float) -> Float:
        """Turns and shifts the head; anchors follow as far as they belong to it."""
        moved = (shape - self.pivot) @ rotation_matrix(*pose[:3]).T * (1 + pose[5] / 10)
        moved += self.pivot + np.array([pose[3], pose[4], 0], np.float32) * self.unit
        return np.asarray(shape + (moved - shape) * self.mesh.head_weight[:, None], np.float32)

    def _eye(self, vertices: Float, rigid: Float, side: int, gaze: Float, closing: float) -> Patch | None:
        eye = EYES[side]
        upper, lower = vertices[list(eye.upper_lid)], vertices[list(eye.lower_lid)]
        opening = open_between(upper, lower, self.size, softness=max(0.5, 0.0045 * self.unit))
        if opening is None:
            return None
        rim = [*eye.upper_lid, *eye.lower_lid]
        to_source = affine_between(rigid[rim], self.texture_points[rim])
        return self._eyes[side].paint(opening, to_source, gaze, closing)

    def _lid(self, vertices: Float, side: int, closing: float) -> Patch | None:
        eye = EYES[side]
        upper = vertices[list(eye.upper_lid)]
        fold = np.vstack([upper[:1], vertices[list(eye.upper_fold)], upper[-1:]])
        return self._lids[side].paint(fold, upper, self._eye_maps, closing)

    def _mouth_inside(self, vertices: Float, rigid: Float, shape: Float) -> Patch | None:
        upper, lower = vertices[list(UPPER_INNER_LIP)], vertices[list(LOWER_INNER_LIP)]
        opening = open_between(upper, lower, self.size, softness=max(0.5, 0.005 * self.unit))
        if opening is None or (lower - upper)[:, 1].max() < 0.05:
            return None
        rim = [*UPPER_INNER_LIP, *LOWER_INNER_LIP, 1, 94, 57, 287]
        to_source = affine_between(rigid[rim], self.texture_points[rim])
        jaw = (shape - self._neutral)[list(JAW), :2].mean(0) / self.unit
        return self._mouth.paint(opening, to_source, jaw, vertices)

    def _lid_gap(self, vertices: Float, eye: face_mesh.Eye) -> float:
        return float((vertices[list(eye.lower_lid[2:7]), 1] - vertices[list(eye.upper_lid[2:7]), 1]).mean())

    def _close_lids(self, shape: Float, blink: float) -> None:
        """Brings the lids together, and the skin around them along."""
        for eye in EYES:
            upper, lower = shape[list(eye.upper_lid)], shape[list(eye.lower_lid)]
            meet = lower + _LIDS_MEET * (upper - lower)
            shape[list(eye.upper_fold)] += blink * _FOLD_FOLLOWS * (meet - upper)[1:-1]
            shape[list(eye.upper_lid)] = upper + blink * (meet - upper)
            shape[list(eye.lower_lid)] = lower + blink * (meet - lower)
            crossed = shape[list(eye.upper_lid), 1] > shape[list(eye.lower_lid), 1]
            for k in np.flatnonzero(crossed):
                shape[[eye.upper_lid[k], eye.lower_lid[k]]] = shape[[eye.upper_lid[k], eye.lower_lid[k]]].mean(0)


def _neighbourhood(triangles: Index, vertices: list[list[int]], rings: int) -> Index:
    """The triangles at ``vertices``, and at their neighbours, ``rings`` deep."""
    near = np.zeros(len(triangles), np.bool_)
    reached = np.unique(vertices)
    for _ in range(rings):
        near |= np.isin(triangles, reached).any(axis=1)
        reached = np.unique(triangles[near])
    return np.ascontiguousarray(triangles[near])


def _sharpened(picture: Image) -> Image:
    blurred = cv2.GaussianBlur(picture, (0, 0), 1.0)
    return np.asarray(cv2.addWeighted(picture, 1 + _SHARPENED, blurred, -_SHARPENED, 0), np.uint8)


def _rescaled(points: Float, factor: float) -> Float:
    """Pixel positions of a picture after it was resized by ``factor``; pixel centres are whole numbers."""
    moved = points * factor
    moved[:, :2] += 0.5 * factor - 0.5
    return np.asarray(moved, np.float32)


def _seal_lips(shape: Float, unit: float) -> None:
    """Lips that would pass through each other touch, and a gap too small to be meant is drawn together."""
    upper, lower = shape[list(UPPER_INNER_LIP)], shape[list(LOWER_INNER_LIP)]
    gap = lower[:, 1] - upper[:, 1]
    share = np.clip(gap / (_SEALED * unit), 0, 1)[:, None]
    middle = (upper + lower) / 2
    shape[list(UPPER_INNER_LIP)] = middle + (upper - middle) * share
    shape[list(LOWER_INNER_LIP)] = middle + (lower - middle) * share
