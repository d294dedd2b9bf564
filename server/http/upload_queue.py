"""Bounded queue of uploads, enrolled one at a time in order of arrival.

Runs on: event loop.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from server.protocol.resources import UploadKind
from styletalk_core.errors import StyleTalkError

MAX_UPLOADS = 8
"""Maximum number of concurrent uploads; each keeps its file on disk, up to 200 MB."""


class UploadQueueFull(StyleTalkError):
    """`MAX_UPLOADS` files are being sent or are waiting."""

    code = "busy"
    status = 503


@dataclass(slots=True, eq=False)
class Ticket:
    """One upload; ``done`` is the share of its enrollment, 0 to 1."""

    kind: UploadKind
    name: str
    done: float = 0.0


class UploadQueue:
    """The uploads of one server."""

    def __init__(self, capacity: int = MAX_UPLOADS) -> None:
        self._capacity = capacity
        self._tickets: list[Ticket] = []
        self._arrived: list[Ticket] = []
        self._turn = asyncio.Lock()
        self.done = 0.0
        """Progress of the newest enrollment, 0 to 1."""

    @contextmanager
    def ticket(self, kind: UploadKind, name: str) -> Iterator[Ticket]:
        """Admit an upload, from the first byte of its body to the response.

        Raises:
            UploadQueueFull: there are too many.
        """
        if len(self._tickets) >= self._capacity:
            raise UploadQueueFull("The upload queue is full; try again in a moment.")
        ticket = Ticket(kind, name)
        self._tickets.append(ticket)
        try:
            yield ticket
        finally:
            self._tickets.remove(ticket)

    @asynccontextmanager
    async def turn(self, ticket: Ticket) -> AsyncIterator[None]:
        """Wait until a received upload is next, and keep its turn within the context."""
        self._arrived.append(ticket)
        try:
            async with self._turn:  # first come, first served
                self.done = 0.0
                yield
        finally:
            self._arrived.remove(ticket)

    def progress(self, ticket: Ticket, done: float) -> None:
        """Record the progress of an enrollment."""
        self.done = ticket.done = done

    def positions(self) -> list[tuple[Ticket, int | None]]:
        """Return every upload with the number of uploads ahead of it; None while its file is being sent."""
        place = {id(ticket): position for position, ticket in enumerate(self._arrived)}
        return [(ticket, place.get(id(ticket))) for ticket in self._tickets]

    @property
    def busy(self) -> bool:
        """True while a file is being enrolled."""
        return bool(self._arrived)
