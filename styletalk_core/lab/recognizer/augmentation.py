"""Training batches for the recognizer, augmented in the log-mel domain, where augmentation is cheap.

Augmentations: speed, vocal-tract length, microphone response, gain, reverberation, noise, babble, music and band
limits. A batch depends only on the seed and its number, so resumed training is reproducible. Pure.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.audio import SPEECH_RATE
from styletalk_core.lab.recognizer.alignment import LABEL_LAG, LABEL_RATE
from styletalk_core.lab.recognizer.noise import NOISES
from styletalk_core.lab.recognizer.teacher import COLUMN_SECONDS
from styletalk_core.phones import PHONES, SIL_INDEX
from styletalk_core.recognizer.features import (
    FIRST_LEVEL_DB,
    MELS,
    MIN_DB,
    OVERLAP,
    log_mel,
    normalise_level,
)

NOISE_SECONDS: Final = 40
NOISE_CLIPS: Final = 4
"""Number of clips of `NOISE_SECONDS` per kind of noise."""

BEND: Final = 1.5
"""Greatest shift of the middle bands, beside the vocal-tract length, in bands: formants move apart or together."""

Decibels = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SpeechClip:
    """One utterance: log-mel features (2 T, 80) float16, dB, at 100 Hz, and the phones of its T columns.

    targets: (T, 41) float16 probabilities, in the official convention.
    """

    source: str
    decibels: NDArray[np.float16]
    targets: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class SpeechBatch:
    """Features (B, 2 T, 80) float32 and probabilities of the phones of the T columns (B, T, 41) float32."""

    features: NDArray[np.float32]
    targets: NDArray[np.float32]


class Augmenter:
    """Draws batches from clips."""

    def __init__(self, clips: list[SpeechClip], shares: dict[str, float], seed: int) -> None:
        """Args: shares: relative weight of each source; an unlisted source counts as "other"."""
        self._clips = clips
        self._seed = seed
        keys = [clip.source if clip.source in shares else "other" for clip in clips]
        lengths = np.array([len(clip.targets) for clip in clips], float)
        totals = {key: lengths[[k == key for k in keys]].sum() for key in set(keys)}
        weight = np.array([shares[key] / totals[key] for key in keys]) * lengths
        self._chance = np.cumsum(weight / weight.sum())
        rng = np.random.default_rng(seed)
        count = NOISE_SECONDS * SPEECH_RATE + OVERLAP
        self._noises = [log_mel(make(rng, count)) for make in NOISES.values() for _ in range(NOISE_CLIPS)]

    def batch(self, number: int, size: int, columns: int) -> SpeechBatch:
        """Draws batch ``number``: `size` excerpts of `columns` 20 ms columns."""
        rng = np.random.default_rng((self._seed, number))
        frames = 2 * columns
        decibels = np.empty((size, frames, MELS), np.float32)
        targets = np.empty((size, columns, len(PHONES)), np.float32)
        for row in range(size):
            decibels[row], targets[row] = self._excerpt(rng, frames)
        silent = rng.random(size) < 0.04
        decibels[silent] = MIN_DB
        targets[silent] = np.eye(len(PHONES))[SIL_INDEX]
        decibels = self._reverberate(rng, self._equalise(rng, decibels))
        decibels = self._disturb(rng, decibels, silent)
        decibels += rng.uniform(-30, 10, (size, 1, 1)).astype(np.float32)
        decibels = self._cut_bands(rng, np.maximum(decibels, MIN_DB))
        level = FIRST_LEVEL_DB + np.where(rng.random(size) < 0.5, 0, rng.uniform(-10, 45, size))
        features, _ = normalise_level(decibels, level.astype(np.float32))
        return SpeechBatch(self._mask(rng, features), targets)

    def _excerpt(self, rng: np.random.Generator, frames: int) -> tuple[Decibels, NDArray[np.float32]]:
        """Speech with changed speed and vocal-tract length: (frames, 80) and (frames // 2, 41)."""
        speed = rng.uniform(0.85, 1.25) if rng.random() < 0.7 else 1.0
        needed = int(frames * speed) + 2
        parts: list[SpeechClip] = []
        while sum(len(clip.decibels) for clip in parts) < needed:
            parts.append(self._clips[int(np.searchsorted(self._chance, rng.random()))])
        source = np.concatenate([clip.decibels for clip in parts])
        targets = np.concatenate([clip.targets for clip in parts])
        first = rng.integers(0, len(source) - needed + 1)
        decibels = _between(source, first + speed * np.arange(frames)).T
        bands = np.arange(MELS)
        bend = rng.uniform(-BEND, BEND) * np.sin(np.pi * bands / MELS)
        decibels = _between(decibels, bands * rng.uniform(0.86, 1.16) + bend).T
        # The targets of a column are read at its time in the original, but for the lag of the label convention.
        seconds = np.arange(frames // 2) * COLUMN_SECONDS + COLUMN_SECONDS / 2
        instants = first / LABEL_RATE + speed * (seconds - LABEL_LAG) + LABEL_LAG
        return decibels, _between(targets, instants / COLUMN_SECONDS - 0.5)

    def _equalise(self, rng: np.random.Generator, decibels: Decibels) -> Decibels:
        """Microphone response: a smooth random curve of a few decibels."""
        knots = rng.normal(0, 3.5, (len(decibels), 6))
        places = np.linspace(0, 5, MELS)
        curve = np.stack([np.interp(places, np.arange(6), row) for row in knots])
        return np.asarray(decibels + curve[:, None, :], np.float32)

    def _reverberate(self, rng: np.random.Generator, decibels: Decibels) -> Decibels:
        """Reverberation: each band's power decays exponentially after the direct sound (a third of the excerpts)."""
        rows = np.flatnonzero(rng.random(len(decibels)) < 0.33)
        power = _power(decibels[rows])
        decay = 10 ** (-0.06 / rng.uniform(0.15, 0.7, (len(rows), 1)))
        wet = (1 - decay) * 10 ** (rng.uniform(-12, 1, (len(rows), 1)) / 10)
        tail = np.zeros_like(power[:, 0])
        for frame in range(power.shape[1]):
            direct = power[:, frame].copy()
            power[:, frame] += wet * tail
            tail = decay * (tail + direct)
        decibels[rows] = 10 * np.log10(power + 1e-10)
        return decibels

    def _disturb(self, rng: np.random.Generator, decibels: Decibels, silent: NDArray[np.bool_]) -> Decibels:
        """Adds noise, babble of four other excerpts, or only a faint noise floor."""
        size, frames, _ = decibels.shape
        power = _power(decibels)
        loudness = np.asarray(np.quantile(power.mean(axis=2), 0.8, axis=1))
        kind = rng.random((size,))
        for row in range(size):
            if kind[row] < 0.25 and not silent[row]:
                others = rng.integers(0, size, 4)
                noise = np.asarray(np.mean(power[others], axis=0)[:: rng.choice([-1, 1])], np.float32)
            else:
                clip = self._noises[rng.integers(len(self._noises))]
                start = rng.integers(0, len(clip) - frames)
                noise = _power(clip[start : start + frames])
            snr = rng.uniform(3, 30) if kind[row] < 0.5 else rng.uniform(30, 60)
            target = 10 ** rng.uniform(-9, -3) if silent[row] else loudness[row] / 10 ** (snr / 10)
            power[row] += noise * target / max(float(noise.mean()), 1e-12)
        return np.asarray(10 * np.log10(power + 1e-10), np.float32)

    def _mask(self, rng: np.random.Generator, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Masks some bands and time spans (SpecAugment)."""
        for row in features:
            for _ in range(rng.integers(0, 4)):
                band = rng.integers(0, MELS)
                row[:, band : band + rng.integers(2, 17)] = 0
            for _ in range(rng.integers(0, 6)):
                moment = rng.integers(0, len(row))
                row[moment : moment + rng.integers(2, 12)] = 0
        return features

    def _cut_bands(self, rng: np.random.Generator, decibels: Decibels) -> Decibels:
        """Band-limited channel: removes bands above or below a cut-off (a sixth of the excerpts); short drop-outs."""
        for row in np.flatnonzero(rng.random(len(decibels)) < 0.16):
            floor = rng.uniform(MIN_DB, -70)
            if rng.random() < 0.7:
                decibels[row, :, rng.integers(48, MELS) :] = floor
            else:
                decibels[row, :, : rng.integers(2, 12)] = floor
        for row in np.flatnonzero(rng.random(len(decibels)) < 0.1):
            start = rng.integers(0, decibels.shape[1])
            decibels[row, start : start + rng.integers(2, 8)] = MIN_DB
        return decibels


def _power(decibels: Decibels) -> Decibels:
    return np.asarray(10 ** (decibels / 10), np.float32)


def _between(rows: NDArray[np.floating], places: NDArray[np.floating]) -> NDArray[np.float32]:
    """Interpolates rows (n, c) linearly at fractional places (m,), clipped to the first and last: (m, c)."""
    places = np.clip(places, 0, len(rows) - 1.001)
    whole = places.astype(int)
    share = (places - whole).astype(np.float32)[:, None]
    return np.asarray((1 - share) * rows[whole] + share * rows[whole + 1], np.float32)
