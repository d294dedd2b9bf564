"""Control channel of a client: one WebSocket that controls its call or presentation.

Runs on: event loop. Presenter messages are handled in `presenter_channel`. The call ends with the channel. The messages
are the classes of `server.protocol`; docs/protocol.md describes them.
"""

import asyncio
import logging
from dataclasses import replace

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from server import logs
from server.auth.guard import FULL_ACCESS
from server.http.signalling import busy
from server.protocol.events import (
    AvatarApplied,
    AvatarInterrupted,
    BackgroundApplied,
    Event,
    Metrics,
    Pong,
    PresenceApplied,
    PresenterApplied,
    SessionCreated,
    SpeechStarted,
    SpeechStopped,
    StyleApplied,
    style_fields,
)
from server.protocol.fields import UNSET
from server.protocol.requests import (
    CLIENT_REQUESTS,
    Interrupt,
    Ping,
    PresenterRequest,
    Request,
    SetAvatar,
    SetPresence,
    SetStyle,
    UpdateSession,
)
from server.provenance.ai_label import AI_LABEL
from server.service import Service
from server.sessions.clients import Client, TooManySessions
from server.ws.conversing import Conversing
from server.ws.message_channel import MessageChannel, reject
from server.ws.presenter_channel import PresenterChannel, check_free, milliseconds
from server.ws.subscriptions import Subscriptions
from server.ws.viewer_channel import watch
from streaming.clock import monotonic
from streaming.frames.presence import Attention
from streaming.media import to_ms
from streaming.session import Session
from streaming.speaker import Interruption
from styletalk_core.errors import NotFound

logger = logging.getLogger(__name__)

METRICS_SECONDS = 1.0
MAX_CHANNELS = 128


