"""A client's microphone session: one peer connection, one slot of the worker, one clock.

Runs on: event loop.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtp import RtpPacket

from server.sessions.live_session import LiveSession
from server.webrtc import negotiation
from server.webrtc.audio_receiver import AudioReceiver
from server.webrtc.negotiation import MediaPath
from server.webrtc.offer import usable
from server.webrtc.tracks import AudioTrack, StartBarrier, VideoTrack
from streaming.clock import MediaClock, monotonic
from streaming.latency import LatencyPlan
from streaming.media import AudioChunk
from streaming.scheduling.batch_worker import BatchWorker
from streaming.session import Session, Settings
from streaming.speaker import Interruption, Speaker, SpokenEvent
from streaming.units import Tick

CHANNEL_TIMEOUT_SECONDS = 4.0
"""Seconds without pings and datagrams after which a client with a control channel has vanished; its slot is free a
second later."""


MEDIA_TIMEOUT_SECONDS = 15.0
"""The same for a client without a control channel."""


CONNECT_SECONDS = 10.0
"""Seconds after which a call without a connection is given up."""


REPLACED_SECONDS = 1.0
"""Seconds without datagrams after which another session of the same address may take the slot of a full server: a
client in a call sends RTCP several times a second, muted or not."""


ENDED_STATES = frozenset({"closed", "failed"})


class Interlocutor(Protocol):
    """Hears the microphone of a call and speaks through its face, in the place of the client."""

    def hear(self, chunk: AudioChunk) -> None:
        """Takes audio of the microphone, in order."""

    def spoken(self, event: SpokenEvent) -> None:
        """Something that the face speaks has been heard."""

    def interrupt(self) -> Interruption:
        """Stops speaking with the next packet."""


class MicrophoneSession(LiveSession):
    """One peer connection with its session. Created by `MicrophoneSession.answer`; ends when `run` returns."""

    def __init__(self, session: Session, worker: BatchWorker) -> None:
        super().__init__(session, worker)
        self.audio_receiver = AudioReceiver(
            session.push_audio, lambda: session.clock.capture_tick() if session.clock.started else None
        )
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.answer_sdp = ""
        self._heard: float | None = None
        """Arrival of the last datagram after the connection was made."""
        self._speaking: tuple[Speaker, Interlocutor] | None = None
        """Who speaks through the face in the place of the client."""

    @classmethod
    async def answer(
        cls,
        offer: str,
        worker: BatchWorker,
        plan: LatencyPlan,
        settings: Settings,
        path: MediaPath,
    ) -> "MicrophoneSession":
        """Takes a slot and answers an offer to send microphone audio and to receive audio and video.

        Raises:
            WorkerFull: no slot is free.
            OfferRefused: the offer is invalid, or lacks a microphone, VP8 or Opus.
            NotFound: there is no such avatar or style.
            ControlFailed: the engine failed.
            EngineFailure: the engine is lost.
        """
        usable(offer)
        lease = worker.lease()
        clock = MediaClock(plan.delay)
        session = cls(Session(worker, lease, plan, clock, settings, seed=lease.generation), worker)
        try:
            await session.media_session.open()
            await session._negotiate(offer, path)
        except BaseException:
            await session.aclose()
            raise
        return session

    async def _negotiate(self, offer: str, path: MediaPath) -> None:
        session, barrier = self.media_session, StartBarrier(self.media_session.start)
        tracks = (
            AudioTrack(session, barrier, self._publish),
            VideoTrack(session, barrier, self.viewers.frames.publish),
        )
        self.peer.on("connectionstatechange", self._connection_changed)
        barrier.parties = await negotiation.answer(
            self.peer, offer, tracks, session.clock, self._worker.size, path, self._packet, on_datagram=self._datagram
        )
        self.answer_sdp = self.peer.localDescription.sdp

    def _packet(self, packet: RtpPacket, payload: bytes) -> None:
        self.audio_receiver.packet(packet.ssrc, packet.sequence_number, packet.timestamp, payload)

    def _datagram(self) -> None:
        if self.peer.connectionState == "connected":
            self._heard = monotonic()

    def _connection_changed(self) -> None:
        if self.peer.connectionState in ENDED_STATES:
            self.ended.set()

    def abandoned(self, now: float, last_message: float | None) -> bool:
        """True when both the connection and the control channel have been silent for too long."""
        heard = self._heard
        if heard is None and now - self.began > CONNECT_SECONDS:
            return last_message is None or now - last_message > CHANNEL_TIMEOUT_SECONDS
        signs = [self.began if heard is None else heard, *([] if last_message is None else [last_message])]
        return now - max(signs) > (MEDIA_TIMEOUT_SECONDS if last_message is None else CHANNEL_TIMEOUT_SECONDS)

    def replaceable(self, now: float) -> bool:
        """True when the client has left the page or reloaded it, as far as can be told within a second."""
        return self._heard is not None and now - self._heard > REPLACED_SECONDS

    def interrupt(self) -> Interruption:
        """Stops the avatar: silence from the next packet on."""
        return super().interrupt() if self._speaking is None else self._speaking[1].interrupt()

    @contextmanager
    def taken_over(self, speaker: Speaker, interlocutor: Interlocutor) -> Iterator[None]:
        """Lets somebody else speak through the face within the context, who hears the microphone."""
        session, receiver = self.media_session, self.audio_receiver
        session.interrupt()
        self._speaking, receiver.deliver = (speaker, interlocutor), interlocutor.hear
        try:
            yield
        finally:
            self._speaking, receiver.deliver = None, session.push_audio
            speaker.interrupt()

    def _publish(self, packet: tuple[Tick, bytes]) -> None:
        """Passes a packet that has just been played on to the viewers, and tells what was heard with it."""
        self.viewers.audio.publish(packet)
        if self._speaking is not None:
            speaker, interlocutor = self._speaking
            for event in speaker.played():
                interlocutor.spoken(event)

    async def aclose(self) -> None:
        """Closes the connection and releases the slot."""
        self.audio_receiver.close()
        await negotiation.close(self.peer)
        await super().aclose()
