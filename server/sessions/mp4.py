"""MP4 writer for frames and audio on one clock; the file is labelled as AI-generated.

Runs on: any one thread at a time. H.264 and AAC; a missing frame repeats the previous one, missing audio is silence.
"""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import av
import numpy as np
from av.packet import Packet
from numpy.typing import NDArray

from server.provenance.ai_label import file_metadata
from streaming.units import FRAME_TICKS, TICK_RATE, Tick
from styletalk_core.errors import InputError

FPS = TICK_RATE // FRAME_TICKS
Preset = Literal["superfast", "ultrafast"]
_RATE_FACTORS: Final[dict[Preset, str]] = {"superfast": "22", "ultrafast": "21"}
"""Constant rate factors at which a face of 512 x 512 px has 44 dB PSNR. Compared with "veryfast" at 18, "superfast"
takes two thirds of the time and 1.5 times the space; "ultrafast" a third of the time and four times the space."""
KEY_FRAME_SECONDS: Final = 2
"""Longest time between key frames of a stream, from which a viewer can begin."""
_ENCODER_THREADS: Final = 2
"""Fixed, so that the same frames give the same file on every machine."""


def check_path(path: Path) -> None:
    """Checks the name of a video to be written.

    Raises:
        InputError: it is none, or its folder does not exist.
    """
    if path.suffix.lower() != ".mp4" or not path.parent.is_dir():
        raise InputError(f"{path} must be an .mp4 file in a folder that exists.")


class Mp4Writer:
    """One MP4 file, complete once it is closed.

    Args:
        path: an .mp4 file, or with the container "flv" the URL of an RTMP stream.
        width, height: of the frames, in pixels.
        preset: of the encoder; live recording uses the fast one.
        container: "flv" is for streams that are watched while they are written.
    """

    def __init__(
        self,
        path: Path | str,
        width: int,
        height: int,
        preset: Preset = "superfast",
        container: Literal["mp4", "flv"] = "mp4",
    ) -> None:
        self._container = av.open(str(path), "w", format=container)
        self._container.metadata.update(file_metadata())
        live = {"tune": "zerolatency", "g": str(KEY_FRAME_SECONDS * FPS)} if container == "flv" else {}
        options = {"crf": _RATE_FACTORS[preset], "preset": preset, **live}
        self._video = self._container.add_stream("libx264", rate=FPS, options=options)
        self._video.width, self._video.height = width, height
        self._video.pix_fmt = "yuv420p"
        self._video.codec_context.thread_count = _ENCODER_THREADS
        self._video.codec_context.thread_type = "FRAME"  # slices would compress less
        self._audio = self._container.add_stream("aac", rate=TICK_RATE, layout="mono")
        if container == "flv":
            self._container.start_encoding()  # connects
        self._shape = (height * 3 // 2, width)
        self._failure: av.error.FFmpegError | None = None
        self._next_frame = 0
        self.ticks: Tick = 0
        """Audio written so far."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:  # the file is discarded: drop what is still in the encoders
            with suppress(av.error.FFmpegError):
                self._container.close()

    def write_frame(self, index: int, yuv: NDArray[np.uint8]) -> None:
        """Adds frame ``index``, (H*3//2, W) uint8 yuv420p; ignored when out of order or of another size."""
        if index < self._next_frame or yuv.shape != self._shape:
            return
        frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        self._mux(self._video.encode(frame))
        self._next_frame = index + 1

    def write_audio(self, start: Tick, samples: NDArray[np.int16]) -> None:
        """Adds (n,) int16 mono 48 kHz from tick ``start`` on; samples already written are skipped."""
        gap = np.zeros(max(start - self.ticks, 0), np.int16)
        samples = np.concatenate([gap, samples[max(self.ticks - start, 0) :]])
        if not len(samples):
            return
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = TICK_RATE, self.ticks
        self._mux(self._audio.encode(frame))
        self.ticks += len(samples)

    def close(self) -> None:
        """Completes the file."""
        self._mux(self._video.encode(None))
        self._mux(self._audio.encode(None))
        self._container.close()

    def _mux(self, packets: "list[Packet[Any]]") -> None:
        """Writes packets; after a failure, such as of a full disk, FFmpeg would crash in the next write.

        Raises:
            FFmpegError: the file cannot be written, now or before.
        """
        if self._failure is not None:
            raise self._failure
        try:
            self._container.mux(packets)
        except av.error.FFmpegError as error:
            self._failure = error
            raise
