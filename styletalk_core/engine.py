"""The models at work: recogniser, style-controllable decoder and renderer for numbered slots, one per session.

Owns what a session keeps between frames: the recogniser's state, the mixed style and its cross-fade, the portrait.

Runs on: worker thread only (the one place that runs models). Ticks are 1/48000 s from a slot's first sample.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from styletalk_core import checkpoint
from styletalk_core.compiled_decoder import decoder_for
from styletalk_core.errors import InputError
from styletalk_core.phones import FPS, PHONES, SIL_INDEX, WINDOW
from styletalk_core.pirenderer import PIRenderer
from styletalk_core.recognizer.stream import Recognition, Recognizer, RecognizerStream
from styletalk_core.renderer.arrays import Image
from styletalk_core.renderer.background import KEEP, BackgroundLibrary
from styletalk_core.renderer.batch_renderer import BatchRenderer, Motion, draw
from styletalk_core.renderer.mesh_renderer import MeshRenderer
from styletalk_core.renderer.portrait import AvatarLibrary
from styletalk_core.renderer.window_renderer import MotionWindow, WindowRenderer
from styletalk_core.style_map import Place, places
from styletalk_core.styles import EMOTIONS, StyleLibrary
from styletalk_core.styletalk import fade, intensify
from styletalk_core.weights import MOTION_WEIGHTS

NEUTRAL = EMOTIONS[0]
"""The preset from which intensity is measured."""
RENDERERS_KEPT = 8
"""Renderers that stay ready when nobody uses them; one takes half a second to build and about 8 MB."""
CODES_KEPT = 256
"""Style codes that stay ready; one takes some ten milliseconds to compute and 1 kB."""


@dataclass(slots=True)
class _Slot:
    """One session."""

    recognizer: RecognizerStream
    avatar: str
    state: Any
    """The decoder's state of the style shown now."""
    start: Tensor
    target: Tensor
    background: str
    behind: Image | None
    """Picture behind the person; None for transparency."""
    fade_frames: int = 0
    faded: int = 0
    window: MotionWindow = field(default_factory=MotionWindow)
    """What the paper's renderer needs to know of the past."""


