"""`styletalk train recognizer`: trains the streaming recognizer on the data folder, on the CPU or a GPU.

Resumable: a checkpoint contains weights, averaged weights, optimiser state and step; batch s depends only on the seed
and s. The averaged weights after the last step are shipped; the intermediate scores on held-out speakers and on the
official samples are not used for model selection.
"""

import argparse
import json
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from styletalk_core.audio import SPEECH_RATE, read_audio
from styletalk_core.errors import InputError
from styletalk_core.lab.recognizer.accuracy import mean_accuracy, score
from styletalk_core.lab.recognizer.alignment import labels_at
from styletalk_core.lab.recognizer.augmentation import Augmenter, SpeechBatch, SpeechClip
from styletalk_core.lab.recognizer.corpus import EXTRA, FREE_SOURCES, CorpusUtterance, prepare, utterances
from styletalk_core.lab.recognizer.schedule import rate_share
from styletalk_core.lab.recognizer.synthesis import synthesise
from styletalk_core.lab.recognizer.teacher import COLUMN_SECONDS, TeacherLabels
from styletalk_core.phones import CLOSED_LIPS, FPS, LIP_TO_TEETH, PHONES, SIL_INDEX
from styletalk_core.recognizer.dimensions import STACK, RecognizerConfig
from styletalk_core.recognizer.features import OVERLAP, FeatureState, extract, log_mel
from styletalk_core.recognizer.network import RecognizerNetwork, load_network, save_network
from styletalk_core.recognizer.stream import STEP_SAMPLES

log = logging.getLogger(__name__)

SHARES: Final = {
    "librispeech": 0.46, "speechocean762": 0.16, "GRID": 0.02, "synthetic": 0.42, EXTRA: 1.5, "other": 0.07
}  # fmt: skip
"""Relative sampling weight of each available source; `EXTRA` stands for extra recordings."""
HELD_OUT_SOURCE: Final = "librispeech"
"""Source whose test speakers are scored during training."""
CLOSED_WEIGHT: Final = 1.25
TEETH_WEIGHT: Final = 1.25
COLUMNS: Final = 200
"""Length of an excerpt: 4 s."""
SETTLING: Final = 10
"""Columns at the start of an excerpt that are excluded from the loss, since they lack context."""
MARGIN: Final = 12
"""Silence kept before and after an utterance, columns (240 ms)."""
AVERAGED_SHARE: Final = 0.1
"""Time constant of the running average of the weights, as a share of the steps."""
WEIGHT_DECAY: Final = 0.05
WARM_UP_SHARE: Final = 0.05
"""Duration of the learning rate warm-up, as a share of the steps."""
DEFAULT_DELAY: Final = 4
"""Delay of the head used live, which has the largest weight in the loss and is scored."""
DEFAULT_SHARE: Final = 0.5
"""Share of that head in the loss."""


@dataclass(frozen=True, slots=True)
class DevClip:
    """Audio used only for scoring: features (1, 2 T, 80) and labels (F,) at 30 fps."""

    features: Tensor
    labels: NDArray[np.uint8]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command-line options."""
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the project's data folder")
    parser.add_argument("--extra", type=Path, help="folder of extra recordings (see docs/training.md)")
    parser.add_argument("--cache", type=Path, required=True, help="folder for aligned audio and checkpoints")
    parser.add_argument("--out", type=Path, required=True, help="weight file to write (.safetensors)")
    parser.add_argument("--steps", type=int, default=16000, help="total optimiser steps (default: 16000)")
    parser.add_argument("--batch", type=int, default=24, help="4 s excerpts per batch (default: 24)")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="peak learning rate (default: 0.0015)")
    parser.add_argument("--every", type=int, default=250, help="steps between checkpoints (default: 250)")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and batches (default: 0)")
    parser.add_argument("--start", type=Path, help="weight file to start from (default: random weights)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--licence", choices=("all", "free"), default="all", help="free: only freely licensed audio")
    parser.add_argument("--synthetic", type=int, default=1600, help="sentences to synthesise (default: 1600)")
    parser.add_argument("--no-align", action="store_true", help="use only recordings already in the cache")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Trains; returns the step and the dev accuracy of the written weights.

    Raises:
        InputError: no training data, or no CUDA device.
    """
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError("no CUDA device was found: use --device cpu")
    torch.set_num_threads(1)
    if not args.no_align:
        log.info("stored %d new recordings", prepare(args.data, args.cache / "utterances", args.extra))
        log.info("synthesised %d new sentences", synthesise(args.cache / "utterances", args.synthetic))
    material = list(utterances(args.cache / "utterances"))
    free = args.licence == "free"
    taught = [one for one in material if one.split == "train" and (not free or one.source in FREE_SOURCES)]
    if not taught:
        raise InputError(f"{args.cache} contains no training data: run once without --no-align")
    clips = list(_training_clips(taught, TeacherLabels(args.cache, material)))
    held_out = [_dev_clip(one) for one in material if one.split == "test" and one.source == HELD_OUT_SOURCE]
    hours = sum(len(clip.targets) for clip in clips) * COLUMN_SECONDS / 3600
    log.info("%d utterances, %.2f h; %d held out", len(clips), hours, len(held_out))
    extra = sorted({one.source for one in material if _is_extra(one)}) if not free else []
    training = Training(args, Augmenter(clips, SHARES, args.seed), held_out, list(dev_clips(args.data)), extra)
    return training.run() | {"hours": round(hours, 2)}


