"""Videos of a rendered face for tests, made only from package data."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.styles import StyleLibrary
from styletalk_core.rendering.mesh_renderer import MeshRenderer

Image = NDArray[np.uint8]
SIDE = 256


@cache
def talking_frames(count: int = 75, style: str = "surprised", nod: float = 0.0) -> tuple[Image, ...]:
    """A presenter that moves like the preset and nods by ``nod`` rad: (256, 256, 3) RGB frames, 30 per second."""
    library = AvatarLibrary(Path("none"))
    renderer = MeshRenderer(library.get(library.names()[0]), SIDE)
    motion = StyleLibrary(Path("none")).get(style).coefficients[:count]
    ahead, pose = np.zeros(2, np.float32), np.zeros((len(motion), 6), np.float32)
    pose[:, 0] = nod * np.sin(np.arange(len(motion)) / 5)
    return tuple(renderer.render_rgb(*parts, ahead, 0.0) for parts in zip(motion, pose, strict=True))


def noise_frames(count: int = 75) -> list[Image]:
    """Frames without a face."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 255, (count, 16, 16, 3), np.uint8)
    return [cv2.resize(picture, (SIDE, SIDE)) for picture in coarse]


def write_video(
    path: Path,
    frames: Sequence[Image],
    times: Sequence[float] | None = None,
    sound: NDArray[np.int16] | None = None,
) -> Path:
    """Encodes frames, at 30 fps unless times are given, and (n,) audio samples at 16 kHz."""
    times = [index / 30 for index in range(len(frames))] if times is None else times
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast", "crf": "18"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        audio = None if sound is None else container.add_stream("aac", rate=16_000, layout="mono")
        for time, image in zip(times, frames, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = round(1000 * time), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio is not None:
            samples = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
            samples.sample_rate = 16_000
            container.mux([*audio.encode(samples), *audio.encode()])
    return path


def flag_rotation(path: Path) -> None:
    """Rewrites the display matrix of an MP4 file as telephones do: turn a quarter clockwise before showing."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    turned = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    data[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in turned)
    path.write_bytes(data)
