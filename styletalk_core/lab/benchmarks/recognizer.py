"""`styletalk bench recognizer`: real-time factor, look-ahead and time per 20 ms step of the live recognizer."""

import argparse
import time
from typing import Any, Final

import numpy as np

from styletalk_core.audio import SPEECH_RATE
from styletalk_core.lab.recognizer.noise import music
from styletalk_core.recognizer.stream import STEP_SAMPLES, Recognizer, RecognizerStream

WARM_UP: Final = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command-line options."""
    parser.add_argument("--streams", type=int, default=1, help="streams per batch (default: 1)")
    parser.add_argument("--seconds", type=float, default=20.0, help="duration of the audio (default: 20)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Returns ``rtf`` and ``cpu_ms``, the CPU time of one stream per second of audio and per step.

    Also ``step_ms``, ``step_p95_ms`` and ``step_p99_ms``, wall-clock time per step of all streams, and
    ``lookahead_ms``.
    """
    recognizer = Recognizer.load()
    streams = [RecognizerStream(recognizer) for _ in range(args.streams)]
    count = max(int(args.seconds * SPEECH_RATE / STEP_SAMPLES), 200)
    audio = music(np.random.default_rng(0), (count + WARM_UP) * STEP_SAMPLES).reshape(-1, STEP_SAMPLES)
    for piece in audio[:WARM_UP]:
        recognizer.push(streams, [piece] * len(streams))
    times, cpu_started = [], time.process_time()
    for piece in audio[WARM_UP:]:
        started = time.perf_counter()
        recognizer.push(streams, [piece] * len(streams))
        times.append(time.perf_counter() - started)
    cpu = (time.process_time() - cpu_started) / count / args.streams
    p50, p95, p99 = np.quantile(times, (0.5, 0.95, 0.99)) * 1000
    result = {
        "rtf": round(cpu * SPEECH_RATE / STEP_SAMPLES, 4),
        "lookahead_ms": recognizer.delay_ticks / 48,
        "cpu_ms": round(cpu * 1000, 3),
        "step_ms": round(float(p50), 3),
        "step_p95_ms": round(float(p95), 3),
        "step_p99_ms": round(float(p99), 3),
        "streams": args.streams,
        "device": "cpu",
    }
    if not args.json:
        print("\n".join(f"{key:14} {value}" for key, value in result.items()))
    return result
