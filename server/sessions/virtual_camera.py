"""Virtual camera output: the face as a webcam of this machine, for video calls and OBS.

Runs on: any one thread at a time. Needs the extra `camera` and a virtual camera of the system: v4l2loopback on Linux,
the one of OBS elsewhere. The audio is not part of it.
"""

import importlib.util
from contextlib import suppress

from server.sessions.live_output import OutputFailed
from server.sessions.mp4 import FPS
from server.sessions.recording import person, resized
from streaming.media import AudioChunk, RenderedFrame
from styletalk_core.errors import InputError

DEFAULT = "auto"
"""Name of the setting that takes the first camera of the system."""


def check_installed() -> None:
    """Raises: InputError: the extra is not installed."""
    if importlib.util.find_spec("pyvirtualcam") is None:
        raise InputError("A virtual camera needs the extra camera: pip install 'styletalk-live[camera]'.")


class CameraSink:
    """Implements `Sink`.

    Args:
        device: name of the camera, or "auto".
        size: of the video in px.

    Raises:
        OutputFailed: this system has no such camera.
    """

    def __init__(self, device: str, size: int) -> None:
        import pyvirtualcam

        self._size = size
        chosen = {} if device == DEFAULT else {"device": device}
        try:
            self._camera = pyvirtualcam.Camera(size, size, FPS, fmt=pyvirtualcam.PixelFormat.I420, **chosen)
        except (RuntimeError, ValueError) as error:
            raise OutputFailed(
                "This system has no virtual camera that is free; on Linux, load one with modprobe v4l2loopback."
            ) from error

    def write(self, item: AudioChunk | RenderedFrame) -> None:
        """Shows a frame."""
        if isinstance(item, RenderedFrame):
            try:
                self._camera.send(resized(person(item.yuv), self._size))
            except (RuntimeError, OSError) as error:
                raise OutputFailed("The virtual camera does not take frames any more.") from error

    def close(self) -> None:
        """Frees the camera."""
        with suppress(RuntimeError):
            self._camera.close()
