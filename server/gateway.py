"""Gateway of a cluster: assigns every session to a server with a free slot and keeps its settings.

Runs on: event loop. Only the start of a session passes through: media and control messages go directly to its server.
When that server fails, another one resumes the session with its settings.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from urllib.parse import urlencode, urljoin

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from server.auth.access import Access, AccessScope
from server.errors import problem
from server.protocol.codec import pack
from server.protocol.events import SessionPlaced, encode
from server.protocol.operations import LIST_PRESENTERS, METRICS, READINESS, START_CALL, WATCH
from server.protocol.resources import Presenter, Presenters
from server.service import RETRY_AFTER_SECONDS
from server.ws.message_channel import reject, wants_json
from streaming.session import Settings
from streaming.tasks import cancel

logger = logging.getLogger(__name__)

ACQUIRE_TIMEOUT_SECONDS = 5.0
"""Seconds to wait for a free slot."""
ATTEMPTS = 3
TOKEN_SECONDS = 60
"""Lifetime in seconds of the token with which a client is redirected to its server."""
REMEMBERED_SESSIONS = 10_000


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Settings of a session, and the name under which it presents."""

    settings: Settings
    fade_s: float
    presents_as: str | None = None
    viewers: int = 0


@dataclass(frozen=True, slots=True)
class Placement:
    """Placement of a session: the address of its server, and its id there."""

    session: str
    url: str


class NoCapacity(Exception):
    """Every server is full."""


class ServerLost(Exception):
    """The server of a session has failed."""


SessionLease = AsyncGenerator[Placement | ClientSettings, None]
"""Lease of a slot: yields the placement, then the settings whenever they change; it ends with the session."""


class Gateway:
    """Places sessions.

    Args:
        acquire: opens a lease from the session's id and settings, None for a new one. A lease raises ServerLost.
    """

    def __init__(self, acquire: Callable[[str | None, ClientSettings | None], SessionLease]) -> None:
        self._acquire = acquire
        self._placed: dict[str, Placement] = {}
        self._client_settings: OrderedDict[str, ClientSettings] = OrderedDict()
        self._leases: set[asyncio.Task[None]] = set()

    @property
    def placed(self) -> int:
        """Number of sessions that have a server."""
        return len(self._placed)

    async def place(self, session: str | None) -> Placement:
        """Return the placement of ``session``; a new one when it is None or unknown.

        Raises:
            NoCapacity: no server has a free slot.
        """
        if session is not None and session in self._placed:
            return self._placed[session]
        client_settings = self._client_settings.get(session) if session is not None else None
        for _ in range(ATTEMPTS):
            lease = self._acquire(session if client_settings else None, client_settings)
            try:
                async with asyncio.timeout(ACQUIRE_TIMEOUT_SECONDS):
                    placement = await anext(lease)
            except TimeoutError as error:
                await lease.aclose()
                raise NoCapacity from error
            except ServerLost:
                continue
            assert isinstance(placement, Placement)
            self._placed[placement.session] = placement
            task = asyncio.create_task(self._follow(placement, lease), name=f"stay {placement.session}")
            self._leases.add(task)
            task.add_done_callback(self._leases.discard)
            return placement
        raise NoCapacity

    async def _follow(self, placement: Placement, lease: SessionLease) -> None:
        session = placement.session
        try:
            async for client_settings in lease:
                assert isinstance(client_settings, ClientSettings)
                self._client_settings[session] = client_settings
                self._client_settings.move_to_end(session)
                if len(self._client_settings) > REMEMBERED_SESSIONS:
                    self._client_settings.popitem(last=False)
        except ServerLost:
            logger.warning("session %s has lost its server %s", session, placement.url)
        finally:
            self._placed.pop(session, None)

    def presenters(self) -> dict[str, tuple[Placement, ClientSettings]]:
        """Sessions that can be watched, by name."""
        present = ((placement, self._client_settings.get(session)) for session, placement in self._placed.items())
        return {
            c.presents_as: (placement, c) for placement, c in present if c is not None and c.presents_as is not None
        }

    async def aclose(self) -> None:
        """Releases all leases; the sessions continue on their servers."""
        await cancel(*self._leases)


def routes(gateway: Gateway, access: Access) -> list[BaseRoute]:
    """Routes of a gateway: each redirects to a server."""

    def token() -> str:
        return access.token(AccessScope.TALK, TOKEN_SECONDS).text

    def presenter(name: str | None) -> Placement | None:
        placement, _ = gateway.presenters().get(name or "", (None, None))
        return placement

    async def control(socket: WebSocket) -> None:
        """Redirects a client's control channel to its server."""
        await socket.accept()
        name = socket.query_params.get("watch")
        try:
            placement = await gateway.place(socket.query_params.get("session")) if name is None else presenter(name)
        except NoCapacity:
            await reject(socket, "server_full", "The server is full; try again in a moment.")
            return
        if placement is None:
            await reject(socket, "not_found", f"There is no presenter named {name!r}.")
            return
        placed = SessionPlaced(placement.session, placement.url, token())
        await socket.send(pack(encode(placed), wants_json(socket)))
        await socket.close()

    async def call(request: Request) -> Response:
        """Redirects an offer to a server (RFC 9725, section 4.5)."""
        try:
            placement = await gateway.place(request.query_params.get("session"))
        except NoCapacity:
            wait = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return problem(503, "server_full", "The server is full; try again in a moment.", wait)
        return sent_on(placement, "whip", session=placement.session)

    async def watch(request: Request) -> Response:
        """Redirects a viewer to the server of its presenter."""
        name = request.path_params["presenter"]
        placement = presenter(name)
        if placement is None:
            return problem(404, "not_found", f"There is no presenter named {name!r}.")
        return sent_on(placement, f"whep/{name}")

    def sent_on(placement: Placement, path: str, **query: str) -> Response:
        address = f"{urljoin(placement.url, path)}?{urlencode(query | {'token': token()})}"
        return Response(None, 307, {"Location": address})

    async def presenters(request: Request) -> Response:
        """Lists the presenters of all servers."""
        found = [
            Presenter(name, client_settings.settings.avatar, client_settings.viewers)
            for name, (_, client_settings) in gateway.presenters().items()
        ]
        return LIST_PRESENTERS.answer.response(Presenters(found))

    async def readiness(request: Request) -> Response:
        """Readiness of the gateway; an offer shows whether a slot is free."""
        return PlainTextResponse("ready")

    async def metrics(request: Request) -> Response:
        """Number of placed sessions, for Prometheus; each server has its own metrics."""
        return PlainTextResponse(
            f"# TYPE styletalk_placed_sessions gauge\nstyletalk_placed_sessions {gateway.placed}\n"
        )

    return [
        WebSocketRoute("/ws", control),
        START_CALL.route(call),
        WATCH.route(watch),
        LIST_PRESENTERS.route(presenters),
        READINESS.route(readiness),
        METRICS.route(metrics),
    ]
