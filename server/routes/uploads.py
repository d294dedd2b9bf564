"""A visitor's file becomes something to choose, and goes again: ``PUT`` and ``DELETE`` of styles, avatars, backgrounds.

The body of ``PUT /api/styles/{name}`` is a video, of ``PUT /api/avatars/{name}`` a photo, of
``PUT /api/backgrounds/{name}`` a picture. It is watched in a confined process, so that the sessions of the server do
not feel it, one file at a time. The answer comes when it can be chosen.

Runs on: event loop.
"""

import asyncio
import json
import logging
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.admission import confined
from server.admission.problems import problem
from server.home import user_folder
from server.service import RETRY_AFTER_SECONDS
from styletalk_core.errors import InputError
from styletalk_core.renderer.background import BackgroundLibrary
from styletalk_core.renderer.portrait import AvatarLibrary
from styletalk_core.styles import LARGEST_CLIP_MEGABYTES, StyleLibrary

logger = logging.getLogger(__name__)

LOGGED_CHARACTERS = 2000


class Library(Protocol):
    """Where the user's own things lie."""

    def check_name(self, name: str) -> None:
        """Raises InputError for a name that cannot be used."""

    def remove(self, name: str) -> None:
        """Raises InputError where the user has nothing of this name."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file may become.

    Attributes:
        command: `styletalk COMMAND add NAME FILE` makes it; the address is its plural.
        source: what messages call the file; a style remembers it as its source.
        code: of the problem that the file cannot be used.
        megabytes: largest file.
        seconds: longest time that it may take.
        library: the user's own.
    """

    command: str
    source: str
    code: str
    megabytes: float
    seconds: float
    library: Callable[[], Library]


STYLE = Kind(
    "style", "uploaded clip", "bad_clip", LARGEST_CLIP_MEGABYTES, 300.0, lambda: StyleLibrary(user_folder("styles"))
)
AVATAR = Kind("avatar", "uploaded photo", "bad_photo", 30, 60.0, lambda: AvatarLibrary(user_folder("avatars")))

BACKGROUND = Kind(
    "background", "uploaded picture", "bad_picture", 30, 60.0, lambda: BackgroundLibrary(user_folder("backgrounds"))
)


class Uploads:
    """The routes of one server."""

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        self._done = 0.0

    @property
    def routes(self) -> list[Route]:
        """For the application."""
        return [
            *self._routes(STYLE),
            *self._routes(AVATAR),
            *self._routes(BACKGROUND),
            Route("/api/uploads", self._progress),
        ]

    def _routes(self, kind: Kind) -> list[Route]:
        async def put(request: Request) -> Response:
            return await self._put(kind, request)

        async def delete(request: Request) -> Response:
            return _delete(kind, request.path_params["name"])

        path = f"/api/{kind.command}s/{{name}}"
        return [Route(path, put, methods=["PUT"]), Route(path, delete, methods=["DELETE"])]

    async def _put(self, kind: Kind, request: Request) -> Response:
        """201 with what the command says, 400 for a file that cannot be used, 413 for one too large."""
        name = request.path_params["name"]
        try:
            kind.library().check_name(name)
        except InputError as error:
            return problem(400, "bad_name", _sentence(error))
        if self._one_at_a_time.locked():
            wait = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return problem(503, "busy", "Another file is being watched; try again in a moment.", wait)
        async with self._one_at_a_time:
            folder = Path(await asyncio.to_thread(tempfile.mkdtemp))
            try:
                file = folder / kind.source
                if not await _received(request, file, kind.megabytes):
                    message = f"The {kind.source} has more than {kind.megabytes:g} MB; send a smaller one."
                    return problem(413, "too_large", message)
                return await self._add(kind, name, file)
            finally:
                await asyncio.to_thread(shutil.rmtree, folder)

    async def _add(self, kind: Kind, name: str, file: Path) -> Response:
        def tell(line: str) -> None:
            if line.startswith('{"done"'):
                self._done = json.loads(line)["done"]

        self._done = 0.0
        try:
            outcome = await confined.run((kind.command, "add", name, str(file), "--json"), kind.seconds, tell)
        except confined.TookTooLong:
            return problem(400, "too_slow", f"The {kind.source} takes too long to watch; send a smaller one.")
        if outcome.status == 0:
            made: dict[str, Any] = json.loads(outcome.out.splitlines()[-1])
            return JSONResponse(made, 201, {"Location": f"/api/{kind.command}s/{name}"})
        if outcome.status == 2:
            return problem(400, kind.code, _sentence(outcome.error.splitlines()[-1].rpartition("styletalk: ")[2]))
        logger.warning("an upload cannot be used (status %d): %s", outcome.status, outcome.error[-LOGGED_CHARACTERS:])
        return problem(400, kind.code, f"The {kind.source} cannot be used; make it again with another program.")

    async def _progress(self, request: Request) -> Response:
        """Whether a file is being watched, and the share that is done."""
        return JSONResponse({"busy": self._one_at_a_time.locked(), "done": self._done})


def _delete(kind: Kind, name: str) -> Response:
    """204, or 404 where the user has nothing of this name."""
    try:
        kind.library().remove(name)
    except InputError as error:
        return problem(404, "not_found", _sentence(error))
    return Response(status_code=204)


async def _received(request: Request, path: Path, megabytes: float) -> bool:
    """Writes the body to a file; False where it is too large, the rest is then not read."""
    size = 0
    with await asyncio.to_thread(path.open, "wb") as file:
        async for part in request.stream():
            size += len(part)
            if size > megabytes * 1_000_000:
                return False
            await asyncio.to_thread(file.write, part)
    return True


def _sentence(words: object) -> str:
    """An error's words as a sentence."""
    text = str(words)
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
