"""A visitor's clip becomes a style, and a style goes again: ``PUT`` and ``DELETE /api/styles/{name}``.

The body of a PUT is the video file itself. Tracking runs in a confined process, so that the server's sessions do not
feel it, one clip at a time. The answer comes when the style can be chosen.

Runs on: event loop.
"""

import asyncio
import json
import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server import confined
from server.home import user_folder
from server.problems import problem
from server.service import RETRY_AFTER_SECONDS
from styletalk_core.errors import InputError
from styletalk_core.styles import LARGEST_CLIP_MEGABYTES, StyleLibrary

logger = logging.getLogger(__name__)

LOGGED_CHARACTERS = 2000
_SOURCE = "uploaded clip"
"""What messages call the file; a style remembers it as its source."""
TRACKING_SECONDS = 300.0
"""Longest time that a clip may take."""


class StyleUpload:
    """The two routes of one server."""

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()

    @property
    def routes(self) -> list[Route]:
        """For the application."""
        path = "/api/styles/{name}"
        return [Route(path, self.put, methods=["PUT"]), Route(path, self.delete, methods=["DELETE"])]

    async def put(self, request: Request) -> Response:
        """201 with what `styletalk style add` says, 400 for a clip that cannot be used, 413 for one too large."""
        name = request.path_params["name"]
        try:
            StyleLibrary(user_folder("styles")).check_name(name)
        except InputError as error:
            return problem(400, "bad_name", _sentence(error))
        if self._one_at_a_time.locked():
            wait = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return problem(503, "busy", "Another clip is being watched; try again in a moment.", wait)
        async with self._one_at_a_time:
            folder = Path(await asyncio.to_thread(tempfile.mkdtemp))
            try:
                clip = folder / _SOURCE
                if not await _received(request, clip):
                    return problem(
                        413, "too_large", f"The clip has more than {LARGEST_CLIP_MEGABYTES} MB; cut a part of it."
                    )
                return await _added(name, clip)
            finally:
                await asyncio.to_thread(shutil.rmtree, folder)

    async def delete(self, request: Request) -> Response:
        """204, or 404 where there is no such style of the user's."""
        try:
            StyleLibrary(user_folder("styles")).remove(request.path_params["name"])
        except InputError as error:
            return problem(404, "not_found", _sentence(error))
        return Response(status_code=204)


async def _received(request: Request, path: Path) -> bool:
    """Writes the body to a file; False where it is too large, the rest is then not read."""
    size = 0
    with await asyncio.to_thread(path.open, "wb") as file:
        async for part in request.stream():
            size += len(part)
            if size > LARGEST_CLIP_MEGABYTES * 1_000_000:
                return False
            await asyncio.to_thread(file.write, part)
    return True


async def _added(name: str, clip: Path) -> Response:
    try:
        outcome = await confined.run(("style", "add", name, str(clip), "--json"), TRACKING_SECONDS)
    except confined.TookTooLong:
        return problem(400, "too_slow", "The clip takes too long to watch; cut a part of it.")
    if outcome.status == 0:
        style: dict[str, Any] = json.loads(outcome.out.splitlines()[-1])
        return JSONResponse(style, 201, {"Location": f"/api/styles/{name}"})
    if outcome.status == 2:
        return problem(400, "bad_clip", _sentence(outcome.error.splitlines()[-1].rpartition("styletalk: ")[2]))
    logger.warning("a clip could not be watched (status %d): %s", outcome.status, outcome.error[-LOGGED_CHARACTERS:])
    return problem(400, "bad_clip", "The clip cannot be watched; make it again with another program.")


def _sentence(words: object) -> str:
    """An error's words as a sentence."""
    text = str(words)
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
