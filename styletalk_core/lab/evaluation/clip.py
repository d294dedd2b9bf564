"""Reads a video clip for the self-driven evaluation: tracked motion, recognized phones, loudness and sampled frames.

Runs on: the main thread; a ten-second clip takes about three seconds.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.audio import SPEECH_RATE, read_audio
from styletalk_core.errors import InputError
from styletalk_core.face.clip_motion import encode_track, person_face
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.tracker import FaceTracker
from styletalk_core.lab.evaluation.articulators import of_track
from styletalk_core.lab.evaluation.fidelity import cut_faces
from styletalk_core.lab.training.clips import MotionClip, bridged
from styletalk_core.phones import FPS
from styletalk_core.recognizer.stream import PhoneRecognizer, frame_columns
from styletalk_core.video import read_frames

Float = NDArray[np.float32]
Image = NDArray[np.uint8]

_SILENT_DB: Final = -60.0


@dataclass(frozen=True, slots=True)
class SelfDrivenClip:
    """One clip: T frames of motion at 30 fps, and K of its images."""

    motion: MotionClip
    """Coefficients (T, 64) and phone columns (T, 41), in the format used for training."""
    pose: Float
    """(T, 6) head pose relative to the clip's median; see `head_pose`."""
    seen: Float
    """(T, 11) articulators as tracked; see `articulators`."""
    loudness: Float
    """(T,) audio level of each frame, dB."""
    frames: list[Image]
    """K faces (256, 256, 3) RGB, the first frame of the clip first."""
    landmarks: Float
    """(K, 478, 3) landmarks of those images, px."""
    moments: NDArray[np.int64]
    """(K,) frame index of each image, 0..T-1."""


def read_clip(
    path: Path, tracker: FaceTracker, recognizer: PhoneRecognizer, model: FaceModel, every: int
) -> SelfDrivenClip:
    """Tracks a clip and recognizes its phones; keeps every ``every``-th image.

    Raises:
        InputError: it has no audio, is shorter than one second, or shows a face in less than 90 % of its frames.
    """
    samples = read_audio(path)
    track = tracker.track_video(path, fps=None)
    face = person_face([track], model)
    motion = encode_track(track, face, model)
    coefficients, pose = (bridged(part, motion.valid) for part in (motion.coefficients, motion.pose))
    seen = of_track(track, face.shape)
    if coefficients is None or pose is None or seen is None:
        length, share = len(motion.valid), float(motion.valid.mean())
        raise InputError(
            f"{path.name} shows a face in {share:.0%} of {length} frames; at least 90 % of {FPS} or more are needed"
        )
    frames = len(coefficients)
    columns = frame_columns(recognizer, samples, frames)
    kept = np.flatnonzero(track.tracked)[::every]
    wanted = set(kept.tolist())
    images = [frame.image for index, frame in enumerate(read_frames(path)) if index in wanted]
    pictures, landmarks = cut_faces(images, track.landmarks[kept[: len(images)]])
    moments = np.minimum(np.rint(track.times[kept[: len(images)]] * FPS).astype(np.int64), frames - 1)
    clip = MotionClip(path.stem, "", "", "test", coefficients, columns)
    return SelfDrivenClip(clip, pose, seen, frame_loudness(samples, frames), pictures, landmarks, moments)


def frame_loudness(samples: Float, frames: int) -> Float:
    """Level (frames,) of 16 kHz audio (n,) in each frame at 30 fps, dBFS, never below -60."""
    edges = np.arange(frames + 1) * SPEECH_RATE // FPS
    padded = np.zeros(int(edges[-1]), np.float32)
    padded[: len(samples)] = samples[: len(padded)]
    energy = np.add.reduceat(np.square(padded), edges[:-1]) / np.diff(edges)
    return np.asarray(np.maximum(10 * np.log10(energy + 1e-12), _SILENT_DB), np.float32)
