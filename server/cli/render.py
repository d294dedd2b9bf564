"""`styletalk render`: renders a portrait speaking an audio file into an mp4, with the same session as a live call.

Runs on: the main thread, in virtual time; frames are drawn on one thread per core and written by one.
"""

import argparse
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from server.bootstrap import drawing_threads, make_offline_engine, motion_weights, renderer_network
from server.config import add_motion_weights, check_renderer_frames
from server.paths import user_folder
from server.sessions.mp4 import Mp4Writer, check_path
from streaming.offline import OfflineFrame, render
from streaming.scheduling.jobs import JobKind
from streaming.session import Settings
from streaming.units import FRAME_TICKS, TICK_RATE
from styletalk_core.audio import read_pcm
from styletalk_core.errors import InputError
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.backgrounds import KEEP, TRANSPARENT, BackgroundLibrary
from styletalk_core.library.styles import StyleLibrary
from styletalk_core.phones import FPS
from styletalk_core.rendering.portrait.portrait import enrol

if TYPE_CHECKING:
    from styletalk_core.engine import ModelEngine

MAX_SPEECH_SECONDS = 3600
MESH: Final = "mesh"
SIZES: Final = {"auto": 512, "256": 256, "384": 384, "512": 512}
"""Frame size in px by option; "auto" is the largest, because offline there is time for it."""
FRAMES_WAITING: Final = 8
"""Maximum number of drawn frames queued for the encoder."""
WRITER_THREAD: Final = "mp4 writer"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.add_argument("--portrait", required=True, metavar="P", help="name of a portrait, or a photo")
    parser.add_argument("--audio", required=True, type=Path, metavar="A", help="audio or video file to speak")
    parser.add_argument("--style", metavar="S", help="speaking style (the first of `styletalk style list`)")
    parser.add_argument("--intensity", type=float, default=1.0, metavar="X", help="0 to 1.5 (1)")
    parser.add_argument("--size", default="auto", choices=SIZES, help="video size (auto: 512)")
    parser.add_argument(
        "--background",
        default=KEEP,
        metavar="B",
        help="keep, blur, transparent, #rrggbb or the name of a background (keep)",
    )
    parser.add_argument("--future-frames", type=int, default=2, metavar="F", help="phone look-ahead, 0 to 5 (2)")
    add_motion_weights(parser)
    parser.add_argument("--renderer", default=MESH, metavar="NAME", help="mesh or pirenderer (mesh)")
    parser.add_argument("--renderer-weights", default="", metavar="FILE", help="published checkpoint of the pirenderer")
    parser.add_argument(
        "--renderer-frames", type=int, default=0, metavar="R", help="frames the pirenderer waits for, 0 to 13 (0)"
    )
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:N; auto is the CPU but for the pirenderer (auto)"
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed of the idle motion (0)")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="out.mp4", help="video to write")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Renders; returns ``frames``, ``seconds`` taken and ``realtime_factor`` (below 1 is faster than real time).

    Also ``cpu_seconds``: CPU time per second of video, by stage and in total; and ``parallel_efficiency``, the
    utilization of all cores.

    Raises:
        InputError: an unknown portrait, style or background, a photo without a face, unreadable audio, weights that do
            not fit, a bad option, or a file that cannot be written.
        EngineFailure: a model failed.
    """
    _check(args)
    backgrounds = BackgroundLibrary(user_folder("backgrounds"))
    backgrounds.check(args.background)
    samples, cores, size = _spoken(args.audio), drawing_threads(), SIZES[args.size]
    with tempfile.TemporaryDirectory() as guests:
        avatars, avatar = _portrait(args.portrait, Path(guests))
        engine = _engine(args, avatars, backgrounds)
        settings = Settings(avatar, args.style or engine.styles[0], args.intensity, args.background)
        threads = cores if args.renderer == MESH else 1  # the pirenderer depends on the previous frames
        usage = _Usage()
        frames = render(
            engine, samples, settings, args.future_frames, args.seed, threads, usage.jobs, args.renderer_frames
        )
        count = -(-len(samples) // FRAME_TICKS)
        with closing(frames), _replaced(args.output) as unfinished:
            height = size * (2 if args.background == TRANSPARENT else 1)
            _write(unfinished, _with_progress(frames, count, args.json), size, height)
    seconds, factor = usage.seconds(), usage.seconds() / (count / FPS)
    if not args.json:
        print(f"{args.output}: {count} frames in {seconds:.1f} s ({1 / factor:.1f} x real time)")
    costs = usage.cpu_seconds(count / FPS)
    return {
        "frames": count,
        "seconds": round(seconds, 3),
        "realtime_factor": round(factor, 4),
        "cpu_seconds": costs,
        "parallel_efficiency": round(costs["total"] / factor / cores, 3),
    }


class _Usage:
    """CPU time of this process by stage, from now on; the caller's thread runs the session."""

    def __init__(self) -> None:
        self.jobs: defaultdict[JobKind, float] = defaultdict(float)
        """Seconds of the session's jobs, as summed up by `streaming.offline.render`."""
        self._began = time.perf_counter(), time.process_time(), time.thread_time()

    def seconds(self) -> float:
        """Elapsed seconds of wall-clock time."""
        return time.perf_counter() - self._began[0]

    def cpu_seconds(self, video_seconds: float) -> dict[str, float]:
        """Return CPU time per second of video; the encoder's is the rest after the caller's and the drawing threads."""
        total, own = time.process_time() - self._began[1], time.thread_time() - self._began[2]
        recognizer, decoder, renderer = (
            self.jobs[kind] for kind in (JobKind.RECOGNIZE, JobKind.DECODE, JobKind.RENDER)
        )
        stages = {
            "recognizer": recognizer,
            "decoder": decoder,
            "renderer": renderer,
            "session": own - recognizer - decoder,
            "encoder": max(0.0, total - own - renderer),
            "total": total,
        }
        return {stage: round(seconds / video_seconds, 4) for stage, seconds in stages.items()}


