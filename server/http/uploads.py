"""Uploads: ``PUT`` and ``DELETE`` of a user's styles, avatars and backgrounds.

The body of ``PUT /api/styles/{name}`` is a video, of ``PUT /api/avatars/{name}`` a photo, of
``PUT /api/avatars/{name}/smile`` another one of the same person, of ``PUT /api/backgrounds/{name}`` an image. A
sandboxed process converts it to an entry, one file at a time, so that live sessions are not affected; further uploads
queue. The response is sent when the entry is available. If the client disconnects earlier, nothing is stored.

Runs on: event loop.
"""

import asyncio
import logging
import re
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from server.errors import SORRY, problem, sentence
from server.http import sandbox
from server.http.sandbox import Failure, Result
from server.http.upload_queue import Ticket, UploadQueue, UploadQueueFull
from server.paths import user_folder
from server.protocol import resources
from server.protocol.operation import Answer, JsonAnswer, Operation
from server.protocol.operations import (
    DELETE_AVATAR,
    DELETE_BACKGROUND,
    DELETE_STYLE,
    LIST_UPLOADS,
    PUT_AVATAR,
    PUT_BACKGROUND,
    PUT_SMILE,
    PUT_STYLE,
)
from server.service import RETRY_AFTER_SECONDS, Service
from streaming.tasks import cancel
from styletalk_core.errors import INTERNAL, InputError, NotFound, StorageError, storing
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.backgrounds import BackgroundLibrary
from styletalk_core.library.styles import MAX_CLIP_MEGABYTES, StyleLibrary
from styletalk_core.library.user_library import UserLibrary

logger = logging.getLogger(__name__)

PROCESS = "server.http.enrollment_process"
LOGGED_CHARACTERS = 2000
CLIENT_GONE = 499
"""Status of a response to a client that has disconnected, for the access log."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Kind of library entry that an upload creates.

    Attributes:
        noun: names it in messages and for the process.
        source: name of the file in messages; stored as the source of a style.
        code: error code of an unusable file.
        megabytes: size limit of the file.
        seconds: time limit of the enrollment.
        library: opens the library in a folder.
        put: creates an entry, or changes the one that `changes`.
        delete: deletes one; None if another kind does.
        changes: kind of the entry that an upload changes; None if it creates one.
    """

    noun: resources.UploadKind
    source: str
    code: str
    megabytes: float
    seconds: float
    library: Callable[[Path], UserLibrary[Any]]
    put: Operation[JsonAnswer[Any]]
    delete: Operation[Answer] | None
    changes: resources.UploadKind | None = None

    def user_library(self) -> UserLibrary[Any]:
        """Open the user's own library."""
        return self.library(user_folder(f"{self.changes or self.noun}s"))


STYLE = Kind("style", "uploaded clip", "bad_clip", MAX_CLIP_MEGABYTES, 300.0, StyleLibrary, PUT_STYLE, DELETE_STYLE)
AVATAR = Kind("avatar", "uploaded photo", "bad_photo", 30, 60.0, AvatarLibrary, PUT_AVATAR, DELETE_AVATAR)
SMILE = Kind("smile", "uploaded photo", "bad_photo", 30, 60.0, AvatarLibrary, PUT_SMILE, None, changes="avatar")
BACKGROUND = Kind(
    "background", "uploaded image", "bad_picture", 30, 60.0, BackgroundLibrary, PUT_BACKGROUND, DELETE_BACKGROUND
)


