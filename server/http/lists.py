"""What can be chosen and watched: avatars, styles, backgrounds, the style map, presenters.

Runs on: event loop; libraries are read and thumbnails drawn on threads.
"""

import asyncio
from collections.abc import Callable
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.http import signalling
from server.service import Service

MAP_WITHIN_SECONDS = 30.0
"""How long the style map waits for a server that warms up."""


async def avatars(request: Request) -> Response:
    """All avatars with the address of their thumbnails, which is another one for another portrait."""
    service: Service = request.app.state.service
    entries = await asyncio.to_thread(service.catalogue.avatars)
    return JSONResponse(
        {
            "avatars": [
                {
                    "name": entry.name,
                    "title": entry.title,
                    "kind": entry.kind,
                    "thumbnail": f"/api/avatars/{quote(entry.name)}/thumbnail?{entry.stamp}",
                }
                for entry in entries
            ]
        }
    )


async def styles(request: Request) -> Response:
    """All styles with the address of their thumbnails, which is another one for another motion."""
    service: Service = request.app.state.service
    return JSONResponse(
        {
            "styles": [
                {
                    "name": entry.name,
                    "title": entry.title,
                    "kind": entry.kind,
                    "thumbnail": f"/api/styles/{quote(entry.name)}/thumbnail?{entry.stamp}",
                }
                for entry in service.catalogue.styles()
            ]
        }
    )


async def backgrounds(request: Request) -> Response:
    """All backgrounds; colours of the form ``#rrggbb`` that are not listed work as well."""
    service: Service = request.app.state.service
    entries = await asyncio.to_thread(service.catalogue.backgrounds)
    return JSONResponse(
        {"backgrounds": [{"name": entry.name, "title": entry.title, "kind": entry.kind} for entry in entries]}
    )


async def style_map(request: Request) -> Response:
    """Where the styles lie in the plane, similar ones near each other; x and y in -1..1. Waits for the models."""
    service: Service = request.app.state.service
    try:
        async with asyncio.timeout(MAP_WITHIN_SECONDS):
            await service.worker.wait_ready()
    except TimeoutError:
        return signalling.busy(service)
    places = await service.worker.style_map()
    return JSONResponse({"places": [{"name": place.name, "x": place.x, "y": place.y} for place in places]})


async def presenters(request: Request) -> Response:
    """Who can be watched at /whep/{name}."""
    service: Service = request.app.state.service
    return JSONResponse(
        {
            "presenters": [
                {"name": name, "avatar": client.settings.avatar, "viewers": len(client.session.viewers.by_id)}
                for name, client in service.clients.presenters().items()
                if client.session is not None
            ]
        }
    )


async def thumbnail(request: Request) -> Response:
    """A small picture of an avatar."""
    service: Service = request.app.state.service
    return await _drawn(service, service.catalogue.thumbnail, request.path_params["name"])


async def style_thumbnail(request: Request) -> Response:
    """A small picture of a style, on the avatar of the query or the first one."""
    service: Service = request.app.state.service
    avatar = request.query_params.get("avatar") or service.first_settings().avatar
    return await _drawn(service, service.catalogue.style_thumbnail, request.path_params["name"], avatar)


async def _drawn(service: Service, draw: Callable[..., bytes], *names: str) -> Response:
    picture = await service.draw(draw, *names)
    return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "max-age=300"})