class ModelEngine:
    """Implements the engine protocol of the streaming side with the real networks."""

    def __init__(
        self,
        avatars: AvatarLibrary,
        styles: StyleLibrary,
        backgrounds: BackgroundLibrary | None = None,
        *,
        device: str = "cpu",
        size: int = 512,
        threads: int = 1,
        pirenderer: PIRenderer | None = None,
    ) -> None:
        """Loads the networks.

        Without ``backgrounds`` there are those that need no file of the user's; ``pirenderer`` draws instead of the
        mesh renderer.
        """
        self.size = size
        self._avatars = avatars
        self._styles = styles
        self._backgrounds = backgrounds or BackgroundLibrary(None)
        self._device = torch.device(device)
        self._threads = threads
        self._slots: dict[int, _Slot] = {}
        self._renderers: dict[str, MeshRenderer | WindowRenderer] = {}
        self._pirenderer = None if pirenderer is None else pirenderer.to(self._device)
        self._batch = BatchRenderer(size, self._device) if self._device.type == "cuda" else None
        self._stamps: dict[str, int] = {}
        self._recognizer = Recognizer.load()
        self._model = checkpoint.load(MOTION_WEIGHTS, self._device).model
        self._decoder = decoder_for(self._model)
        self._codes: dict[bytes, Tensor] = {}
        self._neutral = self._encode(NEUTRAL)

    @property
    def recognizer_delay_ticks(self) -> int:
        """Ticks between a sample being heard and its phone column being out."""
        return self._recognizer.delay_ticks

    def warmup(self) -> None:
        """Runs every model once on silence, so that the first real frame is as fast as the next."""
        torch.set_num_threads(self._threads)
        cv2.setNumThreads(self._threads)
        slot = -1
        self.open(slot, self._avatars.names()[0], NEUTRAL, 1.0)
        self.recognize([slot], [np.zeros(16_000, np.float32)])
        silence = np.zeros((1, WINDOW, len(PHONES)), np.float32)
        silence[..., SIL_INDEX] = 1.0
        expression = self.decode([slot], silence)
        still = [np.zeros(shape, np.float32) for shape in ((1, 6), (1, 2), (1,))]
        self.render([slot], expression, *still)
        self.close(slot)
        self.style_map()  # leaves the code of every style ready
        for avatar in self._avatars.names()[:RENDERERS_KEPT]:
            self.prepare(avatar)  # so that changing to it takes no longer than changing the style

    def prepare(self, avatar: str) -> None:
        """Builds the renderer of an avatar, so that showing it costs the worker nothing. Runs on any thread.

        Raises:
            InputError: there is no such avatar.
        """
        self._renderer(avatar)

    def style_map(self) -> list[Place]:
        """Where every style lies in the plane, by the codes that are blended. Runs on any thread."""
        codes: dict[str, Tensor] = {}
        for name in self._styles.names():
            with suppress(InputError):  # a style that cannot be read has no place
                codes[name] = self._encode(name)
        return places(list(codes), torch.cat(list(codes.values())).cpu().numpy())

    def open(
        self, slot: int, avatar: str, style: str | Mapping[str, float], intensity: float, background: str = KEEP
    ) -> None:
        """Prepares ``slot`` with fresh recogniser state; ``style`` as for `set_style`.

        Raises:
            InputError: there is no such avatar, style or background.
        """
        behind = self._behind(background, avatar)
        code = self._code(style, intensity)
        state = self._mix(code)
        self._slots[slot] = _Slot(RecognizerStream(self._recognizer), avatar, state, code, code, background, behind)

    def close(self, slot: int) -> None:
        """Forgets ``slot`` and the renderer that nobody else uses."""
        self._slots.pop(slot, None)
        self._release_renderers()

    def set_style(self, slot: int, style: str | Mapping[str, float], intensity: float, fade_s: float) -> None:
        """Cross-fades to ``style`` within ``fade_s`` seconds of decoded frames, from whatever is shown now.

        Args:
            slot: of the session.
            style: name of one, or shares by name of several, which add up to 1: their codes are blended.
            intensity: 0 is neutral, 1 the style as it was recorded.
            fade_s: seconds.

        Raises:
            InputError: there is no such style.
        """
        session = self._slots[slot]
        session.start, session.target = session.state.code, self._code(style, intensity)
        session.fade_frames, session.faded = max(1, round(fade_s * FPS)), 0

    def set_avatar(self, slot: int, avatar: str) -> None:
        """Shows another portrait from the next rendered frame on.

        Raises:
            InputError: there is no such avatar.
        """
        session = self._slots[slot]
        session.behind = self._behind(session.background, avatar)
        session.avatar, session.window = avatar, MotionWindow()
        self._release_renderers()

    def set_background(self, slot: int, background: str) -> None:
        """Shows something else behind the person from the next rendered frame on; see `BackgroundLibrary`.

        Raises:
            InputError: there is no such background.
        """
        session = self._slots[slot]
        session.behind = self._behind(background, session.avatar)
        session.background = background

    def recognize(self, slots: Sequence[int], audio: Sequence[NDArray[np.float32]]) -> list[Recognition]:
        """Feeds ``audio[i]`` (n,) float32 16 kHz to slot ``slots[i]``; returns the phone columns that became known."""
        return self._recognizer.push([self._slots[slot].recognizer for slot in slots], audio)

    @torch.inference_mode()
    def decode(self, slots: Sequence[int], posteriors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Decodes one phone window (11, 41) per slot, (N, 11, 41), into expressions (N, 64)."""
        state = self._decoder.join([self._advance(self._slots[slot]) for slot in slots])
        expression = self._decoder.decode(torch.from_numpy(posteriors), state)
        result: NDArray[np.float32] = expression.cpu().numpy()
        return result

    def render(
        self,
        slots: Sequence[int],
        expression: NDArray[np.float32],
        pose: NDArray[np.float32],
        gaze: NDArray[np.float32],
        blink: NDArray[np.float32],
    ) -> list[NDArray[np.uint8]]:
        """Renders motion (N, 64), (N, 6), (N, 2), (N,) into pictures (H*3//2, W) uint8 yuv420p.

        Before a transparent background a picture is twice as high, its lower half the mask: (H*3, W).
        """
        pictures, motions = [], []
        for i, slot in enumerate(slots):
            session = self._slots[slot]
            renderer = self._renderers[session.avatar]
            if isinstance(renderer, WindowRenderer):
                pictures.append(renderer.render(session.window.push(renderer.motion(expression[i], pose[i]))))
            else:
                motions.append(Motion(renderer, expression[i], pose[i], gaze[i], float(blink[i]), session.behind))
        return pictures + ([draw(m) for m in motions] if self._batch is None else self._batch.render(motions))

    def _advance(self, session: _Slot) -> Any:
        """Moves a session's cross-fade on by one frame; the experts are mixed anew only while it lasts."""
        if session.faded < session.fade_frames:
            session.faded += 1
            session.state = self._mix(fade(session.start, session.target, session.faded / session.fade_frames))
        return session.state

    @torch.inference_mode()
    def _mix(self, code: Tensor) -> Any:
        return self._decoder.mix_style(code)

    def _code(self, style: str | Mapping[str, float], intensity: float) -> Tensor:
        """Style code (1, C) of a style or a blend, at an intensity."""
        shares = {style: 1.0} if isinstance(style, str) else style
        blended = torch.stack([share * self._encode(name) for name, share in shares.items()]).sum(dim=0)
        return intensify(blended, self._neutral, intensity)

    def _encode(self, style: str) -> Tensor:
        """Style code (1, C); computed once for each motion, so that a style which is added anew gets a new code."""
        coefficients = self._styles.get(style).coefficients
        motion = coefficients.tobytes()
        code = self._codes.get(motion)
        if code is None:
            if len(self._codes) >= CODES_KEPT:
                self._codes.clear()
            code = self._model.encode_style(torch.from_numpy(coefficients).to(self._device))[None]
            self._codes[motion] = code
        return code

    def _behind(self, background: str, avatar: str) -> Image | None:
        if self._pirenderer is not None and background != KEEP:
            raise InputError(f"the pirenderer paints the photo's own background: use {KEEP}, not {background!r}")
        return self._backgrounds.behind(background, self._renderer(avatar).background)

    def _renderer(self, avatar: str) -> MeshRenderer | WindowRenderer:
        stamp = self._avatars.stamp(avatar)
        if avatar not in self._renderers or self._stamps[avatar] != stamp:
            portrait = self._avatars.get(avatar)
            self._renderers[avatar] = (
                MeshRenderer(portrait, self.size)
                if self._pirenderer is None
                else WindowRenderer(portrait, self._pirenderer, self.size)
            )
            self._stamps[avatar] = stamp
        return self._renderers[avatar]

    def _release_renderers(self) -> None:
        """Forgets the renderers that were built longest ago and that nobody uses, down to `RENDERERS_KEPT`."""
        used = {session.avatar for session in self._slots.values()}
        for avatar in [name for name in self._renderers if name not in used]:
            if len(self._renderers) <= RENDERERS_KEPT:
                return
            self._renderers.pop(avatar, None)