class Uploads:
    """The routes of one server."""

    def __init__(self) -> None:
        self._queue = UploadQueue()

    @property
    def routes(self) -> list[Route]:
        """Return the routes for the application."""
        kinds = (STYLE, AVATAR, SMILE, BACKGROUND)
        return [*(route for kind in kinds for route in self._routes(kind)), LIST_UPLOADS.route(self._progress)]

    def _routes(self, kind: Kind) -> list[Route]:
        async def put(request: Request) -> Response:
            return await self._put(kind, request)

        async def delete(request: Request) -> Response:
            await asyncio.to_thread(kind.user_library().remove, request.path_params["name"])
            return Response(status_code=204)

        return [kind.put.route(put), *([] if kind.delete is None else [kind.delete.route(delete)])]

    async def _put(self, kind: Kind, request: Request) -> Response:
        """Answer 201 with the entry, 400 for an unusable file, 413 for one too large, 503 when the queue is full."""
        name, library = request.path_params["name"], kind.user_library()
        try:
            library.check_name(name)
        except InputError as error:
            return problem(400, "bad_name", sentence(error))
        if kind.changes is not None and not library.is_added(name):
            raise NotFound(f"There is no user {kind.changes} named {name!r}.")
        try:
            with self._queue.ticket(kind.noun, name) as ticket:
                return await self._received(kind, ticket, request)
        except UploadQueueFull as full:
            return problem(full.status, full.code, str(full), {"Retry-After": str(RETRY_AFTER_SECONDS)})
        except ClientDisconnect:
            logger.info("the client of the upload of %s %s has disconnected", kind.noun, name)
            return Response(status_code=CLIENT_GONE)

    async def _received(self, kind: Kind, ticket: Ticket, request: Request) -> Response:
        """Receive the file, wait for its turn and enroll it.

        Raises:
            ClientDisconnect: the client has disconnected; nothing is stored.
            StorageError: the server cannot store files.
        """
        with storing():
            folder = Path(await asyncio.to_thread(tempfile.mkdtemp))
        try:
            file = folder / kind.source
            if not await _write_body(request, file, kind.megabytes):
                message = f"The {kind.source} is larger than {kind.megabytes:g} MB; send a smaller one."
                return problem(413, "too_large", message)
            service: Service = request.app.state.service
            wanted = (
                {"face": _number(request, "face") or 1, "teeth": _number(request, "teeth")} if kind is AVATAR else {}
            )
            return await _while_connected(request, self._enroll(kind, ticket, file, wanted, service))
        finally:
            await asyncio.to_thread(shutil.rmtree, folder)

    async def _enroll(
        self, kind: Kind, ticket: Ticket, file: Path, wanted: Mapping[str, int | None], service: Service
    ) -> Response:
        made = kind.library(file.parent / "made")
        if kind.changes is not None:
            await asyncio.to_thread(made.copy, ticket.name, kind.user_library())
        paths = {"file": str(file), "folder": str(file.parent / "made")}
        request = {"kind": kind.noun, "name": ticket.name, **paths, **wanted}
        try:
            async with self._queue.turn(ticket):
                ended = await sandbox.run(
                    PROCESS, request, kind.seconds, lambda done: self._queue.progress(ticket, done)
                )
                if isinstance(ended.answer, Result):
                    await asyncio.to_thread(kind.user_library().copy, ticket.name, made)
        except sandbox.TookTooLong:
            return problem(400, "too_slow", f"The {kind.source} takes too long to process; send a smaller one.")
        match ended.answer:
            case Result(value):
                answer = kind.put.answer
                return answer.response(answer.message(**value), {"Location": kind.put.address(name=ticket.name)})
            case Failure(code, _) if code == INTERNAL:
                logger.error("an upload failed: %s", ended.log[-LOGGED_CHARACTERS:])
                service.internal_errors["upload"] += 1
                return problem(500, INTERNAL, SORRY)
            case Failure(code, message) if code == StorageError.code:
                return problem(StorageError.status, code, sentence(message))
            case Failure(_, message):
                return problem(400, kind.code, sentence(message))
        logger.warning("an upload cannot be used (status %d): %s", ended.status, ended.log[-LOGGED_CHARACTERS:])
        return problem(400, kind.code, f"The {kind.source} cannot be used; export it again with another program.")

    async def _progress(self, request: Request) -> Response:
        """List every upload with its position, 0 for the one being enrolled, and its progress."""
        uploads = [
            resources.Upload(ticket.kind, ticket.name, position, ticket.done)
            for ticket, position in self._queue.positions()
        ]
        return LIST_UPLOADS.answer.response(resources.Uploads(self._queue.busy, self._queue.done, uploads))


async def _while_connected(request: Request, work: Coroutine[Any, Any, Response]) -> Response:
    """Do work while the client waits for it.

    Raises:
        ClientDisconnect: the client has disconnected; the work was cancelled.
    """
    working = asyncio.create_task(work, name="upload")
    watching = asyncio.create_task(_disconnected(request), name="upload client")
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        await cancel(working, watching)


def _number(request: Request, name: str) -> int | None:
    """Return the query's number of a face or of teeth, from 1; None without any.

    Raises:
        InputError: it is none.
    """
    number = request.query_params.get(name)
    if number is None:
        return None
    if not re.fullmatch("[1-9][0-9]?", number):
        raise InputError(f"The number of {name} must be from 1 to 99.")
    return int(number)


async def _disconnected(request: Request) -> None:
    """Return when the client of a fully read request disconnects."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _write_body(request: Request, path: Path, megabytes: float) -> bool:
    """Writes the body to a file; False when it is too large; the rest is then not read.

    Raises:
        StorageError: the server cannot store files.
    """
    size = 0
    with storing(), await asyncio.to_thread(path.open, "wb") as file:
        async for part in request.stream():
            size += len(part)
            if size > megabytes * 1_000_000:
                return False
            await asyncio.to_thread(file.write, part)
    return True
