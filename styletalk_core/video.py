"""Reads the pictures of any video file with their true times, turned upright.

Pure apart from reading the file. Variable frame rates need no care by the caller: every frame carries its time.
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
    """What the container says before anything is decoded; `seconds` and `frames` are 0 where it says nothing."""

    seconds: float
    frames: int
    fps: float


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One upright picture: `time` in seconds since the first frame, `image` (H, W, 3) uint8 RGB."""

    time: float
    image: NDArray[np.uint8]


def probe_video(path: str | Path) -> VideoInfo:
    """Reads the header of a video file.

    Raises:
        InputError: the file is missing, unreadable, a picture, or holds no video stream.
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
    """Decodes the first video stream of ``path``, frame by frame; a damaged tail ends the video.

    Raises:
        InputError: the file is missing, unreadable, a picture, or not one frame of it can be decoded.
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
                    f"{Path(path).name} is damaged: no picture of it can be decoded ({error.strerror})"
                ) from error
    if count == 0:
        raise InputError(f"{Path(path).name} is damaged: no picture of it can be decoded")


def _open(path: str | Path) -> "av.container.InputContainer":
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist")
    try:
        container = open_media(path)
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(f"{Path(path).name} is not a readable video file ({error.strerror})") from error
    problem = ""
    if any(part in container.format.name for part in _PICTURE_FORMATS):
        problem = "is a picture; a video clip of somebody talking is needed"
    elif not container.streams.video:
        problem = "has sound but no picture" if container.streams.audio else "has no picture"
    if problem:
        container.close()
        raise InputError(f"{Path(path).name} {problem}")
    return container
