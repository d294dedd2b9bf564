"""Engine protocol: the interface between sessions and models. Implemented by the core; tests use a deterministic fake.

Runs on: worker thread only, except `prepare`, `style_map` and the constants, which are read after warm-up.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streaming.units import Tick

StyleChoice = str | Mapping[str, float]
"""A style name, or a blend: style name to weight; the weights sum to 1."""


class RecognizedHops(Protocol):
    """Structural type of `styletalk_core.recognizer.stream.Recognition`."""

    @property
    def start(self) -> Tick: ...
    @property
    def hop(self) -> Tick: ...
    @property
    def posteriors(self) -> NDArray[np.float32]: ...
    @property
    def speech(self) -> NDArray[np.bool_]: ...


class StylePosition(Protocol):
    """Position of a style on the style map: x and y in -1..1."""

    @property
    def name(self) -> str: ...
    @property
    def x(self) -> float: ...
    @property
    def y(self) -> float: ...


class MotionDatabase(Protocol):
    """Recorded motion of L frames at 30 fps, prepared for being joined to itself."""

    @property
    def motion(self) -> NDArray[np.float32]:
        """(L, D): head pose (6,) about the neck and, of a style, the upper face's coefficients (51,).

        The pose has zero mean; the coefficients are relative to the mean that the decoder gives.
        """

    @property
    def left(self) -> NDArray[np.int32]:
        """(L,) frames that follow before the recording breaks off."""

    @property
    def key(self) -> NDArray[np.float32]:
        """(L, K): motion (D,), speed of the pose (6,) and speech energy (4,) of each frame, times ``key_scale``.

        The speech energy, now and up to 0.4 s before, is in deviations from its mean.
        """

    @property
    def key_scale(self) -> NDArray[np.float32]:
        """(K,) weights of the key's columns."""


class StyleMotion(Protocol):
    """Manner in which head and upper face move in a style or a blend."""

    @property
    def clips(self) -> Sequence[MotionDatabase]:
        """Motion of the styles' clips."""

    @property
    def shares(self) -> Sequence[float]:
        """Share of the time for which each clip is played; the sum is 1."""

    @property
    def gain(self) -> float:
        """Amplitude, 1 as recorded."""

    @property
    def posture(self) -> NDArray[np.float32]:
        """(6,) mean head pose."""

    @property
    def nodding(self) -> float:
        """Amplitude of nods on accents, 1 for a neutral conversation."""

    @property
    def base(self) -> MotionDatabase:
        """Head motion (L, 6) of a neutral conversation."""

    @property
    def borrowing(self) -> float:
        """Share of the base that is added, since the clips' heads move little or not at all: 0 to 1."""

    @property
    def opening(self) -> int | None:
        """Index of the coefficient that opens the lips, 0 for closed; None where no single one does."""


class Engine(Protocol):
    """Recognizer, decoder and renderer for numbered slots; slot k holds the streaming state of one session.

    An unknown avatar, style or background raises an error for which `streaming.errors.is_refusal` is true.
    """

    @property
    def recognizer_delay_ticks(self) -> Tick:
        """Ticks from the first sample of a hop until its phone column is available."""

    @property
    def size(self) -> int:
        """Default width and height of a frame in pixels."""

    @property
    def avatars(self) -> Sequence[str]:
        """Names of the avatars; at least one."""

    @property
    def styles(self) -> Sequence[str]:
        """Names of the styles; at least one."""

    def worked(self) -> float:
        """Seconds of work so far: CPU time of the calling thread, or elapsed time if an accelerator does the work."""

    def warmup(self) -> None:
        """Compiles and warms up the models, so that the first batch runs at full speed."""

    def prepare(self, avatar: str, size: int) -> None:
        """Loads an avatar for frames of ``size`` in advance, so that switching to it is instant. Runs on any thread."""

    def open(self, slot: int, avatar: str, style: StyleChoice, intensity: float, background: str, size: int) -> None:
        """Prepares ``slot`` for a new session with fresh recognizer state and frames of ``size``."""

    def close(self, slot: int) -> None:
        """Discards the state of ``slot``."""

    def set_style(self, slot: int, style: StyleChoice, intensity: float, fade_s: float) -> None:
        """Cross-fades to ``style`` over ``fade_s`` seconds of decoded frames."""

    def style_motion(self, style: StyleChoice, intensity: float) -> StyleMotion:
        """Return how head and upper face move in a style or blend at an intensity."""

    def style_map(self) -> Sequence[StylePosition]:
        """Return the 2-D position of every style; similar styles are close. Runs on any thread."""

    def set_avatar(self, slot: int, avatar: str) -> None:
        """Switches to another avatar from the next rendered frame on."""

    def set_size(self, slot: int, size: int) -> None:
        """Changes the frame size from the next rendered frame on."""

    def set_background(self, slot: int, background: str) -> None:
        """Switches to another background from the next rendered frame on."""

    def recognize(self, slots: Sequence[int], audio: Sequence[NDArray[np.float32]]) -> Sequence[RecognizedHops]:
        """Feeds ``audio[i]``, (n,) float32 16 kHz, to slot ``slots[i]``; ticks count from the slot's first sample."""

    def decode(self, slots: Sequence[int], posteriors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Decodes phone windows (N, 11, 41) to expressions (N, 64)."""

    def render(
        self,
        slots: Sequence[int],
        expression: NDArray[np.float32],
        pose: NDArray[np.float32],
        gaze: NDArray[np.float32],
        blink: NDArray[np.float32],
        ticks: Sequence[Tick] = (),
    ) -> Sequence[NDArray[np.uint8]]:
        """Renders motion (N, 64), (N, 6), (N, 2), (N,) to frames (H*3//2, W) uint8 yuv420p.

        ``ticks`` are the starts of the frames; without them each follows the one before at 30 fps. With a transparent
        background a frame is twice as high, (H*3, W); the lower half is an alpha mask.
        """
