"""The clients of the soak: a caller who talks, a program that presents, and viewers who come and go.

Runs on: event loop of the soak. Nothing is decoded; packets and sender reports are timed.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Self
from urllib.error import HTTPError

import numpy as np
from aiortc import RTCPeerConnection, RTCRtpReceiver
from aiortc.rtp import RtcpPacket, RtpPacket
from live_server import Control
from numpy.typing import NDArray
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from live_soak.streams import CLOCK_RATES, ReceivedStream, TrackPair
from server.lab.benchmarks.load_clients import LoadClient

PRESENTER = "soak"
STYLES = ("happy", "newsreader", "neutral")
PUSHED_RATE = 24_000
PIECE_BYTES = PUSHED_RATE // 4 * 2
PIECE_MS = 250
CHANGE_SECONDS, INTERRUPTION_SECONDS = 45.0, 100.0
STAY_SECONDS = (20.0, 60.0)
ABSENCE_SECONDS = (1.0, 5.0)
AGAIN_SECONDS = 1.0
FIRST_FRAME_SECONDS = 20


class TimedClient(LoadClient):
    """A peer that times what it receives; ``streams`` by kind of track."""

    def __init__(self, peer: RTCPeerConnection) -> None:
        super().__init__(peer)
        self.streams = {kind: ReceivedStream(rate) for kind, rate in CLOCK_RATES.items()}

    @classmethod
    async def begin(cls, *args: Any, **options: Any) -> Self:
        """Connects as a `LoadClient` does."""
        begun = await super().begin(*args, **options)
        for transceiver in begun.peer.getTransceivers():
            _tap_reports(transceiver.receiver, begun.streams[transceiver.kind].report)
        return begun

    def receive(self, kind: str, packet: RtpPacket, payload: bytes) -> None:
        """Times a packet; padding has no content."""
        super().receive(kind, packet, payload)
        if payload:
            self.streams[kind].receive(packet, asyncio.get_running_loop().time())


def _tap_reports(receiver: RTCRtpReceiver, take: Callable[[RtcpPacket], None]) -> None:
    handle = receiver._handle_rtcp_packet

    async def tapped(packet: RtcpPacket) -> None:
        take(packet)
        await handle(packet)

    receiver._handle_rtcp_packet = tapped


@dataclass(slots=True)
class PresenterCounts:
    """What the presenter's program was told."""

    presentations: int = 0
    utterances: int = 0
    marks: int = 0
    interruptions: int = 0
    errors: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ViewerCounts:
    """How the viewers fared."""

    joined: int = 0
    left: int = 0
    failures: list[str] = field(default_factory=list)
    max_first_frame_s: float = 0.0
    max_gap_s: float = 0.0
    """Longest time without a new frame."""
    lost: int = 0


class StayingClient:
    """A client that stays: it calls again whenever its call or its control channel has been cut.

    Attributes:
        peer: the newest call.
        calls: how many there were.
    """

    def __init__(self) -> None:
        self.peer: TimedClient | None = None
        self.calls = 0

    def pair(self) -> TrackPair:
        """Reads the streams of the newest call and begins another part."""
        assert self.peer is not None
        return TrackPair.taken(self.peer.streams, self.calls)

    async def call(self, address: str, **options: Any) -> None:
        """Calls, and returns when the call has ended."""
        peer = await TimedClient.begin(address, **options)
        self.peer, self.calls, ended = peer, self.calls + 1, asyncio.Event()

        def changed() -> None:
            if peer.peer.connectionState in ("closed", "failed"):
                ended.set()

        peer.peer.on("connectionstatechange", changed)
        try:
            await ended.wait()
        finally:
            await peer.peer.close()

    async def watch(self, address: str) -> None:
        """Watches the presenter until cancelled."""
        while True:
            with suppress(HTTPError):  # the presenter is not there
                await self.call(address, presenter=PRESENTER)
            await asyncio.sleep(AGAIN_SECONDS)  # before the next try

    async def talk(self, address: str, microphone: NDArray[np.int16]) -> None:
        """Talks without end and changes the style, until cancelled."""
        while True:
            with suppress(ConnectionClosed, HTTPError):
                async with connect(f"{address.replace('http', 'ws', 1)}ws") as socket:
                    control = Control(socket)
                    session = (await control.expect("session.created"))["session"]
                    changing = asyncio.create_task(_change_styles(control), name="changing styles")
                    try:
                        await self.call(address, session=session, microphone=microphone)
                    finally:
                        changing.cancel()
            await asyncio.sleep(AGAIN_SECONDS)  # before the next try


