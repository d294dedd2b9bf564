"""Model engine: recognizer, style-controllable decoder and renderer for numbered slots, one per session.

Keeps the per-session state between frames: recognizer state, mixed style and its cross-fade, avatar.

Runs on: worker thread only, the only thread that runs models. Ticks are 1/48000 s from a slot's first sample.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from styletalk_core.errors import InputError
from styletalk_core.face.basel import converted
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.spaces import BFM64, MESH64
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.backgrounds import KEEP, BackgroundLibrary
from styletalk_core.library.style_codes import StyleCodes, fade
from styletalk_core.library.style_map import StylePosition
from styletalk_core.library.style_motion import StyleMotion, StyleMotions
from styletalk_core.library.styles import NEUTRAL, StyleLibrary
from styletalk_core.models import weight_file
from styletalk_core.models.steadying import steady
from styletalk_core.models.style_decoder import make_decoder
from styletalk_core.phones import FPS, PHONES, SIL_INDEX, WINDOW
from styletalk_core.recognizer.stream import Recognition, Recognizer, RecognizerStream
from styletalk_core.rendering.arrays import Image
from styletalk_core.rendering.mesh_renderer import MeshRenderer
from styletalk_core.rendering.motion import Motion, draw
from styletalk_core.rendering.portrait.portrait import Portrait
from styletalk_core.weights import MOTION, packaged_weights

if TYPE_CHECKING:  # these import PyTorch, needed only on a GPU or for the paper's renderer
    from styletalk_core.models.pirenderer import PIRenderer
    from styletalk_core.rendering.batch_renderer import BatchRenderer
    from styletalk_core.rendering.motion_window import MotionWindow
    from styletalk_core.rendering.window_renderer import WindowRenderer

RENDERERS_KEPT = 12
"""Unused renderers kept in memory; one takes half a second to build and up to 8 MB."""
AVATARS_READY = 8
"""Avatars whose renderers are built during warm-up."""


@dataclass(slots=True)
class _Slot:
    """State of one session."""

    recognizer: RecognizerStream
    avatar: str
    state: Any
    """Decoder state for the current style."""
    code: NDArray[np.float32]
    """(1, C) code of the current style; the cross-fade runs from `start` to `target`."""
    start: NDArray[np.float32]
    target: NDArray[np.float32]
    background: str
    size: int
    behind: Image | None
    """Background image; None for transparency."""
    fade_frames: int = 0
    faded: int = 0
    decoded: NDArray[np.float32] | None = None
    """(64,) the last decoded frame, before steadying."""
    window: "MotionWindow | None" = None
    """Motion history for the paper's renderer."""


