"""Training corpus of the recognizer: audio, aligned where an aligner is needed, one compressed file per recording.

Reads the project's data folder and folders of extra recordings and stores them in a cache folder. Aligned are the
recordings from which the teacher learns and those that measure the recognizer; the teacher labels all others.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.audio import SPEECH_RATE, read_audio
from styletalk_core.errors import InputError
from styletalk_core.lab.recognizer.alignment import LABEL_RATE, ForcedAligner
from styletalk_core.lab.recognizer.transcripts import OfflineTranscripts

FREE_SOURCES: Final = ("librispeech", "speechocean762", "LJ Speech", "GRID", "synthetic")
"""Sources whose licence allows any use."""
TEACHER_SOURCE: Final = "librispeech"
"""Source whose recordings teach the teacher: many native speakers, read clearly."""
FOREIGN_SOURCES: Final = ("Arabic newsreaders",)
"""Skipped sources, in a language that the aligner does not support."""
EXTRA: Final = "extra"
"""Name prefix of extra recordings."""
EXTRA_COLUMNS: Final = ("file", "source", "speaker", "licence")

FRAME: Final = SPEECH_RATE // LABEL_RATE
"""Samples per label."""
MAX_PART_SAMPLES: Final = 20 * SPEECH_RATE
"""Maximum length of an untranscribed part; the cost of alignment grows faster than linearly with the length."""
PAUSE_FRAMES: Final = 15
"""Window for detecting pauses, label frames (150 ms)."""


@dataclass(frozen=True, slots=True)
class CorpusRecording:
    """One file of the data folder."""

    name: str
    path: Path
    source: str
    speaker: str
    split: str
    text: str


@dataclass(frozen=True, slots=True)
class CorpusUtterance:
    """Audio: samples (n,) int16 at 16 kHz; labels (n // 160,) uint8 at 100 Hz, as aligned, or empty."""

    name: str
    source: str
    speaker: str
    split: str
    samples: NDArray[np.int16]
    labels: NDArray[np.uint8]

    @property
    def audio(self) -> NDArray[np.float32]:
        """The samples as (n,) float32 in [-1, 1)."""
        return np.asarray(self.samples / 32768, np.float32)

    def save(self, path: Path) -> None:
        """Writes a compressed file for `load`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = np.array([self.name, self.source, self.speaker, self.split])
        np.savez_compressed(path, samples=self.samples, labels=self.labels, text=text)

    @classmethod
    def load(cls, path: Path) -> "CorpusUtterance":
        """Reads a file written by `save`."""
        with np.load(path) as arrays:
            name, source, speaker, split = (str(word) for word in arrays["text"])
            return cls(name, source, speaker, split, arrays["samples"], arrays["labels"])


def recordings(data: Path) -> Iterator[CorpusRecording]:
    """Yields every recording with speech under the data folder.

    Raises:
        InputError: the folder contains no manifest.
    """
    for folder, key, extension in (("speech", "file", ""), ("video", "clip", ".mp4")):
        manifest = data / folder / "manifest.tsv"
        if not manifest.is_file():
            raise InputError(f"{manifest} does not exist: --data must be the project's data folder")
        with manifest.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
                if row.get("audio", "yes") == "yes" and row["source"] not in FOREIGN_SOURCES:
                    name = row[key]
                    path = data / folder / f"{name}{extension}"
                    text = row["text"] or ""
                    yield CorpusRecording(name, path, row["source"], row["speaker"], row["split"], text)


def extra_recordings(folder: Path) -> Iterator[CorpusRecording]:
    """Yields every recording in the manifest.tsv of ``folder``, all for training; see `docs/training.md`.

    Raises:
        InputError: the manifest or one of its columns is missing.
    """
    manifest = folder / "manifest.tsv"
    if not manifest.is_file():
        raise InputError(f"{manifest} does not exist: --extra must be a folder with a manifest.tsv")
    with manifest.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        if missing := set(EXTRA_COLUMNS).difference(rows.fieldnames or ()):
            raise InputError(f"{manifest} lacks the columns {', '.join(sorted(missing))}")
        for row in rows:
            name, source = f"{EXTRA}/{row['source']}/{row['file']}", f"{row['source']} ({row['licence']})"
            yield CorpusRecording(name, folder / row["file"], source, row["speaker"], "train", "")


def prepare(data: Path, cache: Path, extra: Path | None = None, part: int = 0, parts: int = 1) -> int:
    """Stores every recording missing from ``cache``, aligned if needed, and returns how many were added.

    Args:
        extra: folder of extra recordings.
        part: index of this process's share of the work, of ``parts`` equal shares.
    """
    aligner, transcripts, added = ForcedAligner(), OfflineTranscripts(), 0
    found = [*recordings(data), *(extra_recordings(extra) if extra else ())]
    for recording in found[part::parts]:
        path = cache / f"{Path(recording.name).with_suffix('')}.npz"
        if path.exists():
            continue
        samples = read_audio(recording.path)
        labels: NDArray[np.uint8] | None = np.zeros(0, np.uint8)
        if recording.split != "train" or recording.source == TEACHER_SOURCE:
            labels = _align(samples, recording.text, aligner, transcripts)
        if labels is not None:
            pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
            CorpusUtterance(recording.name, recording.source, recording.speaker, recording.split, pcm, labels).save(
                path
            )
            added += 1
    return added


def _align(
    samples: NDArray[np.float32], text: str, aligner: ForcedAligner, transcripts: OfflineTranscripts
) -> NDArray[np.uint8] | None:
    """Labels of a recording, transcribed first if ``text`` is empty; None if audio and text do not match."""
    if text:
        return aligner.align_text(samples, text)
    labels = []
    for part in split_at_pauses(samples):
        aligned = aligner.align_text(part, transcripts.recognize(part))
        if aligned is None:
            return None
        labels.append(aligned)
    return np.concatenate(labels)


def split_at_pauses(samples: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Cuts long audio (n,) at its quietest points into parts short enough to align, each of whole label frames."""
    if len(samples) <= MAX_PART_SAMPLES:
        return [samples]
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    loudness = np.convolve(np.square(frames).mean(axis=1), np.ones(PAUSE_FRAMES), mode="same")
    quarter = len(loudness) // 4
    cut = (quarter + int(loudness[quarter : 3 * quarter].argmin())) * FRAME
    return split_at_pauses(samples[:cut]) + split_at_pauses(samples[cut:])


def utterances(cache: Path) -> Iterator[CorpusUtterance]:
    """Yields every utterance that `prepare` has stored, sorted by name."""
    for path in sorted(cache.rglob("*.npz")):
        yield CorpusUtterance.load(path)