class Training:
    """Training loop with checkpoints."""

    def __init__(
        self,
        args: argparse.Namespace,
        augmenter: Augmenter,
        held_out: list[DevClip],
        dev: list[DevClip],
        extra: Sequence[str] = (),
    ) -> None:
        """Args: extra: sources of extra recordings with their licence terms, for the model card."""
        torch.manual_seed(args.seed)
        self._args, self._augmenter, self._held_out, self._dev, self._extra = args, augmenter, held_out, dev, extra
        network = (
            load_network(args.start).requires_grad_().train() if args.start else RecognizerNetwork(RecognizerConfig())
        )
        self._network = network.to(args.device)
        decay = 1 - 1 / max(AVERAGED_SHARE * args.steps, 2)
        averaging = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        self._average = AveragedModel(self._network, multi_avg_fn=averaging)
        self._optimiser = torch.optim.AdamW(
            self._network.parameters(), args.rate, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY
        )
        weight = torch.ones(len(PHONES))
        weight[list(CLOSED_LIPS)], weight[list(LIP_TO_TEETH)] = CLOSED_WEIGHT, TEETH_WEIGHT
        self._weight = weight.to(args.device)
        delays = self._network.config.delays
        others = (1 - DEFAULT_SHARE) / (len(delays) - 1)
        self._shares = [DEFAULT_SHARE if delay == DEFAULT_DELAY else others for delay in delays]
        self._step = 0
        self._figures: dict[str, Any] = {}
        self._path = args.cache / f"training_{args.licence}_{args.seed}.pt"
        if self._path.exists():
            self._resume()

    def run(self) -> dict[str, Any]:
        """Trains to the last step; returns its metrics."""
        started, losses = time.monotonic(), []
        while self._step < self._args.steps:
            batch = self._augmenter.batch(self._step, self._args.batch, COLUMNS)
            losses.append(self._learn(batch))
            self._step += 1
            if self._step % self._args.every == 0 or self._step == self._args.steps:
                self._judge(float(np.mean(losses)), (time.monotonic() - started) / len(losses))
                started, losses = time.monotonic(), []
        return self._figures

    def _learn(self, batch: SpeechBatch) -> float:
        """Runs one optimiser step; returns the loss."""
        for group in self._optimiser.param_groups:
            group["lr"] = self._args.rate * rate_share(
                self._step, self._args.steps, WARM_UP_SHARE * self._args.steps + 1
            )
        torch.manual_seed(self._args.seed * 1_000_003 + self._step)  # dropout depends only on the step, too
        features = torch.from_numpy(batch.features).to(self._args.device)
        targets = torch.from_numpy(batch.targets).to(self._args.device)
        with torch.autocast("cuda", torch.bfloat16, enabled=self._args.device.startswith("cuda")):
            logits = self._network(features)
        loss = torch.stack([
            share * functional.cross_entropy(
                logits[:, SETTLING + delay :, head].float().flatten(0, 1),
                targets[:, SETTLING + 1 : targets.shape[1] + 1 - delay].flatten(0, 1),
                weight=self._weight,
            )
            for head, (delay, share) in enumerate(zip(self._network.config.delays, self._shares, strict=True))
        ]).sum()  # fmt: skip
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self._optimiser.step()
        self._average.update_parameters(self._network)
        return float(loss.detach())

    def _judge(self, loss: float, seconds: float) -> None:
        """Scores the averaged weights and writes them and the checkpoint."""
        network = self._average.module.eval()
        assert isinstance(network, RecognizerNetwork)
        held_out, dev = judge(network, self._held_out), judge(network, self._dev)
        log.info("step %d  loss %.3f  %.2f s/step", self._step, loss, seconds)
        log.info("held out %s", json.dumps(held_out))
        log.info("official %s", json.dumps(dev))
        self._figures = {"step": self._step, "seed": self._args.seed, "licence": self._args.licence}
        self._figures |= {"held_out": held_out, "official": dev}
        save_network(network, self._args.out, model_card(self._figures, self._extra))
        state = {
            "network": self._network.state_dict(),
            "average": self._average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "step": self._step,
            "figures": self._figures,
        }
        unfinished = self._path.with_suffix(".part")
        torch.save(state, unfinished)
        unfinished.replace(self._path)

    def _resume(self) -> None:
        state = torch.load(self._path, map_location=self._args.device, weights_only=True)
        self._network.load_state_dict(state["network"])
        self._average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._step, self._figures = state["step"], state["figures"]
        log.info("resumed at step %d", self._step)


