"""Reads a video clip for the self-driven protocol: tracked motion, heard phones, loudness and some of its pictures.

Runs on: the main thread; a clip of ten seconds takes about three.
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
    """One clip: T frames of motion at 30 fps, K of its pictures."""

    motion: MotionClip
    """Coefficients (T, 64) and phone columns (T, 41), as the training reads them."""
    loudness: Float
    """(T,) level of the sound in each frame, dB."""
    frames: list[Image]
    """K faces (256, 256, 3) RGB, the first frame of the clip first."""
    landmarks: Float
    """(K, 478, 3) px of those pictures."""
    moments: NDArray[np.int64]
    """(K,) which of the T frames each picture shows."""


def read_clip(
    path: Path, tracker: FaceTracker, recognizer: PhoneRecognizer, model: FaceModel, every: int
) -> SelfDrivenClip:
    """Tracks and hears a clip; keeps every ``every``-th picture.

    Raises:
        InputError: it has no sound, is shorter than a second, or its face is seen in less than nine tenths of it.
    """
    samples = read_audio(path)
    track = tracker.track_video(path, fps=None)
    motion = encode_track(track, person_face([track], model), model)
    coefficients = bridged(motion.coefficients, motion.valid)
    if coefficients is None:
        length, share = len(motion.valid), float(motion.valid.mean())
        raise InputError(
            f"{path.name} shows a face in {share:.0%} of {length} frames; nine tenths of at least {FPS} are needed"
        )
    frames = len(coefficients)
    columns = frame_columns(recognizer, samples, frames)
    kept = np.flatnonzero(track.tracked)[::every]
    wanted = set(kept.tolist())
    images = [frame.image for index, frame in enumerate(read_frames(path)) if index in wanted]
    pictures, landmarks = cut_faces(images, track.landmarks[kept[: len(images)]])
    moments = np.minimum(np.rint(track.times[kept[: len(images)]] * FPS).astype(np.int64), frames - 1)
    clip = MotionClip(path.stem, "", "", "test", coefficients, columns)
    return SelfDrivenClip(clip, frame_loudness(samples, frames), pictures, landmarks, moments)


def frame_loudness(samples: Float, frames: int) -> Float:
    """Level (frames,) of 16 kHz sound (n,) in every frame at 30 fps, dB of full scale, never below -60."""
    edges = np.arange(frames + 1) * SPEECH_RATE // FPS
    padded = np.zeros(int(edges[-1]), np.float32)
    padded[: len(samples)] = samples[: len(padded)]
    energy = np.add.reduceat(np.square(padded), edges[:-1]) / np.diff(edges)
    return np.asarray(np.maximum(10 * np.log10(energy + 1e-12), _SILENT_DB), np.float32)
