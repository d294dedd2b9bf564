"""Lists of avatars, styles, backgrounds and presenters, the style map, thumbnails, and what the server can do.

Runs on: event loop; libraries are read and thumbnails drawn on threads.
"""

import asyncio
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from server.conversation.choice import EXPLANATION
from server.http import signalling
from server.protocol.operations import (
    AVATAR_THUMBNAIL,
    CONVERSATION,
    JPEG,
    LIST_AVATARS,
    LIST_BACKGROUNDS,
    LIST_PRESENTERS,
    LIST_STYLES,
    STYLE_MAP,
    STYLE_THUMBNAIL,
    WEIGHTS,
)
from server.protocol.resources import (
    Avatar,
    Avatars,
    Background,
    Backgrounds,
    ConversationAnswer,
    Presenter,
    Presenters,
    Style,
    StyleMap,
    StylePlace,
    Styles,
    WeightsAnswer,
)
from server.service import Service
from styletalk_core.licences import terms
from styletalk_core.weights import chosen

MAP_WITHIN_SECONDS = 30.0
"""Seconds that the style map waits for the models to warm up."""


async def avatars(request: Request) -> Response:
    """Lists all avatars with their thumbnail URLs, which change with the portrait."""
    service: Service = request.app.state.service
    entries = await asyncio.to_thread(service.catalogue.avatars)
    return LIST_AVATARS.answer.response(
        Avatars(
            [Avatar(e.name, e.title, e.kind, f"{AVATAR_THUMBNAIL.address(name=e.name)}?{e.stamp}") for e in entries]
        )
    )


async def styles(request: Request) -> Response:
    """Lists all styles with their thumbnail URLs, which change with the motion."""
    service: Service = request.app.state.service
    return LIST_STYLES.answer.response(
        Styles(
            [
                Style(e.name, e.title, e.kind, f"{STYLE_THUMBNAIL.address(name=e.name)}?{e.stamp}")
                for e in service.catalogue.styles()
            ]
        )
    )


async def backgrounds(request: Request) -> Response:
    """Lists all backgrounds; any other color ``#rrggbb`` is accepted as well."""
    service: Service = request.app.state.service
    entries = await asyncio.to_thread(service.catalogue.backgrounds)
    return LIST_BACKGROUNDS.answer.response(Backgrounds([Background(e.name, e.title, e.kind) for e in entries]))


async def style_map(request: Request) -> Response:
    """Returns the positions of the styles in a 2D map, similar ones close together; x and y in -1..1."""
    service: Service = request.app.state.service
    try:
        async with asyncio.timeout(MAP_WITHIN_SECONDS):
            await service.worker.wait_ready()
    except TimeoutError:
        return signalling.busy(service)
    places = await service.worker.style_map()
    return STYLE_MAP.answer.response(StyleMap([StylePlace(place.name, place.x, place.y) for place in places]))


async def presenters(request: Request) -> Response:
    """Lists the presenters that can be watched at /whep/{name}."""
    service: Service = request.app.state.service
    return LIST_PRESENTERS.answer.response(
        Presenters(
            [
                Presenter(name, client.settings.avatar, len(client.session.viewers.by_id))
                for name, client in service.clients.presenters().items()
                if client.session is not None
            ]
        )
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
    jpeg = await service.draw(draw, *names)
    return Response(jpeg, media_type=JPEG, headers={"Cache-Control": "max-age=300"})


async def conversation(request: Request) -> Response:
    """Tells whether the avatar of a call can answer."""
    service: Service = request.app.state.service
    available = service.conversations.available
    return CONVERSATION.answer.response(ConversationAnswer(available, "" if available else EXPLANATION))


async def weights(request: Request) -> Response:
    """Tells which packaged weights the server uses."""
    name = chosen()
    found = terms(name)
    return WEIGHTS.answer.response(WeightsAnswer(name, found.commercial, found.title, found.explanation))


routes = [
    LIST_AVATARS.route(avatars),
    AVATAR_THUMBNAIL.route(thumbnail),
    LIST_STYLES.route(styles),
    STYLE_MAP.route(style_map),
    STYLE_THUMBNAIL.route(style_thumbnail),
    LIST_BACKGROUNDS.route(backgrounds),
    CONVERSATION.route(conversation),
    WEIGHTS.route(weights),
]