def dev_clips(data: Path) -> Iterator[DevClip]:
    """Yields the official samples with audio and labels."""
    for path in sorted((data / "official_dev").glob("*_seq.json")):
        samples = read_audio(path.with_name(f"{path.name.removesuffix('_seq.json')}.flac"))
        yield DevClip(_features(samples), np.array(json.loads(path.read_text()), np.uint8))


def _dev_clip(one: CorpusUtterance) -> DevClip:
    frames = len(one.samples) * FPS // SPEECH_RATE
    labels = labels_at(one.labels, np.arange(frames) / FPS)
    return DevClip(_features(one.audio), labels)


def _features(samples: NDArray[np.float32]) -> Tensor:
    """Features (1, 2 T, 80) of audio (n,) padded with a second of silence."""
    samples = np.pad(samples, (0, SPEECH_RATE))
    features, _ = extract(samples[None, : len(samples) // STEP_SAMPLES * STEP_SAMPLES], FeatureState.zeros(1))
    return torch.from_numpy(features)


def model_card(figures: dict[str, Any], extra: Sequence[str] = ()) -> dict[str, str]:
    """Model card of the weight file, with the ``figures`` on the official samples (without the speech gate)."""
    material = "LibriSpeech, speechocean762, LJ Speech and GRID (train split); voices of flite, hibari-tts, Piper (Joe)"
    terms = "free for every use; name the sources"
    if figures["licence"] == "all":
        material += ", spoken clips of the video folder (train split)"
        terms = "research use: some of the clips are for research only"
    material += "".join(f", {source}" for source in extra)
    return {
        "title": "Streaming phoneme recognizer, 41 symbols, 20 ms columns",
        "material": material,
        "labels": "posteriors of a network on the encoder of whisper-base, trained on aligned LibriSpeech",
        "terms": terms,
        "figures": json.dumps(figures),
    }


def judge(network: RecognizerNetwork, clips: list[DevClip], delay: int = DEFAULT_DELAY) -> dict[str, float]:
    """Mean accuracies of one head of the network, without the speech gate."""
    head = network.config.delays.index(delay)
    scores = []
    for clip in clips:
        with torch.no_grad():
            logits = network(clip.features.to(network.stem.weight.device))[0, delay - 1 :, head]
        ids = logits.argmax(dim=-1).cpu().numpy().astype(np.uint8)
        ticks = np.arange(len(clip.labels)) * 48_000 // FPS
        scores.append(score(ids[ticks // 960], clip.labels))
    return mean_accuracy(scores, [len(clip.labels) for clip in clips]) if clips else {"strict": 0.0}


def _training_clips(material: Iterable[CorpusUtterance], labels: TeacherLabels) -> Iterator[SpeechClip]:
    """Clips of ``material``, labelled by the teacher, without long silence before and after the speech."""
    for utterance in material:
        targets = labels.of(utterance)
        spoken = np.flatnonzero(targets.argmax(axis=1) != SIL_INDEX)
        if len(spoken):
            first, end = max(spoken[0] - MARGIN, 0), min(spoken[-1] + MARGIN, len(targets))
            samples = np.pad(utterance.audio, (OVERLAP, 0))
            decibels = log_mel(samples).astype(np.float16)[STACK * first : STACK * end]
            source = EXTRA if _is_extra(utterance) else utterance.source
            yield SpeechClip(source, decibels, targets[first:end])


def _is_extra(utterance: CorpusUtterance) -> bool:
    return utterance.name.startswith(f"{EXTRA}/")
