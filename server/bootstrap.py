"""Construction of the service, its worker and its listening socket.

Runs on: the main thread. The models are imported and run on the worker thread only.
"""

import ctypes
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from server.config import ServerConfig
from server.paths import user_folder
from styletalk_core import weights
from styletalk_core.errors import InputError
from styletalk_core.face.spaces import MESH64

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from server.service import Service
    from streaming.engine import Engine
    from streaming.scheduling.batch_worker import BatchWorker, Machine
    from styletalk_core.engine import ModelEngine
    from styletalk_core.library.avatars import AvatarLibrary
    from styletalk_core.library.backgrounds import BackgroundLibrary
    from styletalk_core.library.styles import StyleLibrary
    from styletalk_core.models.pirenderer import PIRenderer
    from styletalk_core.models.weight_file import Weights

SESSIONS_ON_GPU = 32


CORES_PER_SESSION = 2


def make_service(config: ServerConfig) -> "Service":
    """Return the service with the packaged models and the user's libraries; its worker is not started.

    Raises:
        InputError: the device is not one of auto, cpu, cuda and cuda:N; there is no such voice or model; weights or the
            certificate of recordings cannot be used.
    """
    from server.catalogue import LibraryCatalogue
    from server.service import Service
    from server.sessions.virtual_camera import check_installed
    from server.tts.choice import open_voice
    from styletalk_core.library.avatars import AvatarLibrary
    from styletalk_core.library.backgrounds import BackgroundLibrary
    from styletalk_core.library.styles import StyleLibrary
    from styletalk_core.recognizer.vosk_model import model_folder

    choose_weights(config)
    open_voice(config)
    if config.vosk_model:
        model_folder(config.vosk_model)
    avatars, styles = AvatarLibrary(user_folder("avatars")), StyleLibrary(user_folder("styles"))
    backgrounds = BackgroundLibrary(user_folder("backgrounds"))
    catalogue = LibraryCatalogue(avatars, styles, backgrounds)
    motion = motion_weights(config.motion_weights)
    worker = make_worker(config, avatars, styles, backgrounds, motion)
    service = Service(config, worker, catalogue, MESH64 if motion is None else motion.dimensions.space)
    if config.c2pa_certificate:
        service.certificate()
    if config.virtual_camera:
        check_installed()
    return service


def choose_weights(config: ServerConfig) -> None:
    """Chooses the packaged weights of this process.

    Raises:
        InputError: there is no such set, it lacks a file, or this process already uses another one.
    """
    if config.weights:
        weights.use(config.weights)
    weights.check_complete()


def listen(config: ServerConfig) -> socket.socket:
    """Return a listening socket.

    Raises:
        InputError: the address or the port cannot be bound.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise InputError(f"There is no host named {config.host}.") from error
    listener = socket.socket(family, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        raise InputError(
            f"Port {config.port} of {config.host} cannot be used ({error.strerror}); choose another with --port."
        ) from error
    return listener


def make_worker(
    config: ServerConfig,
    avatars: "AvatarLibrary",
    styles: "StyleLibrary",
    backgrounds: "BackgroundLibrary",
    motion: "Weights | None" = None,
) -> "BatchWorker":
    """Return the worker of the configured device, not started; ``motion`` as for `ModelEngine`.

    Raises:
        InputError: the device is not one of auto, cpu, cuda and cuda:N, or weights are missing or do not fit.
    """
    from server.processors import available_cores
    from streaming.scheduling.batch_worker import BatchWorker

    device = config.device
    if device not in ("auto", "cpu", "cuda") and not device.removeprefix("cuda:").isdigit():
        raise InputError(f"The device must be auto, cpu, cuda or cuda:N, not {device!r}.")
    slots = config.max_sessions or (
        SESSIONS_ON_GPU if device.startswith("cuda") else max(1, int(available_cores()) // CORES_PER_SESSION)
    )

    pirenderer = renderer_network(config.renderer, config.renderer_weights, device)

    def make_engine() -> "Engine":
        from styletalk_core.engine import ModelEngine

        chosen = ("cuda" if _has_gpu() else "cpu") if device == "auto" else device
        return ModelEngine(
            avatars,
            styles,
            backgrounds,
            device=chosen,
            size=config.frame_sizes()[0],
            motion=motion,
            pirenderer=pirenderer,
            renderer_frames=config.renderer_frames,
        )

    return BatchWorker(make_engine, slots, pad=device.startswith("cuda"), machine=machine_of(config))


def motion_weights(path: str | Path) -> "Weights | None":
    """Reads the weights of the motion network; None, for the packaged ones, without a path.

    Raises:
        InputError: the file cannot be used, or not with the chosen packaged weights; the message says why.
    """
    if not str(path):
        return None
    from styletalk_core.face.basel import packaged_map
    from styletalk_core.models.weight_file import read_motion_weights

    motion = read_motion_weights(Path(path))
    if motion.dimensions.space != MESH64:
        packaged_map()
    return motion


def renderer_network(renderer: str, weights: str | Path, device: str) -> "PIRenderer | None":
    """Return the paper's renderer if it is wanted, None for the mesh renderer.

    Raises:
        InputError: there is no such renderer, no checkpoint, it does not fit, or there is no GPU for it.
    """
    if renderer == "mesh":
        return None
    from styletalk_core.rendering.window_renderer import network_for

    network = network_for(renderer, Path(weights) if str(weights) else None)
    if device == "auto" and not _has_gpu():
        raise InputError(
            "The pirenderer needs a GPU, and there is none: a frame takes a second on a CPU; "
            "ask for that with --device cpu, or use the mesh renderer."
        )
    return network


def make_offline_engine(
    avatars: "AvatarLibrary",
    styles: "StyleLibrary",
    backgrounds: "BackgroundLibrary",
    size: int,
    motion: "Weights | None" = None,
    pirenderer: "PIRenderer | None" = None,
    renderer_frames: int = 0,
    device: str = "cpu",
) -> "ModelEngine":
    """Return the models without warm-up: offline they need only one portrait and one style."""
    import cv2

    from styletalk_core.engine import ModelEngine

    cv2.setNumThreads(1)  # each core draws its own frame
    return ModelEngine(
        avatars,
        styles,
        backgrounds,
        device=device,
        size=size,
        motion=motion,
        pirenderer=pirenderer,
        renderer_frames=renderer_frames,
    )


def drawing_threads() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _has_gpu() -> bool:
    """True where PyTorch can use a GPU; without NVIDIA's driver PyTorch is not imported for this."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    import torch

    return torch.cuda.is_available()


def machine_of(config: ServerConfig) -> "Machine":
    """Describes this machine to the scheduler, with these settings."""
    from server.processors import SpareProcessors, available_cores
    from streaming.scheduling.batch_worker import Machine

    return Machine(available_cores(), SpareProcessors(), config.frame_sizes(), config.size != "auto", measured_encoder)


def measured_encoder(size: int) -> "Callable[[NDArray[np.uint8]], None]":
    """Encodes frames of ``size`` px as a call does, to measure the cost."""
    from server.webrtc.tracks import video_frame
    from server.webrtc.vp8_encoder import LiveVp8Encoder
    from streaming.media import RenderedFrame
    from streaming.units import FRAME_TICKS

    encoder, encoded = LiveVp8Encoder(size), 0

    def encode(yuv: "NDArray[np.uint8]") -> None:
        nonlocal encoded
        encoder.encode(video_frame(RenderedFrame(encoded * FRAME_TICKS, 0, yuv)))
        encoded += 1

    return encode
