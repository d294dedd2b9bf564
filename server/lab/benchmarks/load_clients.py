"""Clients and viewers without a browser: aiortc peers in separate processes that receive without decoding.

Runs on: the benchmark's thread and the client processes.
"""

import asyncio
import multiprocessing
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from multiprocessing.synchronize import Event
from typing import Any, Self

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.rtp import RtpPacket
from numpy.typing import NDArray

from server.lab.benchmarks.browser import bursts
from server.webrtc.aiortc_patches import tap_packets
from streaming.clock import monotonic
from streaming.units import PACKET_TICKS, TICK_RATE


class LoopedTrack(MediaStreamTrack):
    """A microphone track that loops (n,) int16, mono, 48 kHz."""

    kind = "audio"

    def __init__(self, samples: NDArray[np.int16]) -> None:
        super().__init__()
        self._samples = samples
        self._sent = 0
        self._began = 0.0

    async def recv(self) -> av.AudioFrame:
        """Returns the next 20 ms, paced in real time."""
        self._began = self._began or monotonic()
        await asyncio.sleep(max(0.0, self._began + self._sent / TICK_RATE - monotonic()))
        places = np.arange(self._sent, self._sent + PACKET_TICKS) % len(self._samples)
        frame = av.AudioFrame.from_ndarray(self._samples[places][None], format="s16", layout="mono")
        frame.sample_rate = TICK_RATE
        frame.pts = self._sent
        frame.time_base = Fraction(1, TICK_RATE)
        self._sent += PACKET_TICKS
        return frame


def _request(method: str, address: str, body: bytes | None = None) -> tuple[str, str]:
    """Sends a request; returns the Location header and the body of the response."""
    request = urllib.request.Request(address, body, {"Content-Type": "application/sdp"}, method=method)
    with urllib.request.urlopen(request, timeout=20) as response:
        return str(response.headers.get("Location", "")), str(response.read().decode())


class LoadClient:
    """A connected client: the peer, the URL of its resource, and whether a video packet has arrived."""

    def __init__(self, peer: RTCPeerConnection) -> None:
        self.peer = peer
        self.resource = ""
        self.seen = asyncio.Event()

    @classmethod
    async def begin(
        cls, address: str, presenter: str = "", session: str = "", microphone: NDArray[np.int16] | None = None
    ) -> Self:
        """Connects to the server at ``address`` and speaks, or only watches ``presenter``.

        Args:
            session: id of the control channel that the call belongs to, if there is one.
            microphone: (n,) speech at 48 kHz that is looped; by default bursts.

        Raises:
            urllib.error.HTTPError: the server rejects the request.
        """
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        begun = cls(peer)
        if presenter:
            peer.addTransceiver("audio", "recvonly")
        else:
            peer.addTransceiver(LoopedTrack(bursts(20) if microphone is None else microphone), "sendrecv")
        peer.addTransceiver("video", "recvonly")
        for transceiver in peer.getTransceivers():
            tap_packets(transceiver.receiver, partial(begun.receive, transceiver.kind))
        await peer.setLocalDescription(await peer.createOffer())
        try:
            path = f"whep/{presenter}" if presenter else f"whip?session={session}" if session else "whip"
            location, answer = await asyncio.to_thread(
                _request, "POST", address + path, peer.localDescription.sdp.encode()
            )
        except BaseException:
            await peer.close()
            raise
        begun.resource = address + location.removeprefix("/")
        await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        return begun

    def receive(self, kind: str, packet: RtpPacket, payload: bytes) -> None:
        """Takes a packet of the track of this kind."""
        if kind == "video":
            self.seen.set()

    async def delete(self) -> None:
        """Sends a DELETE request to end the call."""
        await asyncio.to_thread(_request, "DELETE", self.resource)


def _main(address: str, presenter: str, leave: Event) -> None:
    async def main() -> None:
        peer_client = await LoadClient.begin(address, presenter)
        await asyncio.to_thread(leave.wait)
        await peer_client.peer.close()

    asyncio.run(main())


class LoadClients:
    """A growing number of clients."""

    def __init__(self, address: str, presenter: str) -> None:
        self._address = address
        self._presenter = presenter
        self._context = multiprocessing.get_context("spawn")
        self._leave = self._context.Event()
        self._processes: list[Any] = []

    def add(self) -> None:
        """Adds one client."""
        process = self._context.Process(target=_main, args=(self._address, self._presenter, self._leave), daemon=True)
        process.start()
        self._processes.append(process)

    def leave(self) -> None:
        """Disconnects all clients."""
        self._leave.set()
        for process in self._processes:
            process.join(10)


@contextmanager
def load_clients(address: str, presenter: str = "") -> Iterator[LoadClients]:
    """Clients, or viewers of ``presenter``, that are disconnected at the end."""
    crowd = LoadClients(address, presenter)
    try:
        yield crowd
    finally:
        crowd.leave()
