"""Viewers of a session: each receives the same audio and frames at the same time.

Runs on: event loop. Audio is encoded once for all viewers, video once per bitrate. A slow viewer loses its oldest
items and never delays the presenter.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar, Union

import av
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection

from server.protocol.events import Event
from server.webrtc import negotiation
from server.webrtc.negotiation import MediaPath
from server.webrtc.shared_encoder import SharedEncoder, SharedEncoding, shared_encodings
from server.webrtc.tracks import audio_packet, video_frame
from streaming.clock import MediaClock
from streaming.media import RenderedFrame
from streaming.queues import BoundedQueue, OnFull
from streaming.units import Tick

PACKETS_HELD = 10
FRAMES_HELD = 3
EVENTS_HELD = 64
MAX_VIEWERS = 16

T = TypeVar("T")
EncodedAudio = tuple[Tick, bytes]
Tracks = tuple[MediaStreamTrack, MediaStreamTrack]
"""Audio, video."""
MediaUnit = Union["av.VideoFrame", "av.packet.Packet[Any]"]


class Broadcast(Generic[T]):
    """Passes every item to each listener."""

    def __init__(self, name: str, held: int) -> None:
        self._name = name
        self._held = held
        self._queues: set[BoundedQueue[T]] = set()

    def __len__(self) -> int:
        return len(self._queues)

    def publish(self, item: T) -> None:
        for queue in self._queues:
            queue.offer(item)

    def listen(self) -> BoundedQueue[T]:
        queue: BoundedQueue[T] = BoundedQueue(self._name, self._held, OnFull.DROP_OLDEST)
        self._queues.add(queue)
        return queue

    def leave(self, queue: BoundedQueue[T]) -> None:
        self._queues.discard(queue)


class _Track(MediaStreamTrack, Generic[T]):
    """A track of the items that a channel publishes."""

    def __init__(self, kind: str, channel: Broadcast[T], make: Callable[[T], MediaUnit]) -> None:
        super().__init__()
        self.kind = kind
        self._channel = channel
        self._queue = channel.listen()
        self._make = make

    async def recv(self) -> MediaUnit:
        """Waits for the next item."""
        return self._make(await self._queue.get())

    def stop(self) -> None:
        """Stops listening."""
        self._channel.leave(self._queue)
        super().stop()


class Viewer:
    """One peer connection that only receives."""

    def __init__(self) -> None:
        self.id = secrets.token_urlsafe(12)
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connected = False
        self.settled = asyncio.Event()
        """Set once it is known whether the viewer has been connected."""
        self.ended = asyncio.Event()
        self.peer.on("connectionstatechange", self._connection_changed)

    def _connection_changed(self) -> None:
        if self.peer.connectionState == "connected":
            self.connected = True
            self.settled.set()
        elif self.peer.connectionState in ("closed", "failed"):
            self.settled.set()
            self.ended.set()


class Viewers:
    """The viewers of one call."""

    def __init__(self) -> None:
        self.audio: Broadcast[EncodedAudio] = Broadcast("viewer audio", PACKETS_HELD)
        self.frames: Broadcast[RenderedFrame] = Broadcast("viewer frames", FRAMES_HELD)
        self.events: Broadcast[Event] = Broadcast("viewer events", EVENTS_HELD)
        self.over = asyncio.Event()
        self.by_id: dict[str, Viewer] = {}
        self._streams: tuple[SharedEncoding, ...] = ()
        self._tasks: set[asyncio.Task[None]] = set()

    async def admit(self, offer: str, clock: MediaClock, size: int, path: MediaPath) -> Viewer:
        """Answers a viewer's offer; the viewer stays until it leaves or the session ends.

        Raises:
            OfferRefused: the offer is invalid, or lacks VP8 or Opus.
        """

        async def negotiate(viewer: Viewer, tracks: Tracks, encoder: SharedEncoder) -> None:
            await negotiation.answer(viewer.peer, offer, tracks, clock, size, path, encoder=encoder)

        return await self._connect(size, negotiate)

    async def publish(self, clock: MediaClock, size: int, path: MediaPath) -> Viewer:
        """Offers the session to another server, which is a viewer like others; its peer has the offer.

        Raises:
            NoMediaPort: all UDP ports for media are in use.
        """

        async def negotiate(viewer: Viewer, tracks: Tracks, encoder: SharedEncoder) -> None:
            await negotiation.offer(viewer.peer, tracks, clock, path, encoder)

        return await self._connect(size, negotiate)

    async def _connect(
        self, size: int, negotiate: Callable[[Viewer, Tracks, SharedEncoder], Awaitable[None]]
    ) -> Viewer:
        viewer = Viewer()
        self._streams = self._streams or shared_encodings(size)
        tracks = (
            _Track("audio", self.audio, lambda packet: audio_packet(*packet)),
            _Track("video", self.frames, video_frame),
        )
        try:
            await negotiate(viewer, tracks, SharedEncoder(self._streams))
        except BaseException:
            for track in tracks:
                track.stop()
            await negotiation.close(viewer.peer)
            raise
        self.by_id[viewer.id] = viewer
        task = asyncio.create_task(self._attend(viewer, tracks), name=f"viewer {viewer.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return viewer

    async def _attend(self, viewer: Viewer, tracks: tuple[MediaStreamTrack, ...]) -> None:
        try:
            await viewer.ended.wait()
        finally:
            self.by_id.pop(viewer.id, None)
            for track in tracks:
                track.stop()
            await negotiation.close(viewer.peer)

    async def aclose(self) -> None:
        """Disconnects all viewers."""
        self.over.set()
        for viewer in list(self.by_id.values()):
            viewer.ended.set()
        if self._tasks:
            await asyncio.wait(set(self._tasks))
