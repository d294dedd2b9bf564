"""Recording of presentations into MP4 files, and the routes that serve them.

Runs on: event loop; encoding and file access run on threads, one step at a time. Recordings are stored in the user's
data folder under names chosen by the server. Routes: GET /api/recordings, GET and DELETE /api/recordings/{id}.
"""

import asyncio
import logging
import re
import secrets
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from server.errors import Refusal, problem
from server.paths import user_folder
from server.protocol.operations import DELETE_RECORDING, GET_RECORDING, LIST_RECORDINGS
from server.protocol.resources import RecordingFile, Recordings
from server.provenance.certificate import Certificate
from server.provenance.manifest import SigningFailed, add_manifest
from server.sessions.mp4 import Mp4Writer
from server.sessions.presenter_session import Listener, PresenterSession
from streaming.media import AudioChunk, RenderedFrame
from streaming.queues import BoundedQueue, OnFull
from streaming.units import FRAME_TICKS, TICK_RATE

logger = logging.getLogger(__name__)

MAX_RECORDINGS = 100
ITEMS_HELD = 320
"""Frames and packets queued for the encoder: four seconds."""
MAX_RECORDING_SECONDS = 2 * 3600
NAME = re.compile(r"[A-Za-z0-9_-]{16}")


def recordings_folder() -> Path:
    """Return the folder of recordings; it need not exist."""
    return user_folder("recordings")


class Recording:
    """One recording, which begins with the next frame and is complete after `stop`.

    Args:
        session: to record.
        path: of the MP4 file, which appears when it is complete; its folder exists.
        size: of its frames in px.
        certificate: signs its manifest; reads files.
    """

    def __init__(
        self, session: PresenterSession, path: Path, size: int, certificate: Callable[[], Certificate]
    ) -> None:
        self._path = path
        self._size = size
        self._certificate = certificate
        self._first = session.media_session.shown_index + 1
        self._items: BoundedQueue[AudioChunk | RenderedFrame | None] = BoundedQueue(
            "recording", ITEMS_HELD, OnFull.DROP_OLDEST
        )
        self._task = asyncio.create_task(self._record(session), name=f"recording {self.id}")
        session.guests.push_async_callback(self.stop)

    @classmethod
    async def start(cls, session: PresenterSession, size: int, certificate: Callable[[], Certificate]) -> "Recording":
        """Starts a recording in the user's data folder, under a name of its own.

        Raises:
            Refusal: there are too many recordings.
        """
        path = recordings_folder() / f"{secrets.token_urlsafe(12)}.mp4"
        if await asyncio.to_thread(_count) >= MAX_RECORDINGS:
            raise Refusal("recordings_full", f"There are {MAX_RECORDINGS} recordings; delete some first.")
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        return cls(session, path, size, certificate)

    @property
    def id(self) -> str:
        """Name of the file without its suffix."""
        return self._path.stem

    async def wait(self) -> None:
        """Waits until it is complete, or has failed: `stop` tells."""
        await asyncio.wait({self._task})

    async def stop(self) -> float:
        """Completes the file; returns its length in seconds.

        Raises:
            av.FFmpegError, OSError: it could not be written.
        """
        self._items.offer(None)
        return await self._task

    async def _record(self, session: PresenterSession) -> float:
        partial = self._path.with_name(f".{self.id}.partial")
        writer = await asyncio.to_thread(Mp4Writer, partial, self._size, self._size, "ultrafast")
        try:
            with session.listening(Listener(self._items.offer, self._items.offer)):
                while writer.ticks < MAX_RECORDING_SECONDS * TICK_RATE:
                    items = [await self._items.get(), *self._items.drain()]
                    await asyncio.to_thread(self._write, writer, items)
                    if None in items:
                        break
        finally:
            await asyncio.to_thread(writer.close)
            await asyncio.to_thread(self._sign, partial)
            await asyncio.to_thread(partial.replace, self._path)
        if self._items.dropped:
            logger.warning("recording %s: the encoder was too slow for %d items", self.id, self._items.dropped)
        return round(writer.ticks / TICK_RATE, 2)

    def _sign(self, path: Path) -> None:
        """Adds the manifest; a recording without one is better than none."""
        try:
            add_manifest(path, f"Recording {self.id}", self._certificate())
        except SigningFailed as error:
            logger.error("recording %s: %s", self.id, error)

    def _write(self, writer: Mp4Writer, items: list[AudioChunk | RenderedFrame | None]) -> None:
        for item in items:
            if item is not None:
                write_media(writer, item, self._first, self._size)


def write_media(writer: Mp4Writer, item: AudioChunk | RenderedFrame, first: int, size: int) -> None:
    """Writes a frame, in ``size`` px, or a packet; the file begins with frame ``first``."""
    origin = first * FRAME_TICKS
    if isinstance(item, RenderedFrame):
        writer.write_frame(item.index - first, resized(person(item.yuv), size))
    elif item.end > origin:
        cut = max(origin - item.start, 0)
        writer.write_audio(item.start + cut - origin, item.samples[cut:])


def resized(yuv: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Scales a frame (S*3//2, S) to the recording, (size*3//2, size): frames are smaller under load."""
    if yuv.shape[1] == size:
        return yuv
    frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p").reformat(size, size, interpolation="BICUBIC")
    return frame.to_ndarray().astype(np.uint8, copy=False)


def person(yuv: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the visible part (size*3//2, size); with transparency an alpha mask follows, (size*3, size)."""
    size = yuv.shape[1]
    if len(yuv) != 3 * size:
        return yuv
    chroma, quarter = 2 * size, size // 4
    blue, red = yuv[chroma : chroma + quarter], yuv[chroma + size // 2 : chroma + size // 2 + quarter]
    return np.concatenate([yuv[:size], blue, red])


def _count() -> int:
    return sum(1 for _ in recordings_folder().glob("*.mp4"))


def _path(request: Request) -> Path | None:
    """Return the file of a recording; None when it does not exist."""
    name = request.path_params["id"]
    path = recordings_folder() / f"{name}.mp4"
    return path if NAME.fullmatch(name) and path.is_file() else None


async def _list(request: Request) -> Response:
    """Lists all recordings, newest first."""
    paths = await asyncio.to_thread(lambda: [(path, path.stat()) for path in recordings_folder().glob("*.mp4")])
    paths.sort(key=lambda pair: -pair[1].st_mtime)
    return LIST_RECORDINGS.answer.response(
        Recordings([RecordingFile(path.stem, stat.st_size, round(stat.st_mtime)) for path, stat in paths])
    )


async def _get(request: Request) -> Response:
    """The file."""
    path = await asyncio.to_thread(_path, request)
    if path is None:
        return problem(404, "not_found", "There is no such recording.")
    return FileResponse(path, media_type=GET_RECORDING.answer.media_type, filename=path.name)


async def _delete(request: Request) -> Response:
    """Deletes the file."""
    path = await asyncio.to_thread(_path, request)
    if path is None:
        return problem(404, "not_found", "There is no such recording.")
    await asyncio.to_thread(path.unlink, missing_ok=True)
    return Response(status_code=204)


routes = [
    LIST_RECORDINGS.route(_list),
    GET_RECORDING.route(_get),
    DELETE_RECORDING.route(_delete),
]
