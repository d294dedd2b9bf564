"""Calls and the clients who make them: admission, liveness, resumption.

Runs on: event loop. A client is a session id with its settings; he has at most one call, which holds a slot of the
worker. Settings outlive a lost connection, slots do not.
"""

import asyncio
import gc
import logging
import math
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtp import RtpPacket

from server import logs
from server.admission.limits import site_of
from server.protocol.events import Error, Event
from server.rtc import negotiation
from server.rtc.microphone import Microphone
from server.rtc.negotiation import MediaPath
from server.rtc.tracks import PictureTrack, SoundTrack, StartBarrier
from server.sessions.performance import Performance
from streaming.clock import MediaClock, monotonic
from streaming.latency import LatencyPlan
from streaming.session import Session, Settings
from streaming.worker import BatchWorker
from styletalk_core.errors import StyleTalkError

logger = logging.getLogger(__name__)

CHANNEL_TIMEOUT_SECONDS = 4.0
"""A client with a control channel that neither pings nor speaks for this long is gone; a second later his place is
free."""
MEDIA_TIMEOUT_SECONDS = 15.0
"""The same for one that has no control channel."""
CONNECT_SECONDS = 10.0
"""A call that has no connection after this long is given up."""
REMEMBERED_CLIENTS = 256
ENDED_STATES = frozenset({"closed", "failed"})


class TooManySessions(StyleTalkError):
    """One network address wants more sessions than it may have."""

    code = "too_many_sessions"
    status = 429


class Call(Performance):
    """One peer connection with its session. Made by `Call.answer`, works in `run`, ends with it."""

    def __init__(self, session: Session, worker: BatchWorker) -> None:
        super().__init__(session, worker)
        self.microphone = Microphone(
            session.push_audio, lambda: session.clock.capture_tick() if session.clock.started else None
        )
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.answer_sdp = ""

    @classmethod
    async def answer(
        cls,
        offer: str,
        worker: BatchWorker,
        plan: LatencyPlan,
        settings: Settings,
        path: MediaPath,
    ) -> "Call":
        """Takes a slot and answers an offer of microphone sound and a picture to come back.

        Raises:
            WorkerFull: no slot is free.
            OfferRefused: the offer is none, or lacks a microphone, VP8 or Opus.
            NotFound: there is no such avatar or style.
            ControlFailed: the engine failed.
            EngineFailure: the engine is lost.
        """
        negotiation.check(offer)
        lease = worker.lease()
        clock = MediaClock(plan.delay)
        call = cls(Session(worker, lease, plan, clock, settings, seed=lease.generation), worker)
        try:
            await call.session.open()
            await call._negotiate(offer, path)
        except BaseException:
            await call.aclose()
            raise
        return call

    async def _negotiate(self, offer: str, path: MediaPath) -> None:
        session, barrier = self.session, StartBarrier(self.session.start)
        tracks = (
            SoundTrack(session, barrier, self.audience.sound.publish),
            PictureTrack(session, barrier, self.audience.pictures.publish),
        )
        self.peer.on("connectionstatechange", self._connection_changed)
        barrier.parties = await negotiation.answer(
            self.peer, offer, tracks, session.clock, self._worker.size, path, self._packet
        )
        self.answer_sdp = self.peer.localDescription.sdp

    def _packet(self, packet: RtpPacket, payload: bytes) -> None:
        self.microphone.packet(packet.ssrc, packet.sequence_number, packet.timestamp, payload)

    def _connection_changed(self) -> None:
        if self.peer.connectionState in ENDED_STATES:
            self.ended.set()

    def abandoned(self, now: float, last_message: float | None) -> bool:
        """True when neither the microphone nor the control channel gives a sign of life."""
        heard = self.microphone.last_arrival
        if heard is None and now - self.began > CONNECT_SECONDS:
            return last_message is None or now - last_message > CHANNEL_TIMEOUT_SECONDS
        signs = [self.began if heard is None else heard, *([] if last_message is None else [last_message])]
        return now - max(signs) > (MEDIA_TIMEOUT_SECONDS if last_message is None else CHANNEL_TIMEOUT_SECONDS)

    async def aclose(self) -> None:
        """Closes the connection and gives the slot back."""
        self.microphone.close()
        await negotiation.close(self.peer)
        await super().aclose()


class Channel(Protocol):
    """Tells a client what happens."""

    def send(self, event: Event) -> None:
        """Queues a message."""


@dataclass(slots=True, eq=False)
class Client:
    """A session id, what it has chosen, and its call."""

    id: str
    settings: Settings
    address: str = ""
    fade_s: float = 0.5
    presents_as: str | None = None
    call: Performance | None = None
    task: "asyncio.Task[None] | None" = None
    control: Channel | None = None
    negotiating: asyncio.Lock = field(default_factory=asyncio.Lock)
    last_ping: float = field(default_factory=monotonic)

    def send(self, event: Event) -> None:
        """Sends the client a message, where it has a control channel."""
        if self.control is not None:
            self.control.send(event)

    @property
    def present(self) -> bool:
        """True while the client has a channel or a call, or is about to have one."""
        return self.control is not None or self.call is not None or self.negotiating.locked()

    def gone(self, now: float) -> bool:
        """True when the client has vanished."""
        last_message = None if self.control is None else self.last_ping
        return self.call is not None and self.call.abandoned(now, last_message)


