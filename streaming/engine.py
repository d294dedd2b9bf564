"""What a session needs from the models. The core implements it; tests use a deterministic one.

Runs on: worker thread only, apart from `prepare`, `style_map` and the constants, which are read after warm-up.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streaming.units import Tick

StyleChoice = str | Mapping[str, float]
"""A style by its name, or a blend: the shares, which add up to 1, of several styles by name."""


class RecognizedHops(Protocol):
    """The fields of `styletalk_core.recognizer.stream.Recognition`, whoever made it."""

    @property
    def start(self) -> Tick: ...
    @property
    def hop(self) -> Tick: ...
    @property
    def posteriors(self) -> NDArray[np.float32]: ...
    @property
    def speech(self) -> NDArray[np.bool_]: ...


class StylePosition(Protocol):
    """Where a style lies on the map: x and y in -1..1."""

    @property
    def name(self) -> str: ...
    @property
    def x(self) -> float: ...
    @property
    def y(self) -> float: ...


class Engine(Protocol):
    """Recognizer, decoder and renderer for numbered slots; slot k holds the streaming state of one session.

    An avatar, style or background that does not exist is refused with an error that `streaming.errors.is_refusal`
    recognizes.
    """

    @property
    def recognizer_delay_ticks(self) -> Tick:
        """Ticks from the first sample of a hop to the moment its phone column is out."""

    @property
    def size(self) -> int:
        """Width and height of a picture in pixels, where no other is asked for."""

    @property
    def avatars(self) -> Sequence[str]:
        """Names of the portraits; there is at least one."""

    @property
    def styles(self) -> Sequence[str]:
        """Names of the styles; there is at least one."""

    def worked(self) -> float:
        """Seconds of work so far: the calling thread's processor time, or the time that passes where a device works."""

    def warmup(self) -> None:
        """Makes the first real batch as fast as every later one."""

    def prepare(self, avatar: str, size: int) -> None:
        """Loads a portrait for pictures of ``size``, so that showing it is instant. Runs on any thread."""

    def open(self, slot: int, avatar: str, style: StyleChoice, intensity: float, background: str, size: int) -> None:
        """Prepares ``slot`` for a new session with fresh recognizer state and pictures of ``size``."""

    def close(self, slot: int) -> None:
        """Forgets everything about ``slot``."""

    def set_style(self, slot: int, style: StyleChoice, intensity: float, fade_s: float) -> None:
        """Cross-fades to ``style`` within ``fade_s`` seconds of decoded frames."""

    def style_map(self) -> Sequence[StylePosition]:
        """Where every style lies in the plane, similar ones near each other. Runs on any thread."""

    def set_avatar(self, slot: int, avatar: str) -> None:
        """Shows another portrait from the next rendered frame on."""

    def set_size(self, slot: int, size: int) -> None:
        """Makes pictures of another size from the next rendered frame on."""

    def set_background(self, slot: int, background: str) -> None:
        """Shows something else behind the person from the next rendered frame on."""

    def recognize(self, slots: Sequence[int], audio: Sequence[NDArray[np.float32]]) -> Sequence[RecognizedHops]:
        """Feeds ``audio[i]`` (n,) float32 16 kHz to slot ``slots[i]``; ticks count from the slot's first sample."""

    def decode(self, slots: Sequence[int], posteriors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Phone windows (N, 11, 41) to expressions (N, 64)."""

    def render(
        self,
        slots: Sequence[int],
        expression: NDArray[np.float32],
        pose: NDArray[np.float32],
        gaze: NDArray[np.float32],
        blink: NDArray[np.float32],
    ) -> Sequence[NDArray[np.uint8]]:
        """Motion (N, 64), (N, 6), (N, 2), (N,) to pictures (H*3//2, W) uint8 yuv420p.

        Before a transparent background a picture is twice as high, its lower half the mask: (H*3, W).
        """
