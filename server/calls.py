"""Calls and the visitors who make them: admission, liveness, resumption.

Runs on: event loop. A visitor is a session id with its settings; he has at most one call, which holds a slot of the
worker. Settings outlive a lost connection, slots do not.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtp import RtpPacket

from server import negotiation
from server.audience import Audience
from server.microphone import Microphone
from server.negotiation import MediaPath
from server.tracks import PictureTrack, SoundTrack, StartBarrier
from streaming.clock import MediaClock, monotonic
from streaming.errors import EngineFailure
from streaming.latency import LatencyPlan
from streaming.session import Session, Settings
from streaming.worker import BatchWorker

logger = logging.getLogger(__name__)

SILENT_CLIENT_SECONDS = 5.0
"""A client with a control channel that neither pings nor speaks for this long is gone."""
SILENT_CALLER_SECONDS = 15.0
"""The same for one that has no control channel."""
CONNECT_SECONDS = 10.0
"""A call that has no connection after this long is given up."""
REMEMBERED_VISITORS = 256
ENDED_STATES = frozenset({"closed", "failed"})


class Call:
    """One peer connection with its session. Made by `Call.answer`, works in `run`, ends with it."""

    def __init__(self, session: Session, worker: BatchWorker) -> None:
        self.id = secrets.token_urlsafe(12)
        self.session = session
        self.microphone = Microphone(
            session.push_audio, lambda: session.clock.capture_tick() if session.clock.started else None
        )
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.answer_sdp = ""
        self.began = monotonic()
        self.ended = asyncio.Event()
        self.audience = Audience()
        self._worker = worker

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
            ValueError: there is no such avatar or style.
            EngineFailure: the engine failed.
        """
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

    async def run(self) -> str | None:
        """Works until the connection ends or `ended` is set.

        Returns:
            What the client should be told, None when it hung up.
        """
        problem = None
        ended = asyncio.create_task(self.ended.wait(), name=f"call {self.id} end")
        working = asyncio.create_task(self.session.run(), name=f"call {self.id} session")
        try:
            await asyncio.wait({ended, working}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                await working
        except* EngineFailure as failures:
            problem = str(failures.exceptions[0])
        finally:
            ended.cancel()
            working.cancel()
            await asyncio.gather(ended, working, return_exceptions=True)
            await self.aclose()
        return problem

    async def aclose(self) -> None:
        """Closes the connection and gives the slot back."""
        self.microphone.close()
        await self.audience.aclose()
        await self.peer.close()
        await self._worker.release(self.session.lease)


@dataclass(slots=True, eq=False)
class Visitor:
    """A session id, what it has chosen, and its call."""

    id: str
    settings: Settings
    fade_s: float = 0.5
    presents_as: str | None = None
    call: Call | None = None
    task: "asyncio.Task[None] | None" = None
    control: object | None = None
    negotiating: asyncio.Lock = field(default_factory=asyncio.Lock)
    last_ping: float = field(default_factory=monotonic)
    on_end: Callable[[str | None], None] | None = None

    def gone(self, now: float) -> bool:
        """True when the client has vanished."""
        if self.call is None:
            return False
        heard = self.call.microphone.last_arrival
        if heard is None and now - self.call.began > CONNECT_SECONDS:
            return self.control is None or now - self.last_ping > SILENT_CLIENT_SECONDS
        sign_of_life = max(self.last_ping, heard if heard is not None else self.call.began)
        limit = SILENT_CALLER_SECONDS if self.control is None else SILENT_CLIENT_SECONDS
        return now - sign_of_life > limit


class Visitors:
    """All visitors, by id."""

    def __init__(self) -> None:
        self._visitors: dict[str, Visitor] = {}
        self.served = 0
        self.failed = 0

    def __iter__(self) -> Iterator[Visitor]:
        return iter(list(self._visitors.values()))

    def calls(self) -> list[Call]:
        """The calls that are up."""
        return [visitor.call for visitor in self._visitors.values() if visitor.call is not None]

    def presenters(self) -> dict[str, Visitor]:
        """Who lets others watch, by the name he presents himself as."""
        return {v.presents_as: v for v in self._visitors.values() if v.presents_as is not None and v.call is not None}

    @property
    def channels(self) -> int:
        """Visitors whose control channel is open."""
        return sum(visitor.control is not None for visitor in self._visitors.values())

    def by_call(self, call_id: str) -> Visitor | None:
        """The visitor whose call has this id."""
        return next((v for v in self._visitors.values() if v.call is not None and v.call.id == call_id), None)

    def welcome(self, id: str | None, settings: Settings) -> Visitor:
        """The visitor with this id, or a new one with ``settings``; the longest absent one is forgotten."""
        if id is not None and (visitor := self._visitors.pop(id, None)) is not None:
            self._visitors[id] = visitor
            return visitor
        visitor = Visitor(secrets.token_urlsafe(12), settings)
        self._visitors[visitor.id] = visitor
        if len(self._visitors) > REMEMBERED_VISITORS:
            absent = (v for v in self._visitors.values() if v.call is None and v.control is None)
            if (oldest := next(absent, None)) is not None:
                del self._visitors[oldest.id]
        return visitor

    def begin(self, visitor: Visitor, call: Call) -> None:
        """Puts an answered call to work."""
        visitor.call = call
        visitor.last_ping = monotonic()
        self.served += 1
        visitor.task = asyncio.create_task(self._work(visitor, call), name=f"call {call.id}")

    async def _work(self, visitor: Visitor, call: Call) -> None:
        problem = None
        try:
            problem = await call.run()
        finally:
            if visitor.call is call:
                visitor.settings = call.session.settings
                visitor.call = visitor.task = None
            if problem is not None:
                self.failed += 1
                logger.warning("session %s ended: %s", visitor.id, problem)
            if visitor.on_end is not None:
                visitor.on_end(problem)

    async def end(self, visitor: Visitor) -> None:
        """Ends the visitor's call, if any, and waits until its slot is free."""
        if visitor.call is not None and visitor.task is not None:
            visitor.call.ended.set()
            await asyncio.wait({visitor.task})

    async def end_all(self) -> None:
        """Ends every call; for shutdown."""
        await asyncio.gather(*(self.end(visitor) for visitor in self))

    async def watch(self) -> None:
        """Ends the calls of clients that have vanished; runs as long as the server."""
        while True:
            await asyncio.sleep(0.5)
            for visitor in self:
                if visitor.gone(monotonic()):
                    logger.info("session %s: the client has vanished", visitor.id)
                    await self.end(visitor)
