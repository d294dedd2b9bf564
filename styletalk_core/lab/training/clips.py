"""Training clips: expression coefficients, phone columns and manifest metadata.

Reads the output of `styletalk dataset build` and the recognizer: ``coefficients/CLIP.npz``, ``posteriors/CLIP.npz``
and, for clips with a transcript, ``labels/CLIP.npy``, all at 30 fps. A clip without audio has no phones and is used
only as a style clip.

Runs on: any thread; reads files.
"""

import csv
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from styletalk_core.errors import InputError
from styletalk_core.lab.dataset import may_be_used
from styletalk_core.phones import CONTEXT, FPS, PHONES, SIL_INDEX

SILENCE = np.eye(len(PHONES), dtype=np.float32)[SIL_INDEX]

_TRACKED = 0.9
"""Minimum share of frames in which the tracker must have found the face."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MotionClip:
    """One tracked clip of one person."""

    name: str
    source: str
    style: str
    """Person and speaking style, the label for the style discriminator; empty if the person is unknown."""
    split: str
    coefficients: NDArray[np.float32]
    """(T, 64), 30 fps."""
    phones: NDArray[np.float32] | None
    """(T, 41) probability columns, or None without audio."""
    aligned: NDArray[np.float32] | None = None
    """(T, 41) one-hot columns of the words that are said, or None where nobody knows them."""
    person: str = ""
    """Whose face it is, or empty."""

    @property
    def identity(self) -> str:
        """The person; the clip's name where the person is unknown."""
        return self.person or self.name


def read_clips(folder: Path, manifest: Path, licence: str = "all") -> list[MotionClip]:
    """Reads every tracked clip of the manifest; logs how many were skipped and why.

    Args:
        folder: contains coefficients/, posteriors/ and labels/.
        manifest: ``video/manifest.tsv``.
        licence: "all", or "free" to train on no research-only clip.

    Raises:
        InputError: no clip can be used.
    """
    clips, untracked, unusable = [], 0, 0
    with manifest.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if not may_be_used(row, licence):
                continue
            path = folder / "coefficients" / f"{row['clip']}.npz"
            if not path.exists():
                untracked += 1
                continue
            with np.load(path) as stored:
                coefficients = bridged(stored["coefficients"].astype(np.float32), stored["valid"])
            if coefficients is None:
                unusable += 1
                continue
            heard, aligned = None, None
            if row["audio"] == "yes":
                heard, aligned = _read_heard(folder, row["clip"]), _read_aligned(folder, row["clip"])
            phones = _fitted(aligned if heard is None else heard, len(coefficients))
            aligned = _fitted(aligned, len(coefficients))
            person = row["clip"] if row["speaker"] == "?" else row["speaker"]
            style = "" if "?" in (row["speaker"], row["style"]) else f"{person} {row['style']}"
            clips.append(
                MotionClip(row["clip"], row["source"], style, row["split"], coefficients, phones, aligned, person)
            )
    logger.info("%d clips; skipped: %d not tracked, %d too short or poorly tracked", len(clips), untracked, unusable)
    if not clips:
        raise InputError(f"{folder} contains no tracked clip of {manifest}; run `styletalk dataset build` first")
    return clips


def bridged(coefficients: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    """Interpolates over untracked frames of (T, 64); None if the clip is too short, invalid or mostly untracked."""
    if len(coefficients) < FPS or valid.mean() < _TRACKED or not np.isfinite(coefficients[valid]).all():
        return None
    time = np.arange(len(coefficients))
    return np.stack([np.interp(time, time[valid], column[valid]) for column in coefficients.T], axis=1).astype(
        np.float32
    )


def _read_heard(folder: Path, name: str) -> NDArray[np.float32] | None:
    path = folder / "posteriors" / f"{name}.npz"
    if not path.exists():
        return None
    with np.load(path) as stored:
        columns: NDArray[np.float32] = stored["frames"].astype(np.float32)
    return columns


def _read_aligned(folder: Path, name: str) -> NDArray[np.float32] | None:
    path = folder / "labels" / f"{name}.npy"
    return np.eye(len(PHONES), dtype=np.float32)[np.load(path)] if path.exists() else None


def _fitted(columns: NDArray[np.float32] | None, length: int) -> NDArray[np.float32] | None:
    """The first ``length`` columns, padded with silence."""
    if columns is None:
        return None
    missing = max(0, length - len(columns))
    return np.concatenate([columns, np.tile(SILENCE, (missing, 1))])[:length]


def windows(phones: NDArray[np.float32], future: int = CONTEXT) -> NDArray[np.float32]:
    """Cuts (T, 41) columns into (T, 11, 41) windows; columns more than ``future`` frames ahead are silence.

    Streaming sessions also use silence for frames not yet known, and clips are padded with silence.
    """
    edge = np.tile(SILENCE, (CONTEXT, 1))
    padded = np.concatenate([edge, phones, edge])
    cut = np.lib.stride_tricks.sliding_window_view(padded, 2 * CONTEXT + 1, axis=0).transpose(0, 2, 1).copy()
    cut[:, CONTEXT + 1 + future :] = SILENCE
    return cut


def shift(columns: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Moves (T, 41) columns later by ``frames`` (earlier when negative), filling with silence."""
    if frames == 0:
        return columns
    moved = np.tile(SILENCE, (len(columns), 1))
    if frames > 0:
        moved[frames:] = columns[:-frames]
    else:
        moved[:frames] = columns[-frames:]
    return moved


def in_step(clips: Iterable[MotionClip], lags: Mapping[str, int]) -> list[MotionClip]:
    """Shifts the phones of each clip by its lag, so that audio and video are synchronised."""
    return [
        replace(
            clip,
            phones=None if clip.phones is None else shift(clip.phones, lags[clip.name]),
            aligned=None if clip.aligned is None else shift(clip.aligned, lags[clip.name]),
        )
        for clip in clips
    ]


def spoken(clips: Iterable[MotionClip], split: str) -> list[MotionClip]:
    """The clips of a split that have phones."""
    return [clip for clip in clips if clip.split == split and clip.phones is not None]