async def _change_styles(control: Control) -> None:
    for style in cycle(STYLES):
        with suppress(TimeoutError):
            raise ConnectionError((await control.expect("error", seconds=CHANGE_SECONDS))["message"])
        await control.send("style.set", style=style, fade_ms=500)
        control.skipped.clear()


class Presenter:
    """A program that pushes speech as fast as the server takes it, sets marks, changes the style, and interrupts."""

    def __init__(self) -> None:
        self.counts = PresenterCounts()
        self.started = asyncio.Event()
        self._room = 0

    async def run(self, address: str, speech: bytes) -> None:
        """Presents ``speech``, 16-bit mono at `PUSHED_RATE`, until cancelled."""
        while True:
            with suppress(ConnectionClosed):
                await self._present(address, speech)
            await asyncio.sleep(AGAIN_SECONDS)  # before the next try

    async def _present(self, address: str, speech: bytes) -> None:
        async with connect(f"{address.replace('http', 'ws', 1)}ws") as socket:
            control = Control(socket)
            await control.expect("session.created")
            await control.send("presenter.start", name=PRESENTER)
            whole = self._room = (await control.expect("presenter.started"))["room_ms"]
            self.started.set()
            self.counts.presentations += 1
            interrupted, styles = asyncio.get_running_loop().time(), cycle(STYLES)
            while True:
                for start in range(0, len(speech), PIECE_BYTES):
                    await self._push(control, speech[start : start + PIECE_BYTES])
                await control.send("mark", name=str(self.counts.utterances))
                await control.send("input_audio.commit")
                await control.send("style.set", style=next(styles), fade_ms=500)
                self.counts.utterances += 1
                if asyncio.get_running_loop().time() - interrupted > INTERRUPTION_SECONDS:
                    interrupted = asyncio.get_running_loop().time()
                    await control.send("avatar.interrupt")
                    await self._expect(control, "avatar.interrupted")
                    self._room = whole
                    self.counts.interruptions += 1

    async def _push(self, control: Control, piece: bytes) -> None:
        while self._room < PIECE_MS:
            self._room = (await self._expect(control, "input_audio.buffer"))["room_ms"]
        await control.send("input_audio.append", audio=piece, rate=PUSHED_RATE)
        while "utterance" not in (answer := await self._expect(control, "input_audio.buffer")):
            pass  # the state of every second, from before the append
        self._room = answer["room_ms"]

    async def _expect(self, control: Control, kind: str) -> dict[str, Any]:
        """The next message of a kind; what comes before is counted."""
        message = await control.expect(kind)
        for skipped in control.skipped:
            self.counts.marks += skipped["type"] == "mark"
            if skipped["type"] == "error":
                self.counts.errors.append(skipped["message"])
        control.skipped.clear()
        return message


async def visit(address: str, seed: int, counts: ViewerCounts) -> None:
    """Watches the presenter again and again, until cancelled; every other time without saying goodbye."""
    chance, loop = random.Random(seed), asyncio.get_running_loop()
    while True:
        began = loop.time()
        try:
            viewer = await TimedClient.begin(address, presenter=PRESENTER)
        except HTTPError as refusal:
            counts.failures.append(f"viewer {counts.joined + 1} was refused with {refusal.code}")
            await asyncio.sleep(AGAIN_SECONDS)  # before the next try
            continue
        counts.joined += 1
        try:
            async with asyncio.timeout(FIRST_FRAME_SECONDS):
                await viewer.seen.wait()
            counts.max_first_frame_s = max(counts.max_first_frame_s, loop.time() - began)
            await asyncio.sleep(chance.uniform(*STAY_SECONDS))  # a viewer stays
            if counts.left % 2:
                with suppress(HTTPError):  # the presentation has ended
                    await viewer.delete()
        except TimeoutError:
            counts.failures.append(f"viewer {counts.joined} saw no frame within {FIRST_FRAME_SECONDS} s")
        finally:
            with suppress(Exception):
                await viewer.peer.close()
        counts.left += 1
        counts.lost += sum(stream.lost for stream in viewer.streams.values())
        counts.max_gap_s = max(counts.max_gap_s, viewer.streams["video"].max_gap)
        await asyncio.sleep(chance.uniform(*ABSENCE_SECONDS))  # and stays away
