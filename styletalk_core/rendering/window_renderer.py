"""The paper's renderer as an alternative to the mesh renderer: portrait and 27 motion frames to one frame.

Its weights are not part of this package; the user supplies the published checkpoint. It renders 256 x 256 px, which are
upscaled; head, hair and background are synthesized with the face. Gaze and blinks are not supported.

The published network looks 13 frames (433 ms) ahead. Live rendering does not wait for them but repeats the newest
motion, so no delay is added, and the lips are smoothed by past frames only.
Runs on: worker thread, any torch device; over a second per frame on a CPU.
"""

from collections import deque
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch

from styletalk_core.errors import CheckpointError, InputError
from styletalk_core.face.basel import BaselMap, head_features
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.head_pose import NEARER_PER_SCALE, euler_angles, fit_head
from styletalk_core.models.checkpoint import load_official_renderer
from styletalk_core.models.pirenderer import RADIUS, PIRenderer, motion_windows
from styletalk_core.rendering.arrays import Float, Image
from styletalk_core.rendering.portrait.portrait import Portrait

MESH, PIRENDERER = "mesh", "pirenderer"
RENDERERS: Final = (MESH, PIRENDERER)
SIDE: Final = 256
"""Frame size on which the published network was trained, px."""


def network_for(renderer: str, weights: Path | None) -> PIRenderer | None:
    """Loads the network of one of `RENDERERS` from its published checkpoint; None for the mesh renderer.

    Raises:
        InputError: there is no such renderer, no checkpoint, or it does not fit.
    """
    if renderer not in RENDERERS:
        raise InputError(f"the renderer must be {' or '.join(RENDERERS)}, not {renderer!r}")
    if renderer == MESH:
        return None
    if weights is None:
        raise InputError("the pirenderer needs --renderer-weights FILE, the checkpoint published by its authors")
    try:
        return load_official_renderer(weights)
    except CheckpointError as error:
        raise InputError(str(error)) from error


class MotionWindow:
    """Sliding window over the motion of one session."""

    def __init__(self) -> None:
        self._seen: deque[Float] = deque(maxlen=RADIUS + 1)

    def push(self, motion: Float) -> Float:
        """Adds motion (73,) and returns the window (73, 27) around it; unknown frames repeat their neighbour."""
        self._seen.append(motion)
        windows = motion_windows(torch.from_numpy(np.stack(self._seen)), known_future=0)
        return np.asarray(windows[-1].numpy(), np.float32)


class WindowRenderer:
    """Renders one portrait with the paper's network.

    Attributes:
        background: (size, size, 3) uint8 RGB, the photo itself, since the network also synthesizes the background.
    """

    def __init__(self, portrait: Portrait, network: PIRenderer, size: int) -> None:
        """Prepares a portrait for frames of ``size`` px, on the device of ``network``."""
        self._network, self._size = network, size
        photo = cv2.resize(portrait.image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        self.background: Image = cv2.resize(photo, (size, size), interpolation=cv2.INTER_CUBIC)
        self._device = next(network.parameters()).device
        with torch.inference_mode():
            image = torch.from_numpy(photo).to(self._device).permute(2, 0, 1).float() / 127.5 - 1
            self._state = network.prepare(image)
        self._map = BaselMap.load()
        side = portrait.image.shape[0]
        head = fit_head(portrait.landmarks[None], FaceModel.load().mean)
        self._angles, self._center = euler_angles(head.rotation)[0], head.shift[0, :2] / side
        self._unit = float(head.scale[0]) / side

    def motion(self, expression: Float, pose: Float) -> Float:
        """Converts the mesh renderer's expression (64,) and pose (6,) to the network's motion (73,)."""
        head = head_features(
            (self._angles + pose[:3])[None],
            (self._center + pose[3:5] * self._unit)[None],
            np.array([self._unit * (1 + pose[5] / NEARER_PER_SCALE)]),
        )
        return np.asarray(self._map.motion(expression[None], head)[0], np.float32)

    @torch.inference_mode()
    def render(self, window: Float) -> Image:
        """Renders motion (73, 27): (H*3//2, W) uint8, yuv420p."""
        drawn = self._network.render(self._state, torch.from_numpy(window[None]).to(self._device))[0]
        rgb = ((drawn + 1) * 127.5).clamp(0, 255).round().byte().permute(1, 2, 0).cpu().numpy()
        shown = cv2.resize(rgb, (self._size, self._size), interpolation=cv2.INTER_CUBIC)
        return cv2.cvtColor(shown, cv2.COLOR_RGB2YUV_I420)
