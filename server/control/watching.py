"""A viewer's channel: what a presenter's program is told of the performance, its viewers can be told as well.

Runs on: event loop. Server to client: watch.started, what is in `SHARED`, motion for who asks for it, motion.applied,
presenter.stopped, pong, error. Client to server: session.update with motion, ping.
"""

from collections.abc import Mapping
from typing import Any

from starlette.websockets import WebSocket

from server.control.message_channel import MessageChannel, turn_away, wants_json
from server.control.messages import BadMessage, echo, pack
from server.control.streams import Streams
from server.generated import GENERATED
from server.service import Service
from server.sessions.audience import MOST_VIEWERS
from server.sessions.calls import Visitor
from streaming.queues import BoundedQueue

SHARED = frozenset(
    {
        "avatar.applied",
        "avatar.interrupted",
        "mark",
        "speech.started",
        "speech.stopped",
        "style.applied",
        "transcript.final",
        "transcript.partial",
        "utterance.ended",
        "utterance.started",
    }
)


class WatchChannel(MessageChannel):
    """One viewer's."""

    def __init__(self, socket: WebSocket, service: Service, presenter: Visitor) -> None:
        super().__init__(socket)
        assert presenter.call is not None
        self._name = presenter.presents_as
        self._avatar = presenter.settings.avatar
        self._performance = presenter.call
        self._streams = Streams(service.captions, self.tell, self.tell_if_read)

    async def serve(self) -> None:
        """Works until the viewer leaves or the performance ends."""
        session, events = self._performance.session, self._performance.audience.events
        self.tell("watch.started", presenter=self._name, avatar=self._avatar, generated=GENERATED)
        queue = events.listen()
        self._streams.follow(session)
        try:
            await self.converse(self._relay(queue), self._end())
        finally:
            events.leave(queue)
            await self._streams.aclose()

    async def carry_out(self, message: Mapping[str, Any]) -> None:
        """Does the few things that a viewer may ask for."""
        kind = message.get("type")
        if kind == "ping":
            self.tell("pong", t=echo(message, "t"))
        elif kind == "session.update" and message.keys() <= {"type", "motion"}:
            await self._streams.update(message)
        else:
            raise BadMessage("A viewer may send ping, and session.update with motion.")

    async def _relay(self, events: BoundedQueue[dict[str, Any]]) -> None:
        while True:
            self.tell(**await events.get())

    async def _end(self) -> None:
        await self._performance.audience.over.wait()
        await self.socket.send(pack({"type": "presenter.stopped", "presenter": self._name}, wants_json(self.socket)))
        await self.socket.close()


async def watch(socket: WebSocket, service: Service, name: str) -> None:
    """``/ws?watch=NAME``, accepted: opens a viewer's channel, or says why not."""
    presenter = service.visitors.presenters().get(name)
    if presenter is None or presenter.call is None:
        await turn_away(socket, "not_found", f"Nobody presents as {name!r} now.")
    elif len(presenter.call.audience.events) >= MOST_VIEWERS:
        await turn_away(socket, "server_full", "All seats are taken.")
    else:
        await WatchChannel(socket, service, presenter).serve()
