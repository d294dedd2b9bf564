"""Publishing to another server by WHIP (RFC 9725): MediaMTX, LiveKit ingress, Cloudflare and others.

Runs on: event loop. The other server is a viewer of the session, whose offer this side makes. A lost connection is made
again; ICE servers that the other side names are not used, because the whole offer is sent at once.
"""

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urljoin

import httpx
from aiortc import RTCSessionDescription

from server.sessions.live_session import LiveSession
from server.sessions.viewers import Viewer
from server.tts.endpoint import CONNECT_SECONDS, PATIENCE_SECONDS
from server.webrtc.aiortc_patches import NoMediaPort
from server.webrtc.negotiation import MediaPath
from streaming.clock import monotonic

logger = logging.getLogger(__name__)

FIRST_WAIT_SECONDS: Final = 1.0
MAX_WAIT_SECONDS: Final = 30.0
STEADY_SECONDS: Final = 10.0
"""A connection that has lasted this long is made again at once."""
MAX_ANSWER_BYTES: Final = 64 * 1024


class PublishFailed(Exception):
    """The other server does not take the session; the message is a sentence."""


def with_name(url: str, presenter: str) -> str:
    """Return an address, in which {presenter} stands for the name."""
    return url.replace("{presenter}", quote(presenter))


class WhipOut:
    """Publishes one session.

    Args:
        session: its clock is started by itself.
        address: of the other server, for this session.
        key: bearer token; none when empty.
        size: of the video in pixels.
        path: of the media sockets.
        on_failure: called with a sentence when publishing begins to fail.
    """

    def __init__(
        self,
        session: LiveSession,
        address: str,
        key: str,
        size: int,
        path: MediaPath,
        on_failure: Callable[[str], None],
    ) -> None:
        self._session = session
        self._address = address
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._size = size
        self._path = path
        self._on_failure = on_failure
        self.connected = asyncio.Event()
        """Set when the other server first receives."""

    async def run(self) -> None:
        """Publishes until it is cancelled."""
        await self._session.media_session.wait_started()
        wait = FIRST_WAIT_SECONDS
        timeout = httpx.Timeout(PATIENCE_SECONDS, connect=CONNECT_SECONDS)
        async with httpx.AsyncClient(headers=self._headers, timeout=timeout, follow_redirects=True) as http:
            while True:
                began = monotonic()
                try:
                    await self._publish(http)
                except (PublishFailed, NoMediaPort) as failure:
                    logger.warning("publishing failed: %s", failure)
                    if wait == FIRST_WAIT_SECONDS:
                        self._on_failure(str(failure))
                if monotonic() - began > STEADY_SECONDS:
                    wait = FIRST_WAIT_SECONDS
                await asyncio.sleep(wait)
                wait = min(2 * wait, MAX_WAIT_SECONDS)

    async def _publish(self, http: httpx.AsyncClient) -> None:
        """Publishes until the connection ends.

        Raises:
            PublishFailed: the other server cannot be reached, refuses, answers with something else, or media cannot.
        """
        session = self._session
        viewer = await session.viewers.publish(session.media_session.clock, self._size, self._path)
        resource = None
        try:
            response = await self._post(http, viewer)
            if location := response.headers.get("Location"):
                resource = urljoin(str(response.url), location)
            try:
                await viewer.peer.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
            except Exception as error:  # the library raises various exceptions on bad input
                raise PublishFailed("The WHIP server's answer cannot be understood.") from error
            await viewer.settled.wait()
            if not viewer.connected:
                raise PublishFailed("The WHIP server's answer names no UDP port that can be reached from here.")
            self.connected.set()
            await viewer.ended.wait()
        finally:
            viewer.ended.set()
            if resource is not None:
                await _leave(http, resource)

    async def _post(self, http: httpx.AsyncClient, viewer: Viewer) -> httpx.Response:
        offer, form = viewer.peer.localDescription.sdp, {"Content-Type": "application/sdp"}
        try:
            response = await http.post(self._address, content=offer.encode(), headers=form)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PublishFailed("The WHIP server cannot be reached.") from error
        if response.status_code != HTTPStatus.CREATED or len(response.content) > MAX_ANSWER_BYTES:
            raise PublishFailed(f"The WHIP server answered with status {response.status_code}.")
        return response


async def _leave(http: httpx.AsyncClient, resource: str) -> None:
    """Tells the other server that the session is over."""
    try:
        await http.delete(resource)
    except httpx.HTTPError:
        logger.info("the WHIP server could not be told that the session is over")
