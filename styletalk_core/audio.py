"""Audio decoding: reads any audio or video file as mono samples.

Pure apart from reading the file.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from styletalk_core.errors import InputError
from styletalk_core.media_file import open_media

SPEECH_RATE: Final = 16_000
"""Sample rate of the recognizer in Hz."""
TICKS_PER_SAMPLE: Final = 48_000 // SPEECH_RATE
RATES: Final = range(4_000, 400_000)
"""Accepted sample rates; a header may claim any rate, and the resampler's memory grows with it."""
MAX_CANCELLED: Final = 0.02
"""Energy of the sum of two channels, relative to that of their difference, below which they are out of phase."""
MAX_AUDIO_SECONDS: Final = 7_200
"""Length limit; a small file may decode to days of silence."""


def read_audio(path: str | Path, rate: int = SPEECH_RATE) -> NDArray[np.float32]:
    """Decodes the first audio stream of ``path``, mixed to mono and resampled.

    Returns:
        (n,) float32 in about [-1, 1], `rate` samples per second; non-finite samples are replaced by 0.

    Raises:
        InputError: the file is missing, not a media file, has no audio, or is too long.
    """
    return np.concatenate(list(_blocks(path, rate)))


def read_pcm(path: str | Path, rate: int) -> NDArray[np.int16]:
    """Like `read_audio`, but returns clipped (n,) int16; an hour at 48 kHz takes 350 MB."""
    pcm = bytearray()
    for block in _blocks(path, rate):
        pcm += np.round(np.clip(block, -1.0, 1.0) * 32767).astype(np.int16).tobytes()
    return np.frombuffer(pcm, np.int16)


def _blocks(path: str | Path, rate: int) -> Iterator[NDArray[np.float32]]:
    """Yields the decoded audio of ``path`` in blocks of any length, at least one."""
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist")
    length, decoded = 0, False
    try:
        with open_media(path) as container:
            if not container.streams.audio:
                raise InputError(f"{path} contains no audio")
            claimed = getattr(container.streams.audio[0], "rate", 0)  # missing if there is no decoder
            if claimed not in RATES:
                raise InputError(f"{path} claims {claimed} samples per second")
            stereo = container.streams.audio[0].codec_context.channels == 2
            resampler = av.AudioResampler(format="fltp", layout="stereo" if stereo else "mono", rate=rate)
            for frame in chain(container.decode(audio=0), [None]):
                length += 0 if frame is None else frame.samples
                if length > MAX_AUDIO_SECONDS * claimed:
                    raise InputError(f"{path} is longer than {MAX_AUDIO_SECONDS // 3600} hours")
                for piece in resampler.resample(frame):
                    decoded = True
                    yield _mixed(np.nan_to_num(piece.to_ndarray(), nan=0.0, posinf=0.0, neginf=0.0))
    except av.error.FFmpegError as error:
        raise InputError(f"{path} is not a readable audio file ({error.strerror})") from error
    if not decoded:
        raise InputError(f"{path} contains no audio")


def _mixed(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of (1 or 2, n) channels; their difference where they are out of phase and would cancel out."""
    left: NDArray[np.float32] = channels[0]
    if len(channels) == 1:
        return left
    right: NDArray[np.float32] = channels[1]
    middle: NDArray[np.float32] = np.float32(0.5) * (left + right)
    side: NDArray[np.float32] = np.float32(0.5) * (left - right)
    return side if np.dot(middle, middle) < MAX_CANCELLED * np.dot(side, side) else middle