class Clients:
    """All clients, by id.

    Args:
        most_per_address: how many of one network address may be present.
        longest_call: seconds after which a call is ended.
    """

    def __init__(self, most_per_address: float = math.inf, longest_call: float = math.inf) -> None:
        self._clients: dict[str, Client] = {}
        self._most_per_address = most_per_address
        self._longest_call = longest_call
        self.served = 0
        self.failed = 0
        self._littered = False

    def __iter__(self) -> Iterator[Client]:
        return iter(list(self._clients.values()))

    def calls(self) -> list[Call]:
        """The calls that are up."""
        return [performance for performance in self.performances() if isinstance(performance, Call)]

    def performances(self) -> list[Performance]:
        """The calls and presentations that are up."""
        return [client.call for client in self._clients.values() if client.call is not None]

    def presenters(self) -> dict[str, Client]:
        """Who lets others watch, by the name he presents himself as."""
        return {v.presents_as: v for v in self._clients.values() if v.presents_as is not None and v.call is not None}

    @property
    def channels(self) -> int:
        """Clients whose control channel is open."""
        return sum(client.control is not None for client in self._clients.values())

    def by_call(self, call_id: str) -> Client | None:
        """The client whose call has this id."""
        return next((v for v in self._clients.values() if isinstance(v.call, Call) and v.call.id == call_id), None)

    def welcome(self, id: str | None, settings: Settings, address: str) -> Client:
        """The client with this id, or a new one with ``settings``; the longest absent one is forgotten.

        Raises:
            TooManySessions: ``address`` has as many as it may have.
        """
        known = self._clients.get(id) if id is not None else None
        site = site_of(address)
        others = (v for v in self._clients.values() if v is not known and v.present and site_of(v.address) == site)
        if sum(1 for _ in others) >= self._most_per_address:
            raise TooManySessions(f"At most {self._most_per_address:.0f} sessions of one network address are served.")
        if known is not None:
            known.address = address
            self._clients[known.id] = self._clients.pop(known.id)
            return known
        return self._remember(Client(secrets.token_urlsafe(12), settings, address))

    def expect(self, id: str, settings: Settings, fade_s: float) -> Client:
        """A client who is about to come, with an id and choices that he has from another server."""
        return self._clients.get(id) or self._remember(Client(id, settings, fade_s=fade_s))

    def _remember(self, client: Client) -> Client:
        self._clients[client.id] = client
        if len(self._clients) > REMEMBERED_CLIENTS:
            absent = (v for v in self._clients.values() if not v.present and v is not client)
            if (oldest := next(absent, None)) is not None:
                del self._clients[oldest.id]
        return client

    def begin(self, client: Client, call: Performance) -> "asyncio.Task[None]":
        """Puts an answered call, or a presentation, to work; the task ends with it."""
        client.call = call
        client.last_ping = monotonic()
        self.served += 1
        client.task = asyncio.create_task(self._work(client, call), name=f"call {call.id}")
        return client.task

    async def _work(self, client: Client, call: Performance) -> None:
        problem = None
        logs.session.set(client.id)
        try:
            problem = await call.run()
        finally:
            if client.call is call:
                client.settings = call.session.settings
                client.call = client.task = None
            self._littered = True
            if problem is not None:
                self.failed += 1
                logger.warning("the session ended: %s", problem)
                client.send(Error("session_failed", f"The session ended: {problem}."))

    async def end(self, client: Client) -> None:
        """Ends the client's call, if any, and waits until its slot is free."""
        if client.call is not None and client.task is not None:
            client.call.ended.set()
            await asyncio.wait({client.task})

    async def end_all(self) -> None:
        """Ends every call; for shutdown."""
        await asyncio.gather(*(self.end(client) for client in self))

    async def watch(self) -> None:
        """Ends calls that have lasted too long or whose clients have vanished; runs as long as the server.

        Also clears up after calls that have ended: a peer connection is a knot of cycles around megabytes of native
        memory, and the garbage collector by itself counts objects, not bytes.
        """
        while True:
            await asyncio.sleep(0.5)
            if self._littered:
                self._littered = False
                gc.collect()
            for client in self:
                logs.session.set(client.id)
                now = monotonic()
                if client.gone(now):
                    logger.info("the client has vanished")
                    await self.end(client)
                elif client.call is not None and now - client.call.began > self._longest_call:
                    logger.info("the session has lasted %.0f s", self._longest_call)
                    words = f"A session lasts at most {self._longest_call / 60:.0f} minutes: press Start for another."
                    client.send(Error("session_expired", words))
                    await self.end(client)
