"""Labels tracked clips with phones: posteriors of the streaming recognizer, and forced alignment where a text exists.

Frame f at 30 fps gets the phone at its midpoint, as in the live phone timeline.

Runs on: the command line, at about twenty times real time. Out: ``posteriors/CLIP.npz`` (``frames`` (T, 41) float16)
and ``labels/CLIP.npy`` ((T,) uint8); existing files are kept.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.audio import read_audio
from styletalk_core.errors import InputError
from styletalk_core.face.clip_motion import ClipMotion
from styletalk_core.lab.dataset import VideoClip, coefficients_path
from styletalk_core.lab.recognizer.alignment import ForcedAligner, labels_at
from styletalk_core.phones import FPS, SIL_INDEX
from styletalk_core.recognizer.stream import PhoneRecognizer, Recognizer, RecognizerStream, frame_columns

_MIN_AGREEMENT: Final = 0.2
"""Mean probability of the aligned phones: at least 0.29 for every GRID sentence, 0.06 for a wrong transcript."""


def label_clips(clips: Iterable[VideoClip], cache: Path) -> Iterator[tuple[VideoClip, str | None]]:
    """Writes the phones of every clip with audio whose coefficients are in ``cache``.

    Yields:
        Every clip with None, or with the reason why it could not be labelled.
    """
    recognizer, aligner = RecognizerStream(Recognizer.load()), ForcedAligner()
    for clip in clips:
        motion = coefficients_path(cache, clip)
        if not clip.audio or not motion.is_file() or posteriors_path(cache, clip).is_file():
            yield clip, None
            continue
        try:
            _label(clip, cache, len(ClipMotion.load(motion).valid), recognizer, aligner)
            yield clip, None
        except InputError as error:
            yield clip, str(error)


def posteriors_path(cache: Path, clip: VideoClip) -> Path:
    """Path of the phone columns of a clip."""
    return cache / "posteriors" / f"{clip.name}.npz"


def labels_path(cache: Path, clip: VideoClip) -> Path:
    """Path of the forced labels of a clip with a transcript."""
    return cache / "labels" / f"{clip.name}.npy"


def _label(clip: VideoClip, cache: Path, frames: int, recognizer: PhoneRecognizer, aligner: ForcedAligner) -> None:
    samples = read_audio(clip.path)
    columns = frame_columns(recognizer, samples, frames)
    if clip.text:
        aligned = aligner.align_text(samples, clip.text)
        labels = None if aligned is None else labels_at(aligned, (np.arange(frames) + 0.5) / FPS)
        if labels is None or _agreement(labels, columns) < _MIN_AGREEMENT:
            raise InputError(f"the transcript of {clip.name} does not match its audio: {clip.text!r}")
        path = labels_path(cache, clip)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, labels)
    path = posteriors_path(cache, clip)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, frames=columns.astype(np.float16))


def _agreement(labels: NDArray[np.uint8], columns: NDArray[np.float32]) -> float:
    """Mean probability that the recognizer assigns to the aligned speech phones."""
    speech = np.flatnonzero(labels != SIL_INDEX)
    return float(columns[speech, labels[speech]].mean()) if len(speech) else 0.0
