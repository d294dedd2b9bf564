"""Lists of avatars, styles, backgrounds and presenters, the style map, and thumbnails.

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
"""Seconds that the style map waits for the models to warm up."""


async def avatars(request: Request) -> Response:
    """Lists all avatars with their thumbnail URLs, which change with the portrait."""
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
    """Lists all styles with their thumbnail URLs, which change with the motion."""
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
    """Lists all backgrounds; any other color ``#rrggbb`` is accepted as well."""
    service: Service = request.app.state.service
    entries = await asyncio.to_thread(service.catalogue.backgrounds)
    return JSONResponse(
        {"backgrounds": [{"name": entry.name, "title": entry.title, "kind": entry.kind} for entry in entries]}
    )


async def style_map(request: Request) -> Response:
    """Returns the positions of the styles in a 2D map, similar ones close together; x and y in -1..1."""
    service: Service = request.app.state.service
    try:
        async with asyncio.timeout(MAP_WITHIN_SECONDS):
            await service.worker.wait_ready()
    except TimeoutError:
        return signalling.busy(service)
    places = await service.worker.style_map()
    return JSONResponse({"places": [{"name": place.name, "x": place.x, "y": place.y} for place in places]})


async def presenters(request: Request) -> Response:
    """Lists the presenters that can be watched at /whep/{name}."""
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
    """Returns the thumbnail of an avatar."""
    service: Service = request.app.state.service
    return await _drawn(service, service.catalogue.thumbnail, request.path_params["name"])


async def style_thumbnail(request: Request) -> Response:
    """Returns the thumbnail of a style, on the avatar of the query or the first one."""
    service: Service = request.app.state.service
    avatar = request.query_params.get("avatar") or service.first_settings().avatar
    return await _drawn(service, service.catalogue.style_thumbnail, request.path_params["name"], avatar)


async def _drawn(service: Service, draw: Callable[..., bytes], *names: str) -> Response:
    picture = await service.draw(draw, *names)
    return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "max-age=300"})