def _check(args: argparse.Namespace) -> None:
    """Checks the numbers and the output path.

    Raises:
        InputError: they cannot.
    """
    if not 0 <= args.intensity <= 1.5:
        raise InputError(f"The intensity must be from 0 to 1.5, not {args.intensity:g}.")
    if not 0 <= args.future_frames <= 5:
        raise InputError(f"--future-frames must be from 0 to 5, not {args.future_frames}.")
    check_renderer_frames(args.renderer_frames, args.renderer)
    check_path(args.output)


def _engine(args: argparse.Namespace, avatars: AvatarLibrary, backgrounds: BackgroundLibrary) -> "ModelEngine":
    """Return the models; bad options fail before the networks are imported."""
    device = args.device
    if device not in ("auto", "cpu", "cuda") and not device.removeprefix("cuda:").isdigit():
        raise InputError(f"The device must be auto, cpu, cuda or cuda:N, not {device!r}.")
    network = renderer_network(args.renderer, args.renderer_weights, device)
    if device == "auto":
        device = "cpu" if network is None else "cuda"
    motion, styles = motion_weights(args.motion_weights), StyleLibrary(user_folder("styles"))
    return make_offline_engine(
        avatars, styles, backgrounds, SIZES[args.size], motion, network, args.renderer_frames, device
    )


def _portrait(name: str, guests: Path) -> tuple[AvatarLibrary, str]:
    """Return a library with the portrait, and its name there; a photo is enrolled in the folder ``guests``."""
    if not Path(name).suffix:  # names have no dots
        return AvatarLibrary(user_folder("avatars")), name
    avatars = AvatarLibrary(guests)
    avatars.add(enrol(Path(name), name="guest"))
    return avatars, "guest"


def _spoken(path: Path) -> NDArray[np.int16]:
    """Return the audio, (n,) int16 mono 48 kHz."""
    samples = read_pcm(path, TICK_RATE)
    if len(samples) > MAX_SPEECH_SECONDS * TICK_RATE:
        raise InputError(f"{path} is longer than {MAX_SPEECH_SECONDS // 60} minutes.")
    return samples


def _with_progress(frames: Iterator[OfflineFrame], count: int, silent: bool) -> Iterator[OfflineFrame]:
    """Shows the progress of the frames on a terminal."""
    if silent:
        return frames
    from tqdm import tqdm

    bar: Iterator[OfflineFrame] = iter(tqdm(frames, total=count, unit="frame", disable=None))
    return bar


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path``; renames it to ``path`` on success.

    Raises:
        InputError: the file cannot be written.
    """
    partial = path.with_name(f".{path.stem}.partial.mp4")
    try:
        yield partial
        partial.replace(path)
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(f"{path} cannot be written ({error.strerror})") from error
    finally:
        with suppress(OSError):  # on a read-only disk even of a file that is not there
            partial.unlink(missing_ok=True)


def _write(path: Path, frames: Iterator[OfflineFrame], width: int, height: int) -> None:
    """Muxes frames and audio on a thread, in order; both start at zero and share the frame grid."""
    with Mp4Writer(path, width, height) as writer, ExitStack() as stack:
        thread = ThreadPoolExecutor(1, thread_name_prefix=WRITER_THREAD)
        stack.callback(thread.shutdown, cancel_futures=True)
        waiting: deque[Future[None]] = deque()
        for frame in frames:
            waiting.append(thread.submit(_add, writer, frame))
            if len(waiting) > FRAMES_WAITING:
                waiting.popleft().result()
        for writing in waiting:
            writing.result()


def _add(writer: Mp4Writer, frame: OfflineFrame) -> None:
    writer.write_frame(frame.index, frame.yuv)
    writer.write_audio(frame.index * FRAME_TICKS, frame.samples)
