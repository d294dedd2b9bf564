"""Channel of a viewer: the presenter's events that concern viewers, and motion on request.

Runs on: event loop.
"""

from starlette.websockets import WebSocket

from server.protocol.codec import pack
from server.protocol.events import Event, Pong, PresenterStopped, WatchStarted, encode
from server.protocol.fields import UNSET
from server.protocol.requests import VIEWER_REQUESTS, Ping, Request, UpdateViewer
from server.provenance.ai_label import AI_LABEL
from server.service import Service
from server.sessions.clients import Client
from server.sessions.viewers import MAX_VIEWERS
from server.ws.message_channel import MessageChannel, reject, wants_json
from server.ws.subscriptions import Subscriptions
from streaming.queues import BoundedQueue


class ViewerChannel(MessageChannel):
    """One viewer's."""

    def __init__(self, socket: WebSocket, service: Service, presenter: Client) -> None:
        super().__init__(socket, VIEWER_REQUESTS)
        assert presenter.session is not None and presenter.presents_as is not None
        self._name = presenter.presents_as
        self._avatar = presenter.settings.avatar
        self._session = presenter.session
        self._subscriptions = Subscriptions(service.captions, service.space, self.send, self.send_if_read)

    async def serve(self) -> None:
        """Runs until the viewer disconnects or the session ends."""
        session, events = self._session.media_session, self._session.viewers.events
        self.send(WatchStarted(self._name, self._avatar, AI_LABEL))
        queue = events.listen()
        self._subscriptions.follow(session)
        try:
            await self.run(self._relay(queue), self._end())
        finally:
            events.leave(queue)
            await self._subscriptions.aclose()

    async def handle(self, request: Request) -> None:
        """Handles one request of a viewer."""
        if isinstance(request, Ping):
            self.send(Pong(request.t))
        elif isinstance(request, UpdateViewer) and request.motion is not UNSET:
            await self._subscriptions.set_motion(request.motion)

    async def _relay(self, events: BoundedQueue[Event]) -> None:
        while True:
            self.send(await events.get())

    async def _end(self) -> None:
        await self._session.viewers.over.wait()
        await self.socket.send(pack(encode(PresenterStopped(self._name)), wants_json(self.socket)))
        await self.socket.close()


async def watch(socket: WebSocket, service: Service, name: str) -> None:
    """``/ws?watch=NAME``, accepted: opens a viewer's channel, or rejects it with a reason."""
    presenter = service.clients.presenters().get(name)
    if presenter is None or presenter.session is None:
        await reject(socket, "not_found", f"There is no presenter named {name!r}.")
    elif len(presenter.session.viewers.events) >= MAX_VIEWERS:
        await reject(socket, "server_full", "The server has reached its limit of viewers.")
    else:
        await ViewerChannel(socket, service, presenter).serve()
