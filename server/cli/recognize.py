"""`styletalk recognize FILE`: one phone label per video frame, with times."""

import argparse
from itertools import groupby
from pathlib import Path
from typing import Any

from styletalk_core.audio import SPEECH_RATE, read_audio
from styletalk_core.phones import FPS, PHONES
from styletalk_core.recognizer.backends import BACKENDS, open_backend
from styletalk_core.recognizer.stream import frame_labels, recognize


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the file and the backend."""
    parser.add_argument("audio", type=Path, help="audio or video file, any format and sample rate")
    parser.add_argument("--backend", choices=BACKENDS, default="neural", help="recognizer (default: neural)")
    parser.add_argument(
        "--vosk-model", metavar="MODEL", help="model of the vosk backend: a folder, or a name like en-us"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Returns ``fps``, ``labels`` (a phone id per frame), ``phones`` (their names), ``times`` and ``lookahead_ms``.

    Raises:
        InputError: the file cannot be read, or the backend has no model.
    """
    samples = read_audio(args.audio)
    backend = open_backend(args.backend, args.vosk_model)
    frames = len(samples) * FPS // SPEECH_RATE
    labels = frame_labels(recognize(backend, samples), frames).tolist()
    if not args.json:
        frame = 0
        for phone, run_of_frames in groupby(labels):
            count = len(list(run_of_frames))
            print(f"{frame / FPS:8.3f} {(frame + count) / FPS:8.3f}  {PHONES[phone]}")
            frame += count
    return {
        "fps": FPS,
        "labels": labels,
        "phones": [PHONES[label] for label in labels],
        "times": [round(frame / FPS, 4) for frame in range(frames)],
        "lookahead_ms": round(backend.delay_ticks / 48, 1),
        "backend": args.backend,
    }
