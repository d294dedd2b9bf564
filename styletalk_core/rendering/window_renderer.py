"""The paper's renderer as an alternative to the mesh renderer: portrait and 27 motion frames to one frame.

Its weights are not part of this package; the user supplies the published checkpoint. It renders 256 x 256 px, which are
upscaled; head, hair and background are synthesized with the face. Gaze and blinks are not supported.

The portrait is cropped as the authors crop theirs. A motion frame is the Basel expression, the angles and translation
of the head and the crop parameters. Expression and window are those of the official code; angles and translation, which
the authors read from a video with a network, come from the portrait's landmarks and the session's head motion.

Runs on: worker thread, any torch device; over a second per frame on a CPU.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor

from styletalk_core.errors import CheckpointError, InputError
from styletalk_core.face.basel import head_features, packaged_map
from styletalk_core.face.basel_alignment import FIVE, SIDE, aligned_square, crop_parameters, five_points
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.head_pose import NEARER_PER_SCALE, euler_angles, fit_head, rotation_matrix
from styletalk_core.models.checkpoint import load_official_renderer
from styletalk_core.models.pirenderer import PIRenderer, PortraitState
from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.portrait.portrait import Portrait

MESH, PIRENDERER = "mesh", "pirenderer"
RENDERERS: Final = (MESH, PIRENDERER)


def network_for(renderer: str, weights: Path | None) -> PIRenderer | None:
    """Loads the network of one of `RENDERERS` from its published checkpoint; None for the mesh renderer.

    Raises:
        InputError: there is no such renderer, no checkpoint, it does not fit, or there is no map to its coefficients.
    """
    if renderer not in RENDERERS:
        raise InputError(f"the renderer must be {' or '.join(RENDERERS)}, not {renderer!r}")
    if renderer == MESH:
        return None
    if weights is None:
        raise InputError("the pirenderer needs --renderer-weights FILE, the checkpoint published by its authors")
    packaged_map()
    try:
        return load_official_renderer(weights)
    except CheckpointError as error:
        raise InputError(str(error)) from error


class WindowRenderer:
    """One portrait, prepared for the paper's network.

    Attributes:
        background: (size, size, 3) uint8 RGB, the photo itself, since the network also synthesizes the background.
        photo: (256, 256, 3) uint8 RGB, the portrait aligned as the authors align theirs.
        network: the network, shared by all portraits.
        state: the portrait as prepared by the network.
        size: of the frames, px.
    """

    def __init__(self, portrait: Portrait, network: PIRenderer, size: int) -> None:
        """Prepares a portrait for frames of ``size`` px, on the device of ``network``."""
        self.network, self.size = network, size
        self._map = packaged_map()
        self.photo, landmarks = aligned(portrait)
        self.background: Image = cv2.resize(self.photo, (size, size), interpolation=cv2.INTER_CUBIC)
        self.state: PortraitState = prepared(network, self.photo)
        head = fit_head(landmarks[None], FaceModel.load().mean)
        self._angles, self._shift = euler_angles(head.rotation)[0], head.shift[0]
        self._unit = float(head.scale[0])
        self._five = head.remove(landmarks[None])[0, list(FIVE)]
        """The five points without the head's pose, inter-ocular distances."""

    def motion(self, expression: Float, pose: Float) -> Float:
        """Return the network's motion (73,) for a Basel expression (64,) and a head pose (6,)."""
        angles = self._angles + pose[:3]
        unit = self._unit * (1 + float(pose[5]) / NEARER_PER_SCALE)
        shift = self._shift[:2] + pose[3:5] * self._unit
        features = head_features(angles[None], shift[None] / SIDE, np.array([unit / SIDE]))
        points = (self._five @ rotation_matrix(*angles).T)[:, :2] * unit + shift
        crop = crop_parameters(five_points(points[None], SIDE), self._map.five_points)[0]
        return np.concatenate([expression, self._map.place(features)[0], crop], dtype=np.float32)


def aligned(portrait: Portrait) -> tuple[Image, Float]:
    """Crops a portrait as the authors crop theirs: image (256, 256, 3) and landmarks (478, 3) px of it."""
    fitted, image = packaged_map(), portrait.image
    height, width = image.shape[:2]
    left, top, side = aligned_square(portrait.landmarks, height, fitted.five_points, fitted.aligned)
    margins = (max(-top, 0), max(top + side - height, 0), max(-left, 0), max(left + side - width, 0))
    whole = cv2.copyMakeBorder(image, *margins, cv2.BORDER_REFLECT_101)
    cut = whole[max(top, 0) : max(top, 0) + side, max(left, 0) : max(left, 0) + side]
    method = cv2.INTER_AREA if side > SIDE else cv2.INTER_CUBIC
    photo = np.asarray(cv2.resize(cut, (SIDE, SIDE), interpolation=method), np.uint8)
    landmarks = (portrait.landmarks - np.array([left, top, 0], np.float32)) * np.float32(SIDE / side)
    return photo, landmarks


@torch.inference_mode()
def prepared(network: PIRenderer, photo: Image) -> PortraitState:
    """Return the state of an aligned portrait (256, 256, 3), on the device of the network."""
    pixels = torch.from_numpy(photo).to(next(network.parameters()).device)
    return network.prepare(pixels.permute(2, 0, 1).float() / 127.5 - 1)


@torch.inference_mode()
def render_windows(renderers: Sequence[WindowRenderer], windows: Sequence[Float]) -> list[Image]:
    """Renders motion windows (73, 27) of one network's portraits in one batch: (H*3//2, W) uint8 yuv420p each."""
    network = renderers[0].network
    state = PortraitState.join([renderer.state for renderer in renderers])
    drawn = network.render(state, torch.from_numpy(np.stack(windows)).to(state.image.device))
    return [_yuv(rgb, renderer.size) for rgb, renderer in zip(pixels(drawn), renderers, strict=True)]


def pixels(drawn: Tensor) -> Image:
    """Return images (B, H, W, 3) uint8 of the network's output (B, 3, H, W), -1..1, truncated as officially."""
    scaled = (drawn.clamp(-1, 1) + 1) / 2 * 255
    return np.asarray(scaled.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy())


def _yuv(rgb: Image, size: int) -> Image:
    shown = cv2.resize(rgb, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.cvtColor(shown, cv2.COLOR_RGB2YUV_I420), np.uint8)
