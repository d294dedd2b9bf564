"""Video decoding: reads the frames of any video file, upright and with timestamps.

Pure apart from reading the file. Variable frame rates are supported, since every frame carries its timestamp.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from styletalk_core.errors import InputError
from styletalk_core.media_file import open_media

_PICTURE_FORMATS = ("image2", "_pipe")


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """Video metadata from the container header; `seconds` and `frames` are 0 if unknown."""

    seconds: float
    frames: int
    fps: float


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One upright frame: `time` in seconds since the first frame, `image` (H, W, 3) uint8 RGB."""

    time: float
    image: NDArray[np.uint8]


def probe_video(path: str | Path) -> VideoInfo:
    """Reads the header of a video file.

    Raises:
        InputError: the file is missing, unreadable, an image, or has no video stream.
    """
    with _open(path) as container:
        stream = container.streams.video[0]
        if stream.duration is not None and stream.time_base is not None:
            seconds = float(stream.duration * stream.time_base)
        else:
            seconds = (container.duration or 0) / av.time_base
        fps = float(stream.average_rate or 0)
        return VideoInfo(seconds, stream.frames or round(seconds * fps), fps)


def read_frames(path: str | Path) -> Iterator[VideoFrame]:
    """Decodes the first video stream of ``path`` frame by frame; a damaged tail ends the video.

    Raises:
        InputError: the file is missing, unreadable, an image, or no frame of it can be decoded.
    """
    start: float | None = None
    with _open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        count = 0
        try:
            for frame in container.decode(stream):
                time = frame.time if frame.time is not None else count / float(stream.average_rate or 25)
                start = time if start is None else start
                count += 1
                image = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90 % 4)
                yield VideoFrame(time - start, np.ascontiguousarray(image))
        except av.error.FFmpegError as error:
            if count == 0:
                raise InputError(
                    f"{Path(path).name} is damaged: no frame of it can be decoded ({error.strerror})"
                ) from error
    if count == 0:
        raise InputError(f"{Path(path).name} is damaged: no frame of it can be decoded")


def _open(path: str | Path) -> "av.container.InputContainer":
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist")
    try:
        container = open_media(path)
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(f"{Path(path).name} is not a readable video file ({error.strerror})") from error
    problem = ""
    if any(part in container.format.name for part in _PICTURE_FORMATS):
        problem = "is an image; a video of a person talking is needed"
    elif not container.streams.video:
        problem = "has audio but no video" if container.streams.audio else "has no video"
    if problem:
        container.close()
        raise InputError(f"{Path(path).name} {problem}")
    return container
