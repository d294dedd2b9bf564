"""`styletalk bench recognizer-accuracy`: accuracy of the phone labels on clean speech, in noise and without speech."""

import argparse
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from styletalk_core.audio import SPEECH_RATE, TICKS_PER_SAMPLE, read_audio
from styletalk_core.errors import InputError
from styletalk_core.lab.recognizer.accuracy import mean_accuracy, score
from styletalk_core.lab.recognizer.alignment import labels_at
from styletalk_core.lab.recognizer.confidence import best_temperature, reliability, tempered
from styletalk_core.lab.recognizer.corpus import utterances
from styletalk_core.lab.recognizer.hand_labels import HandLabelled, Reference, hand_labelled
from styletalk_core.lab.recognizer.noise import NOISES, mix
from styletalk_core.phones import FPS, SIL_INDEX
from styletalk_core.recognizer.backends import BACKENDS, open_backend
from styletalk_core.recognizer.stream import PhoneRecognizer, Recognizer, RecognizerStream, frame_labels, recognize
from styletalk_core.recognizer.weights import load_weights

TICK_RATE: Final = SPEECH_RATE * TICKS_PER_SAMPLE
SNRS: Final = (20, 10)
SHIFTS_MS: Final = range(-60, 61, 10)
TESTED: Final = 120
"""Utterances of held-out speakers scored per source."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command-line options."""
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the project's data folder")
    parser.add_argument("--cache", type=Path, help="cache of `styletalk train recognizer`, to add held-out speakers")
    parser.add_argument("--backend", choices=BACKENDS, default="neural", help="recognizer (default: neural)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Returns accuracies on official samples, on held-out speakers and in noise, and the share of SIL in non-speech.

    On speakers labelled by hand the neural back end is also measured by the delay of its output, and its probabilities
    are compared with how often they are right.

    Raises:
        InputError: the data folder contains no official samples, or the back end has no model.
    """
    backend = open_backend(args.backend)
    dev = list(official_samples(args.data))
    result: dict[str, Any] = {"backend": args.backend, "lookahead_ms": backend.delay_ticks / 48}
    result["official"] = accuracy(backend, dev)
    result["shift_ms"], result["official_best_shift"] = _best_shift(backend, dev)
    for clip in dev:
        result[clip.name] = accuracy(backend, [clip])
    if args.cache:
        for source in ("librispeech", "speechocean762", "GRID"):
            if held_out := list(_held_out(args.cache / "utterances", source)):
                result[f"held_out_{source}"] = accuracy(backend, held_out)
    if args.backend == "neural" and (dev_labels := list(hand_labelled(args.data, "dev"))):
        test = list(hand_labelled(args.data, "test"))
        result["by_delay"] = _by_delay(test, dev)
        result["calibration"] = calibration(RecognizerStream(Recognizer.load()), dev_labels, test)
    result["noise_cost"] = _noise_cost(backend, dev, result["official"]["strict"])
    result["silent_share"] = _silent_shares(backend)
    if not args.json:
        print(json.dumps(result, indent=2))
    return result


def official_samples(data: Path) -> Iterator[Reference]:
    """Yields the official samples with audio and labels; raises InputError if there are none."""
    paths = sorted((data / "official_dev").glob("*_seq.json"))
    if not paths:
        raise InputError(f"{data} contains no official_dev folder with samples: --data must be the data folder")
    for path in paths:
        name = path.name.removesuffix("_seq.json")
        labels = np.array(json.loads(path.read_text()), np.uint8)
        yield Reference(name, read_audio(path.with_name(f"{name}.flac")), labels)


def _held_out(cache: Path, source: str) -> Iterator[Reference]:
    """Yields test utterances of speakers outside the training split, labelled by the aligner."""
    chosen = [one for one in utterances(cache) if one.split == "test" and one.source == source][:TESTED]
    for one in chosen:
        samples = one.audio
        frames = len(samples) * FPS // SPEECH_RATE
        yield Reference(one.name, samples, labels_at(one.labels, np.arange(frames) / FPS))


def accuracy(backend: PhoneRecognizer, references: list[Reference]) -> dict[str, float]:
    """Returns the label accuracy weighted by length: `mean_accuracy` over all references."""
    scores = [score(frame_labels(recognize(backend, one.samples), len(one.labels)), one.labels) for one in references]
    return mean_accuracy(scores, [len(one.labels) for one in references])


def _by_delay(labelled: list[HandLabelled], official: list[Reference]) -> dict[str, dict[str, dict[str, float]]]:
    """Accuracy of every output of the network, by its delay in ms, on speech labelled by hand and on the samples."""
    known = [one.reference for one in labelled]
    delays = load_weights().config.delays
    backends = {delay: RecognizerStream(Recognizer(delay_steps=delay)) for delay in delays}
    return {
        str(backend.delay_ticks // 48): {"hand": accuracy(backend, known), "official": accuracy(backend, official)}
        for backend in backends.values()
    }


def calibration(
    backend: PhoneRecognizer, held_out: list[HandLabelled], test: list[HandLabelled]
) -> dict[str, float | list[dict[str, float]]]:
    """Reliability on ``test`` as it is and at the temperature that suits ``held_out`` best."""
    temperature = best_temperature(*_columns(backend, held_out))
    columns, labels = _columns(backend, test)
    found, after = reliability(columns, labels), reliability(tempered(columns, temperature), labels)
    bins = zip(found.share, found.confidence, found.accuracy, strict=True)
    return {
        "error": round(found.error, 4),
        "temperature": temperature,
        "error_at_temperature": round(after.error, 4),
        "bins": [
            {"share": round(share, 4), "confidence": round(confidence, 4), "accuracy": round(right, 4)}
            for share, confidence, right in bins
            if share
        ],
    }


def _columns(backend: PhoneRecognizer, labelled: list[HandLabelled]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Columns (T, 41) of all recordings where there is speech, and the phones (T,) at their centres."""
    columns, labels = [], []
    for one in labelled:
        heard = recognize(backend, one.samples)
        centres = (np.arange(len(heard.posteriors)) + 0.5) * heard.hop / TICK_RATE
        columns.append(heard.posteriors[heard.speech])
        labels.append(one.at(centres)[heard.speech])
    return np.concatenate(columns), np.concatenate(labels)


def _best_shift(backend: PhoneRecognizer, references: list[Reference]) -> tuple[int, dict[str, float]]:
    """The constant label shift (ms) with the best agreement, and the accuracy at that shift."""
    heard = [recognize(backend, one.samples) for one in references]
    figures = {}
    for shift in SHIFTS_MS:
        moved = [dataclasses.replace(one, start=one.start + 48 * shift) for one in heard]
        pairs = zip(moved, references, strict=True)
        scores = [score(frame_labels(one, len(reference.labels)), reference.labels) for one, reference in pairs]
        figures[shift] = mean_accuracy(scores, [len(one.labels) for one in references])
    best = max(figures, key=lambda shift: figures[shift]["strict"])
    return best, figures[best]


def _noise_cost(backend: PhoneRecognizer, references: list[Reference], quiet: float) -> dict[str, float]:
    """Loss of strict accuracy with each noise, in percentage points."""
    rng = np.random.default_rng(0)
    longest = max(len(one.samples) for one in references)
    voices = [np.resize(np.roll(one.samples[::-1], 8000 * i), longest) for i, one in enumerate(references)]
    noises = {"white": NOISES["white"](rng, longest), "music": NOISES["music"](rng, longest)}
    noises["babble"] = np.asarray(sum(voices), np.float32)
    costs = {}
    for name, noise in noises.items():
        for snr in SNRS:
            noisy = [
                dataclasses.replace(one, samples=mix(one.samples, noise[: len(one.samples)], snr)) for one in references
            ]
            costs[f"{name}_{snr}db"] = round(100 * (quiet - accuracy(backend, noisy)["strict"]), 1)
    return costs


def _silent_shares(backend: PhoneRecognizer) -> dict[str, float]:
    """Share of SIL in 30 s of each kind of non-speech audio."""
    rng = np.random.default_rng(1)
    count = 30 * SPEECH_RATE
    sounds = {name: make(rng, count) for name, make in NOISES.items()}
    sounds["digital silence"] = np.zeros(count, np.float32)
    sounds["quiet room"] = 0.003 * NOISES["coloured"](rng, count)
    shares = {}
    for name, audio in sounds.items():
        labels = frame_labels(recognize(backend, audio), 30 * FPS)
        shares[name] = round(float(np.mean(labels == SIL_INDEX)), 4)
    return shares
