"""Python API: an avatar in this process, without a server or a network.

    async with Avatar("clara", style="happy") as avatar:
        await avatar.push_audio(pcm, sample_rate=24_000)
        avatar.set_style("angry", fade=0.5)
        async for item in avatar:
            ...

Runs on: the caller's event loop; the models on threads. In real time it is one session of a worker, as a presenter of
the server is; otherwise time is virtual and advances as its items are taken, as in `styletalk render`.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from server.bootstrap import drawing_threads, make_offline_engine, make_worker
from server.config import ServerConfig
from server.paths import user_folder
from server.processors import available_cores
from streaming.avatar.live import LiveAvatar
from streaming.avatar.media import AudioFrame, AvatarMedia, SpeakingAvatar, VideoFrame
from streaming.avatar.offline import OfflineAvatar
from streaming.engine import Engine, StyleChoice
from streaming.frames.presence import MAX_PITCH, MAX_YAW, Attention
from streaming.scheduling.batch_worker import BatchWorker, Machine
from streaming.session import Settings
from streaming.speaker import Interruption, MarkReached, UtteranceEnded, UtteranceStarted
from styletalk_core.errors import NotFound
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.backgrounds import KEEP, BackgroundLibrary
from styletalk_core.library.styles import StyleLibrary

if TYPE_CHECKING:
    from styletalk_core.engine import ModelEngine

__all__ = [
    "Attention",
    "AudioFrame",
    "Avatar",
    "AvatarMedia",
    "Interruption",
    "MarkReached",
    "UtteranceEnded",
    "UtteranceStarted",
    "VideoFrame",
    "rgb",
]

DEFAULT_RATE: Final = 24_000
DEFAULT_SIZE: Final = 512
"""Frame size in px when time is virtual; in real time it is chosen by what the machine can draw."""


def rgb(frame: VideoFrame) -> NDArray[np.uint8]:
    """Return a frame as (H, W, 3) uint8 RGB."""
    return cv2.cvtColor(frame.yuv, cv2.COLOR_YUV2RGB_I420).astype(np.uint8, copy=False)


class Avatar:
    """An avatar that speaks what is pushed to it; iterate over it for its frames, its audio and its events.

    Args:
        portrait: name of an avatar.
        style: speaking style: a name, or a blend of names and shares that sum to 1.
        intensity: 0 to 1.5.
        background: keep, blur, transparent, #rrggbb or a name.
        size: frame size in px: 256, 384 or 512.
        real_time: items come when they are due; otherwise as fast as they are taken.
        seed: random seed of the idle motion, when time is virtual.
        worker: that runs the models of several avatars in real time, started and ready; by default one of its own.
        engine: replaces the packaged models.
    """

    def __init__(
        self,
        portrait: str,
        style: StyleChoice = "neutral",
        *,
        intensity: float = 1.0,
        background: str = KEEP,
        size: int | None = None,
        real_time: bool = True,
        seed: int = 0,
        worker: BatchWorker | None = None,
        engine: Engine | None = None,
    ) -> None:
        self._settings = Settings(portrait, style, intensity, background)
        self._size = size
        self._real_time = real_time
        self._seed = seed
        self._worker = worker
        self._own_worker: BatchWorker | None = None
        self._engine = engine
        self._styles = StyleLibrary(user_folder("styles"))
        self._speaking: SpeakingAvatar | None = None

    async def __aenter__(self) -> Self:
        """Load the models and open a session.

        Raises:
            InputError: there is no such avatar, style or background.
            WorkerFull: the machine is too slow, or the given worker has no free slot.
        """
        self._speaking = await (self._open_live() if self._real_time else self._open_offline())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the session and release the models."""
        speaking, self._speaking = self._speaking, None
        if speaking is not None:
            await speaking.aclose()
        worker, self._own_worker = self._own_worker, None
        if worker is not None:
            await worker.aclose()

    # Input

    async def push_audio(self, pcm: bytes | NDArray[np.int16], sample_rate: int = DEFAULT_RATE) -> None:
        """Speak audio: append it to the open utterance, or begin one.

        Args:
            pcm: 16-bit little-endian mono, cut anywhere, or a WAV file.
            sample_rate: 4,000 to 96,000 Hz, of what is no WAV file; must not change within an utterance.

        Raises:
            UnsupportedAudio, RateChanged: it cannot be used.
        """
        data = pcm if isinstance(pcm, bytes) else np.asarray(pcm, "<i2").tobytes()
        await self._open.push(data, sample_rate)

    def commit(self) -> None:
        """Complete the utterance; the next audio begins another one."""
        self._open.commit()

    def finish(self) -> None:
        """End the input: the items end when everything has been spoken."""
        self._open.finish()

    def set_style(self, style: StyleChoice, *, intensity: float | None = None, fade: float = 0.5) -> None:
        """Cross-fade to a style over ``fade`` seconds; also while speaking.

        Raises:
            NotFound: there is no such style.
        """
        known = self._styles.names() if self._engine is None else self._engine.styles
        for name in [style] if isinstance(style, str) else style:
            if name not in known:
                raise NotFound(f"There is no style named {name!r}; there are {', '.join(known)}.")
        intensity = self._settings.intensity if intensity is None else intensity
        self._settings = replace(self._settings, style=style, intensity=intensity)
        self._open.set_style(style, intensity, fade)

    def set_presence(
        self,
        *,
        attention: Attention | str | None = None,
        look_at: tuple[float, float] | None = None,
        stillness: float | None = None,
    ) -> None:
        """Choose where the face looks, and how it is there while it does not speak; what is None stays.

        Args:
            attention: speaking, listening (a steady gaze, and nods) or away.
            look_at: yaw and pitch in rad, up to 0.5 and 0.3, to the image's right and down.
            stillness: 0 lively to 1 still.

        Raises:
            ValueError: a value is out of its range.
        """
        presence = self._settings.presence
        if attention is not None:
            presence = replace(presence, attention=Attention(attention))
        if look_at is not None:
            yaw, pitch = look_at
            if not (abs(yaw) <= MAX_YAW and abs(pitch) <= MAX_PITCH):
                raise ValueError(
                    f"look_at takes a yaw of up to {MAX_YAW} and a pitch of up to {MAX_PITCH}, not {look_at}"
                )
            presence = replace(presence, look_at=(yaw, pitch))
        if stillness is not None:
            if not 0 <= stillness <= 1:
                raise ValueError(f"stillness is from 0 to 1, not {stillness}")
            presence = replace(presence, stillness=stillness)
        self._settings = replace(self._settings, presence=presence)
        self._open.set_presence(presence)

    async def interrupt(self) -> Interruption:
        """Stop speaking within 20 ms, discard what is queued, and return what was played."""
        return await self._open.interrupt()

    # Output

    async def __aiter__(self) -> AsyncIterator[AvatarMedia]:
        """Yield frames, audio and events as they are due, until `finish`; idle frames and silence in between."""
        while (media := await self._open.next()) is not None:
            yield media

    # Opening

    @property
    def _open(self) -> SpeakingAvatar:
        if self._speaking is None:
            raise RuntimeError("the avatar is not open; use it as `async with Avatar(...) as avatar`")
        return self._speaking

    async def _open_live(self) -> LiveAvatar:
        worker = self._worker
        if worker is None:
            self._own_worker = worker = self._make_worker()
            worker.start()
        try:
            await worker.wait_ready()
            return await LiveAvatar.open(worker, self._settings)
        except BaseException:
            await self.aclose()
            raise

    async def _open_offline(self) -> OfflineAvatar:
        return await OfflineAvatar.open(self._make_engine(), self._settings, drawing_threads(), seed=self._seed)

    def _make_worker(self) -> BatchWorker:
        if (engine := self._engine) is not None:
            machine = Machine(available_cores(), sizes=(self._size or engine.size,), fixed=True)
            return BatchWorker(lambda: engine, slots=1, machine=machine)
        config = ServerConfig(size=self._size or "auto", max_sessions=1)
        return make_worker(config, *self._libraries())

    def _make_engine(self) -> Callable[[], Engine]:
        """Return what builds the engine, on the thread that will use it."""
        engine, size = self._engine, self._size or DEFAULT_SIZE

        def make() -> "ModelEngine":
            return make_offline_engine(*self._libraries(), size)

        return make if engine is None else lambda: engine

    def _libraries(self) -> tuple[AvatarLibrary, StyleLibrary, BackgroundLibrary]:
        return (
            AvatarLibrary(user_folder("avatars")),
            self._styles,
            BackgroundLibrary(user_folder("backgrounds")),
        )