class ClientChannel(MessageChannel):
    """Control channel of one client."""

    def __init__(self, socket: WebSocket, service: Service, client: Client) -> None:
        super().__init__(socket, CLIENT_REQUESTS)
        self._presenter = PresenterChannel(service, client, may_record=socket.scope.get(FULL_ACCESS, False))
        self._subscriptions = Subscriptions(service.captions, service.space, self.send, self.send_if_read)
        self._conversing = Conversing(service, client, self.send, self._choose_style)
        self._service = service
        self._client = client

    async def serve(self) -> None:
        """Runs until the client disconnects."""
        client = self._client
        client.channel = self
        client.last_ping = monotonic()
        settings = client.settings
        style, weights = style_fields(settings.style)
        self.send(
            SessionCreated(
                client.id,
                settings.avatar,
                style,
                weights,
                settings.intensity,
                settings.background,
                fade_ms=round(client.fade_s * 1000),
                delay_ms=milliseconds(self._service.plan().delay),
                max_sessions=self._service.worker.slots,
                ice_servers=self._service.ice_servers(client.id),
                generated=AI_LABEL,
            )
        )
        try:
            await self.run(self._report(), self._relay_speech())
        finally:
            await self._subscriptions.aclose()
            await self._conversing.aclose()
            if client.channel is self:  # a reconnected client may have taken over
                client.channel = None
                await self._service.clients.end(client)

    def send(self, event: Event) -> None:
        """Queues a message for the client, and for its viewers where it concerns them."""
        super().send(event)
        if event.shared and self._client.session is not None:
            self._client.session.viewers.events.publish(event)

    async def handle(self, request: Request) -> None:
        """Handles one request."""
        self._client.last_ping = monotonic()
        match request:
            case Ping():
                self.send(Pong(request.t))
            case UpdateSession():  # before SetStyle, whose fields it includes
                await self._update(request)
            case SetStyle():
                await self._set_style(request)
            case SetAvatar():
                await self._set_avatar(request.avatar)
            case SetPresence():
                self._set_presence(request)
            case Interrupt():
                self._interrupt()
            case _ if isinstance(request, PresenterRequest):
                await self._presenter.handle(request)

    async def _update(self, request: UpdateSession) -> None:
        if request.motion is not UNSET:
            await self._subscriptions.set_motion(request.motion)
        if request.captions is not UNSET:
            await self._subscriptions.set_captions(request.captions)
        if request.conversation is not UNSET:
            await self._conversing.choose(request.conversation)
        if request.avatar is not UNSET:
            await self._set_avatar(request.avatar)
        if request.changes_style:
            await self._set_style(request)
        if request.background is not UNSET:
            await self._set_background(request.background)
        if request.presenter is not UNSET:
            self._present(request.presenter)

    @property
    def _media_session(self) -> Session | None:
        return None if self._client.session is None else self._client.session.media_session

    async def _set_style(self, request: SetStyle) -> None:
        client, session, settings = self._client, self._media_session, self._client.settings
        chosen = request.style if request.weights is UNSET else request.weights
        style = settings.style if chosen is UNSET else chosen
        intensity = settings.intensity if request.intensity is UNSET else request.intensity
        fade_s = client.fade_s if request.fade_ms is UNSET else request.fade_ms / 1000
        known = {entry.name for entry in self._service.catalogue.styles()}
        if unknown := [name for name in ([style] if isinstance(style, str) else style) if name not in known]:
            raise NotFound(f"There is no style named {unknown[0]!r}.")
        frame = 0 if session is None else await session.set_style(style, intensity, fade_s)
        client.fade_s = fade_s
        client.settings = replace(client.settings, style=style, intensity=intensity)
        self.send(StyleApplied(*style_fields(style), intensity, frame))

    async def _choose_style(self, style: str) -> None:
        await self._set_style(SetStyle(style=style))

    async def _set_avatar(self, avatar: str) -> None:
        client, session = self._client, self._media_session
        if avatar not in {entry.name for entry in self._service.catalogue.avatars()}:
            raise NotFound(f"There is no avatar named {avatar!r}.")
        frame = 0 if session is None else await session.set_avatar(avatar)
        client.settings = replace(client.settings, avatar=avatar)
        self.send(AvatarApplied(avatar, frame))

    async def _set_background(self, background: str) -> None:
        client, session = self._client, self._media_session
        self._service.catalogue.check_background(background)
        frame = 0 if session is None else await session.set_background(background)
        client.settings = replace(client.settings, background=background)
        self.send(BackgroundApplied(background, frame))

    def _set_presence(self, request: SetPresence) -> None:
        client, session, presence = self._client, self._media_session, self._client.settings.presence
        if request.attention is not UNSET:
            presence = replace(presence, attention=Attention(request.attention))
        if request.look_at is not UNSET:
            presence = replace(presence, look_at=request.look_at)
        if request.stillness is not UNSET:
            presence = replace(presence, stillness=request.stillness)
        client.settings = replace(client.settings, presence=presence)
        frame = 0 if session is None else session.set_presence(presence)
        self.send(PresenceApplied(presence.attention.value, presence.look_at, presence.stillness, frame))

    def _present(self, name: str | None) -> None:
        """Lets viewers watch under ``name``; None ends it."""
        if name is not None:
            check_free(self._service, self._client, name)
        self._client.presents_as = name
        self.send(PresenterApplied(name))

    def _interrupt(self) -> None:
        session = self._client.session
        stopped = Interruption(None, 0, 0, ()) if session is None else session.interrupt()
        self.send(AvatarInterrupted(milliseconds(stopped.played), stopped.frame, stopped.utterance, stopped.marks))

    async def _relay_speech(self) -> None:
        while True:
            session = self._media_session
            self._subscriptions.follow(session)
            await self._conversing.follow(self._client.session)
            if session is None:
                await asyncio.sleep(0.1)
                continue
            try:
                async with asyncio.timeout(1.0):  # unlike wait_for, never mistakes a cancellation for an event
                    event = await session.events.get()
            except TimeoutError:
                continue
            self.send(SpeechStarted(event.frame) if event.started else SpeechStopped(event.frame))

    async def _report(self) -> None:
        """Sends the metrics of the call once a second."""
        before, at = 0, monotonic()
        while True:
            await asyncio.sleep(METRICS_SECONDS)
            now = monotonic()
            if (session := self._media_session) is not None:
                shown = session.stats.shown
                fps = max(0, shown - before) / (now - at)
                before = shown
                self.send(self._metrics(session, fps))
            self._presenter.report()
            at = now

    def _metrics(self, session: Session, fps: float) -> Metrics:
        best, added = self._service.worker.plan.best, to_ms(session.added_delay)
        return Metrics(
            round(fps, 1),
            delay_ms=to_ms(session.clock.delay),
            added_delay_ms=added,
            parts=session.plan.parts() | ({"added under load": added} if added else {}),
            size=session.size,
            frame_rate=session.frame_rate,
            planned={"size": best.size, "frame_rate": best.frame_rate},
            stages={name: round(timing.run_p50, 1) for name, timing in self._service.worker.timings().items()},
            late=session.stats.late,
            level=round(session.level, 4),
        )


async def control(socket: WebSocket) -> None:
    """``/ws?session=ID``: opens the channel of a new or returning client; ``/ws?watch=NAME``: a viewer's."""
    service: Service = socket.app.state.service
    if service.draining:
        await socket.send_denial_response(busy(service))
        return
    await socket.accept()
    if (name := socket.query_params.get("watch")) is not None:
        await watch(socket, service, name)
        return
    if service.clients.channels >= MAX_CHANNELS:
        await reject(socket, "server_full", "The server has reached its limit of clients.")
        return
    address = socket.client.host if socket.client else ""
    try:
        client = service.clients.get_or_create(socket.query_params.get("session"), service.first_settings(), address)
    except TooManySessions as error:
        await reject(socket, "too_many_sessions", str(error))
        return
    logs.session.set(client.id)
    await ClientChannel(socket, service, client).serve()


routes = [WebSocketRoute("/ws", control)]