class ModelEngine:
    """Implements `streaming.engine.Engine` with the real networks."""

    def __init__(
        self,
        avatars: AvatarLibrary,
        styles: StyleLibrary,
        backgrounds: BackgroundLibrary | None = None,
        *,
        device: str = "cpu",
        size: int = 512,
        threads: int = 1,
        motion: weight_file.Weights | None = None,
        pirenderer: "PIRenderer | None" = None,
        renderer_frames: int = 0,
    ) -> None:
        """Loads the networks.

        Args:
            avatars: avatar library.
            styles: style library.
            backgrounds: background library; only the built-in ones if None.
            device: "cpu", "cuda" or "cuda:N".
            size: default frame size, px.
            threads: of PyTorch and OpenCV.
            motion: weights of the motion network; the packaged ones if None.
            pirenderer: replaces the mesh renderer.
            renderer_frames: frames that the pirenderer is given ahead of the one it draws.
        """
        self.size = size
        self._avatars = avatars
        self._styles = styles
        self._backgrounds = backgrounds or BackgroundLibrary(None)
        self._device = device
        self._on_gpu = device.startswith("cuda")
        self._threads = threads
        self._slots: dict[int, _Slot] = {}
        self._renderers: dict[tuple[str, int], MeshRenderer | WindowRenderer] = {}
        self._pirenderer = None if pirenderer is None else pirenderer.to(device)
        self._batches: dict[int, BatchRenderer] = {}
        self._stamps: dict[tuple[str, int], int] = {}
        self._recognizer = Recognizer.load()
        self._renderer_frames = renderer_frames
        weights = motion or weight_file.read(packaged_weights(MOTION))
        self.space = weights.dimensions.space
        """Face model whose coefficients `decode` returns and `render` takes."""
        self._decoder = make_decoder(weights, device)
        self._codes = StyleCodes(styles, self._decoder.encode_style, self.space)
        self._motions = StyleMotions(styles, FaceModel.load(), self.space)

    @property
    def recognizer_delay_ticks(self) -> int:
        """Ticks from the arrival of a sample until its phone column is available."""
        return self._recognizer.delay_ticks

    @property
    def avatars(self) -> list[str]:
        """Names of the avatars."""
        return self._avatars.names()

    @property
    def styles(self) -> list[str]:
        """Names of the styles."""
        return self._styles.names()

    def worked(self) -> float:
        """Return seconds of work so far: CPU time of the calling thread, or elapsed time on a GPU."""
        return time.perf_counter() if self._on_gpu else time.thread_time()

    def warmup(self) -> None:
        """Runs every model once on silence, so that the first frame runs at full speed."""
        if self._pirenderer is not None or self._on_gpu:
            import torch

            torch.set_num_threads(self._threads)
        cv2.setNumThreads(self._threads)
        slot = -1
        self.open(slot, self._avatars.names()[0], NEUTRAL, 1.0)
        self.recognize([slot], [np.zeros(16_000, np.float32)])
        silence = np.zeros((1, WINDOW, len(PHONES)), np.float32)
        silence[..., SIL_INDEX] = 1.0
        expression = self.decode([slot], silence)
        pose, gaze, blink = (np.zeros(shape, np.float32) for shape in ((1, 6), (1, 2), (1,)))
        self.render([slot], expression, pose, gaze, blink)
        self.close(slot)
        self.style_map()  # caches the code of every style
        self._motions.prepare()
        for avatar in self._avatars.names()[:AVATARS_READY]:
            self.prepare(avatar)  # makes switching avatars as fast as switching styles

    def prepare(self, avatar: str, size: int | None = None) -> None:
        """Builds the renderer of an avatar for a size in advance, off the worker thread. Runs on any thread.

        Raises:
            InputError: there is no such avatar.
        """
        self._renderer(avatar, size or self.size)

    def style_motion(self, style: str | Mapping[str, float], intensity: float) -> StyleMotion:
        """Return how head and upper face move in a style or a blend; arguments as for `set_style`.

        Raises:
            InputError: there is no such style.
        """
        return self._motions.blend(style, intensity)

    def style_map(self) -> list[StylePosition]:
        """Return the 2-D position of every style, computed from the style codes. Runs on any thread."""
        return self._codes.places()

    def open(
        self,
        slot: int,
        avatar: str,
        style: str | Mapping[str, float],
        intensity: float,
        background: str = KEEP,
        size: int | None = None,
    ) -> None:
        """Prepares ``slot`` with fresh recognizer state and frames of ``size``; ``style`` as for `set_style`.

        Raises:
            InputError: there is no such avatar, style or background.
        """
        size = size or self.size
        behind = self._behind(background, avatar, size)
        code = self._codes.blend(style, intensity)
        state = self._decoder.mix_style(code)
        stream = RecognizerStream(self._recognizer)
        self._slots[slot] = _Slot(stream, avatar, state, code, code, code, background, size, behind)

    def close(self, slot: int) -> None:
        """Releases ``slot`` and renderers no longer in use."""
        self._slots.pop(slot, None)
        self._release_renderers()

    def set_style(self, slot: int, style: str | Mapping[str, float], intensity: float, fade_s: float) -> None:
        """Cross-fades from the current style to ``style`` over ``fade_s`` seconds of decoded frames.

        Args:
            slot: slot of the session.
            style: a style name, or name to weight of several styles whose codes are blended; weights sum to 1.
            intensity: 0 is neutral, 1 the style as recorded.
            fade_s: duration of the cross-fade in seconds.

        Raises:
            InputError: there is no such style.
        """
        session = self._slots[slot]
        session.start, session.target = session.code, self._codes.blend(style, intensity)
        session.fade_frames, session.faded = max(1, round(fade_s * FPS)), 0

    def set_avatar(self, slot: int, avatar: str) -> None:
        """Switches to another avatar from the next rendered frame on.

        Raises:
            InputError: there is no such avatar.
        """
        session = self._slots[slot]
        session.behind = self._behind(session.background, avatar, session.size)
        session.avatar, session.window = avatar, None
        self._release_renderers()

    def set_size(self, slot: int, size: int) -> None:
        """Changes the frame size from the next rendered frame on."""
        session = self._slots[slot]
        session.behind = self._behind(session.background, session.avatar, size)
        session.size, session.window = size, None
        self._release_renderers()

    def set_background(self, slot: int, background: str) -> None:
        """Switches to another background from the next rendered frame on; see `BackgroundLibrary`.

        Raises:
            InputError: there is no such background.
        """
        session = self._slots[slot]
        session.behind = self._behind(background, session.avatar, session.size)
        session.background = background

    def recognize(self, slots: Sequence[int], audio: Sequence[NDArray[np.float32]]) -> list[Recognition]:
        """Feeds ``audio[i]``, (n,) float32 16 kHz, to slot ``slots[i]``; returns the new phone columns."""
        return self._recognizer.push([self._slots[slot].recognizer for slot in slots], audio)

    def decode(self, slots: Sequence[int], posteriors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Decodes one phone window (11, 41) per slot, (N, 11, 41), into the next expression of each, (N, 64)."""
        sessions = [self._slots[slot] for slot in slots]
        state = self._decoder.join([self._advance(session) for session in sessions])
        decoded = self._decoder.decode(posteriors, state)
        if self.space != MESH64:
            return decoded
        before = [now if s.decoded is None else s.decoded for s, now in zip(sessions, decoded, strict=True)]
        for session, now in zip(sessions, decoded, strict=True):
            session.decoded = now.copy()
        return steady(np.stack(before), decoded)

    def render(
        self,
        slots: Sequence[int],
        expression: NDArray[np.float32],
        pose: NDArray[np.float32],
        gaze: NDArray[np.float32],
        blink: NDArray[np.float32],
        ticks: Sequence[int] = (),
    ) -> list[NDArray[np.uint8]]:
        """Renders motion (N, 64), (N, 6), (N, 2), (N,) into frames (H*3//2, W) uint8 yuv420p.

        ``ticks`` are the starts of the frames; without them each follows the one before at 30 fps. With a transparent
        background a frame is twice as high, (H*3, W); the lower half is an alpha mask.
        """
        if self._pirenderer is not None:
            return self._synthesize(slots, converted(expression, self.space, BFM64), pose, ticks)
        expression = converted(expression, self.space, MESH64)
        images: dict[int, NDArray[np.uint8]] = {}
        motions: dict[int, dict[int, Motion]] = {}
        for i, slot in enumerate(slots):
            session = self._slots[slot]
            renderer = self._renderers[session.avatar, session.size]
            assert isinstance(renderer, MeshRenderer)
            motion = Motion(renderer, expression[i], pose[i], gaze[i], float(blink[i]), session.behind)
            motions.setdefault(session.size, {})[i] = motion
        for size, alike in motions.items():
            images.update(zip(alike, self._draw(size, list(alike.values())), strict=True))
        return [images[i] for i in range(len(slots))]

    def _synthesize(
        self, slots: Sequence[int], basel: NDArray[np.float32], pose: NDArray[np.float32], ticks: Sequence[int]
    ) -> list[NDArray[np.uint8]]:
        """Renders Basel expressions (N, 64) and poses (N, 6) with the paper's renderer, all in one batch."""
        from styletalk_core.rendering.motion_window import MotionWindow
        from styletalk_core.rendering.window_renderer import WindowRenderer, render_windows

        renderers, windows = [], []
        for i, slot in enumerate(slots):
            session = self._slots[slot]
            renderer = self._renderers[session.avatar, session.size]
            assert isinstance(renderer, WindowRenderer)
            session.window = session.window or MotionWindow(self._renderer_frames)
            renderers.append(renderer)
            windows.append(session.window.push(renderer.motion(basel[i], pose[i]), ticks[i] if ticks else None))
        return render_windows(renderers, windows)

    def _draw(self, size: int, motions: list[Motion]) -> list[NDArray[np.uint8]]:
        """Renders frames of one size."""
        if not self._on_gpu:
            return [draw(motion) for motion in motions]
        if size not in self._batches:
            import torch

            from styletalk_core.rendering.batch_renderer import BatchRenderer

            self._batches[size] = BatchRenderer(size, torch.device(self._device))
        return self._batches[size].render(motions)

    def _advance(self, session: _Slot) -> Any:
        """Advances a session's cross-fade by one frame; the experts are re-mixed only during a cross-fade."""
        if session.faded < session.fade_frames:
            session.faded += 1
            session.code = fade(session.start, session.target, session.faded / session.fade_frames)
            session.state = self._decoder.mix_style(session.code)
        return session.state

    def _behind(self, background: str, avatar: str, size: int) -> Image | None:
        if self._pirenderer is not None and background != KEEP:
            raise InputError(f"the pirenderer paints the photo's own background: use {KEEP}, not {background!r}")
        return self._backgrounds.behind(background, self._renderer(avatar, size).background)

    def _renderer(self, avatar: str, size: int) -> "MeshRenderer | WindowRenderer":
        stamp, key = self._avatars.stamp(avatar), (avatar, size)
        if key not in self._renderers or self._stamps[key] != stamp:
            self._renderers[key] = self._built(self._avatars.get(avatar), size)
            self._stamps[key] = stamp
        return self._renderers[key]

    def _built(self, portrait: Portrait, size: int) -> "MeshRenderer | WindowRenderer":
        if self._pirenderer is None:
            return MeshRenderer(portrait, size)
        from styletalk_core.rendering.window_renderer import WindowRenderer

        return WindowRenderer(portrait, self._pirenderer, size)

    def _release_renderers(self) -> None:
        """Evicts unused renderers, oldest first, down to `RENDERERS_KEPT`."""
        used = {session.avatar for session in self._slots.values()}
        for key in [(avatar, size) for avatar, size in self._renderers if avatar not in used]:
            if len(self._renderers) <= RENDERERS_KEPT:
                return
            self._renderers.pop(key, None)
