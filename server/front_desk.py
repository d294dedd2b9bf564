"""The front desk of several servers: sends every session to a server with a free place, and remembers what it chose.

Runs on: event loop. Only the beginning of a session passes here: media and control flow straight to the server that
took it. When that server is lost, the next one takes the session over with its settings.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from urllib.parse import urlencode, urljoin

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from server.admission.access import Access, Scope
from server.admission.problems import problem
from server.control.message_channel import reject, wants_json
from server.protocol.codec import pack
from server.protocol.events import SessionPlaced, encode
from server.service import RETRY_AFTER_SECONDS
from streaming.session import Settings

logger = logging.getLogger(__name__)

PLACE_SECONDS = 5.0
"""How long a place is waited for."""
ATTEMPTS = 3
TOKEN_SECONDS = 60
"""A client has this long to go from here to his server."""
REMEMBERED_SESSIONS = 10_000


@dataclass(frozen=True, slots=True)
class Choices:
    """What a session has chosen, and what others may know of it."""

    settings: Settings
    fade_s: float
    presents_as: str | None = None
    viewers: int = 0


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a session is served: the address of its server, and its id there."""

    session: str
    url: str


class NoPlace(Exception):
    """Every server is full."""


class ServerLost(Exception):
    """The server that held a session is gone."""


Stay = AsyncGenerator[Placement | Choices, None]
"""A session's time on a server: first where, then its choices whenever they change; it ends with the session."""


class FrontDesk:
    """Places sessions.

    Args:
        hold: begins a stay: takes the session's id and choices, None for a new one. A stay raises ServerLost.
    """

    def __init__(self, hold: Callable[[str | None, Choices | None], Stay]) -> None:
        self._hold = hold
        self._placed: dict[str, Placement] = {}
        self._choices: OrderedDict[str, Choices] = OrderedDict()
        self._stays: set[asyncio.Task[None]] = set()

    @property
    def placed(self) -> int:
        """Sessions that are on a server."""
        return len(self._placed)

    async def place(self, session: str | None) -> Placement:
        """Where ``session`` is served; a new one where it is None or unknown.

        Raises:
            NoPlace: nowhere.
        """
        if session is not None and session in self._placed:
            return self._placed[session]
        choices = self._choices.get(session) if session is not None else None
        for _ in range(ATTEMPTS):
            stay = self._hold(session if choices else None, choices)
            try:
                async with asyncio.timeout(PLACE_SECONDS):
                    placement = await anext(stay)
            except TimeoutError as error:
                await stay.aclose()
                raise NoPlace from error
            except ServerLost:
                continue
            assert isinstance(placement, Placement)
            self._placed[placement.session] = placement
            task = asyncio.create_task(self._follow(placement, stay), name=f"stay {placement.session}")
            self._stays.add(task)
            task.add_done_callback(self._stays.discard)
            return placement
        raise NoPlace

    async def _follow(self, placement: Placement, stay: Stay) -> None:
        session = placement.session
        try:
            async for choices in stay:
                assert isinstance(choices, Choices)
                self._choices[session] = choices
                self._choices.move_to_end(session)
                if len(self._choices) > REMEMBERED_SESSIONS:
                    self._choices.popitem(last=False)
        except ServerLost:
            logger.warning("session %s has lost its server %s", session, placement.url)
        finally:
            self._placed.pop(session, None)

    def presenters(self) -> dict[str, tuple[Placement, Choices]]:
        """Who can be watched, by name."""
        present = ((placement, self._choices.get(session)) for session, placement in self._placed.items())
        return {
            c.presents_as: (placement, c) for placement, c in present if c is not None and c.presents_as is not None
        }

    async def aclose(self) -> None:
        """Lets go of all stays; the sessions go on where they are."""
        for task in self._stays:
            task.cancel()
        await asyncio.gather(*self._stays, return_exceptions=True)


def routes(desk: FrontDesk, access: Access) -> list[BaseRoute]:
    """What a front desk answers instead of a server: always with the way to one."""

    def token() -> str:
        return access.token(Scope.TALK, TOKEN_SECONDS).text

    def presenter(name: str | None) -> Placement | None:
        placement, _ = desk.presenters().get(name or "", (None, None))
        return placement

    async def control(socket: WebSocket) -> None:
        """Tells a client which server to open its channel at."""
        await socket.accept()
        name = socket.query_params.get("watch")
        try:
            placement = await desk.place(socket.query_params.get("session")) if name is None else presenter(name)
        except NoPlace:
            await reject(socket, "server_full", "The server is full; try again in a moment.")
            return
        if placement is None:
            await reject(socket, "not_found", f"Nobody presents as {name!r} now.")
            return
        placed = SessionPlaced(placement.session, placement.url, token())
        await socket.send(pack(encode(placed), wants_json(socket)))
        await socket.close()

    async def call(request: Request) -> Response:
        """Sends an offer on to a server (RFC 9725, section 4.5)."""
        try:
            placement = await desk.place(request.query_params.get("session"))
        except NoPlace:
            wait = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return problem(503, "server_full", "The server is full; try again in a moment.", wait)
        return sent_on(placement, "whip", session=placement.session)

    async def watch(request: Request) -> Response:
        """Sends a viewer on to the server of his presenter."""
        name = request.path_params["presenter"]
        placement = presenter(name)
        if placement is None:
            return problem(404, "not_found", f"Nobody presents as {name!r} now.")
        return sent_on(placement, f"whep/{name}")

    def sent_on(placement: Placement, path: str, **query: str) -> Response:
        address = f"{urljoin(placement.url, path)}?{urlencode(query | {'token': token()})}"
        return Response(None, 307, {"Location": address})

    async def presenters(request: Request) -> Response:
        """Who can be watched, on whichever server."""
        found = [
            {"name": name, "avatar": choices.settings.avatar, "viewers": choices.viewers}
            for name, (_, choices) in desk.presenters().items()
        ]
        return JSONResponse({"presenters": found})

    async def readiness(request: Request) -> Response:
        """The desk answers; whether there is a place, an offer tells."""
        return PlainTextResponse("ready")

    async def metrics(request: Request) -> Response:
        """How many sessions are placed; each server tells its own figures."""
        return PlainTextResponse(f"# TYPE styletalk_placed_sessions gauge\nstyletalk_placed_sessions {desk.placed}\n")

    return [
        WebSocketRoute("/ws", control),
        Route("/whip", call, methods=["POST"]),
        Route("/whep/{presenter}", watch, methods=["POST"]),
        Route("/api/presenters", presenters),
        Route("/readyz", readiness),
        Route("/metrics", metrics),
    ]
