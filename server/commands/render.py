"""`styletalk render`: a portrait speaks an audio file into an mp4, through the same session as a live call.

Runs on: the main thread, in virtual time, as fast as the machine can.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from server.home import user_folder
from server.sessions.mp4 import Mp4Writer
from streaming.media import FRAME_TICKS, TICK_RATE
from streaming.offline import OfflineFrame, render
from streaming.session import Settings
from styletalk_core.audio import read_audio
from styletalk_core.engine import ModelEngine
from styletalk_core.errors import InputError
from styletalk_core.phones import FPS
from styletalk_core.renderer.background import KEEP, TRANSPARENT, BackgroundLibrary
from styletalk_core.renderer.portrait import AvatarLibrary, enrol
from styletalk_core.renderer.window_renderer import MESH, RENDERERS, network_for
from styletalk_core.styles import StyleLibrary

LONGEST_SECONDS = 3600
PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--portrait", required=True, metavar="P", help="name of a portrait, or a photo")
    parser.add_argument("--audio", required=True, type=Path, metavar="A", help="audio or video file that is spoken")
    parser.add_argument("--style", default="neutral", metavar="S", help="speaking style (neutral)")
    parser.add_argument("--intensity", type=float, default=1.0, metavar="X", help="0 to 1.5 (1)")
    parser.add_argument("--size", type=int, default=512, choices=(256, 512), help="picture size (512)")
    parser.add_argument(
        "--background", default=KEEP, metavar="B", help="keep, blur, transparent, #rrggbb or a picture's name (keep)"
    )
    parser.add_argument("--future-frames", type=int, default=2, metavar="F", help="phone look-ahead, 0 to 5 (2)")
    parser.add_argument("--renderer", default=MESH, choices=RENDERERS, help="what draws the pictures (mesh)")
    parser.add_argument("--renderer-weights", type=Path, metavar="FILE", help="the pirenderer's published checkpoint")
    parser.add_argument("--seed", type=int, default=0, help="of the idle life (0)")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="out.mp4", help="video to write")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Renders; returns ``frames``, ``seconds`` taken and ``realtime_factor`` (below 1 is faster than real time).

    Raises:
        InputError: an unknown portrait, style or background, a photo without a face, sound that cannot be read, weights
            that do not fit, or a bad option.
    """
    if not 0 <= args.intensity <= 1.5:
        raise InputError(f"The intensity must be from 0 to 1.5, not {args.intensity:g}.")
    if not 0 <= args.future_frames <= 5:
        raise InputError(f"--future-frames must be from 0 to 5, not {args.future_frames}.")
    if args.output.suffix.lower() != ".mp4" or not args.output.parent.is_dir():
        raise InputError(f"{args.output} must be an .mp4 file in a folder that exists.")
    backgrounds = BackgroundLibrary(user_folder("backgrounds"))
    backgrounds.check(args.background)
    pirenderer = network_for(args.renderer, args.renderer_weights)
    samples = _spoken(args.audio)
    with tempfile.TemporaryDirectory() as guests:
        avatars, avatar = _portrait(args.portrait, Path(guests))
        engine = ModelEngine(
            avatars, StyleLibrary(user_folder("styles")), backgrounds, size=args.size, pirenderer=pirenderer
        )
        engine.warmup()
        settings = Settings(avatar, args.style, args.intensity, args.background)
        started = time.perf_counter()
        frames = render(engine, samples, settings, args.future_frames, args.seed)
        count = -(-len(samples) // FRAME_TICKS)
        with closing(frames), _replaced(args.output) as partial:
            height = args.size * (2 if args.background == TRANSPARENT else 1)
            _write(partial, tqdm(frames, total=count, unit="frame", disable=args.json or None), args.size, height)
        seconds = time.perf_counter() - started
    factor = seconds / (count / FPS)
    if not args.json:
        print(f"{args.output}: {count} frames in {seconds:.1f} s ({1 / factor:.1f} x real time)")
    return {"frames": count, "seconds": round(seconds, 3), "realtime_factor": round(factor, 4)}


def _portrait(name: str, guests: Path) -> tuple[AvatarLibrary, str]:
    """A library that has the portrait, and its name there; a photo is enrolled in the folder ``guests``."""
    if Path(name).suffix.lower() not in PICTURE_SUFFIXES:
        return AvatarLibrary(user_folder("avatars")), name
    avatars = AvatarLibrary(guests)
    avatars.add(enrol(Path(name), name="guest"))
    return avatars, "guest"


def _spoken(path: Path) -> NDArray[np.int16]:
    """Sound (n,) int16 mono 48 kHz."""
    samples = read_audio(path, TICK_RATE)
    if len(samples) > LONGEST_SECONDS * TICK_RATE:
        raise InputError(f"{path} is longer than {LONGEST_SECONDS // 60} minutes.")
    return np.round(np.clip(samples, -1.0, 1.0) * 32767).astype(np.int16)


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """Lets the caller write a file beside ``path`` that takes its place when everything went well."""
    partial = path.with_name(f".{path.stem}.partial.mp4")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write(path: Path, frames: Iterator[OfflineFrame], width: int, height: int) -> None:
    """Muxes pictures and sound; both start at zero and share the frame grid."""
    with Mp4Writer(path, width, height) as writer:
        for frame in frames:
            writer.picture(frame.index, frame.yuv)
            writer.sound(frame.index * FRAME_TICKS, frame.samples)
