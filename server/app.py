"""The ASGI application: the page, the API, signalling and control.

Runs on: event loop. `create_app` wires a service; the application's lifespan starts and stops the worker.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.resources import as_file, files
from itertools import product
from pathlib import Path

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Lifespan

from server.auth.guard import Guard
from server.errors import failed, refused, told
from server.http import credentials, lists, openapi, signalling
from server.http.metrics import exposition
from server.http.uploads import Uploads
from server.protocol.operations import HEALTH, LIST_PRESENTERS, METRICS, READINESS
from server.service import Service
from server.sessions import recording
from server.ws import client_channel
from streaming.errors import StreamingError
from streaming.tasks import cancel
from styletalk_core.errors import InputError, StyleTalkError


async def healthz(request: Request) -> Response:
    """Liveness: the process responds."""
    return PlainTextResponse("ok")


async def readyz(request: Request) -> Response:
    """Readiness: the models are warm and new calls are accepted."""
    service: Service = request.app.state.service
    if service.draining or not service.worker.ready or not service.worker.plan.feasible:
        return signalling.busy(service)
    return PlainTextResponse("ready")


async def metrics(request: Request) -> Response:
    """Metrics for Prometheus."""
    return Response(exposition(request.app.state.service), media_type=CONTENT_TYPE_PLAIN_0_0_4)


async def schema(request: Request) -> Response:
    """The OpenAPI document."""
    service: Service = request.app.state.service
    return JSONResponse(openapi.document(protected=not service.access.open))


def _page_parts(page: Path) -> frozenset[str]:
    """Paths of the page's files: they hold no secrets, and embedding pages fetch them without a cookie."""
    files = (path.relative_to(page).as_posix() for path in page.rglob("*") if path.suffix != ".html")
    return frozenset(f"/{file}" for file in files)


async def _settle(service: Service) -> None:
    """Freezes the heap (`gc.freeze`): a full collection would take 0.1 s and stop every thread of the process."""
    await service.worker.wait_ready()
    gc.collect()
    gc.freeze()


async def _draw_ahead(service: Service) -> None:
    """Renders the thumbnails of all avatars in advance, until a call starts, because they would delay its frames."""
    await service.worker.wait_ready()
    shipped = [entry for entry in await asyncio.to_thread(service.catalogue.avatars) if entry.kind == "presenter"]
    for avatar, style in product(shipped, service.catalogue.styles()):
        if service.clients.sessions():
            return
        with suppress(InputError):  # it was removed, or its file is damaged
            await service.draw(service.catalogue.style_thumbnail, style.name, avatar.name)


def create_app(service: Service) -> Starlette:
    """Return the application for a service whose worker has not been started."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        service.worker.start()
        await asyncio.to_thread(service.catalogue.avatars)  # reads the portraits once
        tasks = [
            asyncio.create_task(service.clients.watch(), name="watch for vanished clients"),
            asyncio.create_task(_settle(service), name="settle"),
            asyncio.create_task(service.tell_plan(), name="tell the plan"),
            asyncio.create_task(_draw_ahead(service), name="draw ahead"),
        ]
        try:
            yield
        finally:
            await cancel(*tasks)
            await service.clients.end_all()
            await service.aclose()
            await service.worker.aclose()

    calls = [
        LIST_PRESENTERS.route(lists.presenters),
        READINESS.route(readyz),
        METRICS.route(metrics),
        *signalling.routes,
        *client_channel.routes,
    ]
    return build_app(service, calls, lifespan)


def build_app(
    service: Service, calls: Sequence[BaseRoute], lifespan: Lifespan[Starlette], media: Collection[str] = ()
) -> Starlette:
    """Return the application with the page, the lists and the given routes.

    Args:
        calls: routes for clients and viewers.
        media: further origins that the page may connect to.
    """
    with as_file(files("client_demo")) as page:
        app = Starlette(
            routes=[
                *lists.routes,
                *Uploads().routes,
                HEALTH.route(healthz),
                *credentials.routes,
                *recording.routes,
                *calls,
                Route("/api/openapi.json", schema),
            ],
            middleware=[
                Middleware(
                    Guard,
                    access=service.access,
                    loopback=service.config.loopback,
                    origins=service.config.origins(),
                    public=_page_parts(page),
                    media=media,
                ),
                Middleware(
                    CORSMiddleware,
                    allow_origins=service.config.origins(),
                    allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
                    allow_headers=["Authorization", "Content-Type", "If-Match"],
                    expose_headers=["Accept-Post", "ETag", "Link", "Location", "Retry-After", "X-Session"],
                ),
            ],
            exception_handlers={HTTPException: refused, StyleTalkError: told, StreamingError: told, Exception: failed},
            lifespan=lifespan,
        )
        # not a route: it would match every path before a route that matches except for the method
        app.router.default = StaticFiles(directory=page, html=True)
    app.state.service = service
    return app
