"""A visitor's control channel: one WebSocket, maps with a "type" in msgpack, or in JSON for ``?format=json``.

Runs on: event loop. Server to client: session.created, style.applied, avatar.applied, speech.started,
speech.stopped, avatar.interrupted, background.applied, presenter.applied, metrics, pong, error. Client to server:
style.set, avatar.set, avatar.interrupt, session.update, ping; what a presenter says is in `presenting`. The end of the
channel is the end of the call. All of it is described in docs/protocol.md.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from server import logs
from server.admission.guard import FULL_ACCESS
from server.control.message_channel import MessageChannel, turn_away
from server.control.messages import BadMessage, echo, number, style_choice, text
from server.control.presenting import Presenting, free_name, milliseconds
from server.control.streams import Streams
from server.control.watching import SHARED, watch
from server.generated import GENERATED
from server.routes.signalling import busy
from server.service import Service
from server.sessions.calls import TooManySessions, Visitor
from streaming.clock import monotonic
from streaming.engine import StyleChoice
from streaming.session import Session
from streaming.speaker import Interruption

logger = logging.getLogger(__name__)

METRICS_SECONDS = 1.0
MOST_CHANNELS = 128
LONGEST_FADE_MS = 2_000
STRONGEST = 2.0


class ControlChannel(MessageChannel):
    """One client's channel."""

    def __init__(self, socket: WebSocket, service: Service, visitor: Visitor) -> None:
        super().__init__(socket)
        self._presenting = Presenting(service, visitor, may_record=socket.scope.get(FULL_ACCESS, False))
        self._streams = Streams(service.captions, self.tell, self.tell_if_read)
        self._service = service
        self._visitor = visitor

    async def serve(self) -> None:
        """Works until the client leaves."""
        visitor = self._visitor
        visitor.control = self
        visitor.last_ping = monotonic()
        settings = visitor.settings
        self.tell(
            "session.created",
            session=visitor.id,
            avatar=settings.avatar,
            **_described(settings.style),
            intensity=settings.intensity,
            background=settings.background,
            fade_ms=round(visitor.fade_s * 1000),
            delay_ms=round(self._service.plan().delay / 48),
            max_sessions=self._service.worker.slots,
            ice_servers=self._service.ice_servers(visitor.id),
            generated=GENERATED,
        )
        try:
            await self.converse(self._report(), self._relay_speech())
        finally:
            await self._streams.aclose()
            if visitor.control is self:  # a reconnected client may have taken over
                visitor.control = None
                await self._service.visitors.end(visitor)

    def tell(self, type: str, **fields: Any) -> None:
        """Queues a message for the client, and for viewers what concerns them."""
        super().tell(type, **fields)
        if type in SHARED and self._visitor.call is not None:
            self._visitor.call.audience.events.publish({"type": type, **fields})

    async def carry_out(self, message: Mapping[str, Any]) -> None:
        """Does what the client asks for."""
        self._visitor.last_ping = monotonic()
        kind = message.get("type")
        if kind == "ping":
            self.tell("pong", t=echo(message, "t"))
        elif kind == "style.set":
            await self._set_style(message)
        elif kind == "avatar.set":
            await self._set_avatar(text(message, "avatar", ""))
        elif kind == "avatar.interrupt":
            self._interrupt()
        elif isinstance(kind, str) and (action := self._presenting.actions.get(kind)):
            await action(message)
        elif kind == "session.update":
            await self._streams.update(message)
            if "avatar" in message:
                await self._set_avatar(text(message, "avatar", ""))
            if message.keys() & {"style", "weights", "intensity", "fade_ms"}:
                await self._set_style(message)
            if "background" in message:
                await self._set_background(text(message, "background", ""))
            if "presenter" in message:
                self._present(message["presenter"])
        else:
            raise BadMessage(f"There is no message of type {kind!r}.")

    @property
    def _session(self) -> Session | None:
        return None if self._visitor.call is None else self._visitor.call.session

    async def _set_style(self, message: Mapping[str, Any]) -> None:
        visitor, session = self._visitor, self._session
        style = style_choice(message, visitor.settings.style)
        intensity = number(message, "intensity", visitor.settings.intensity, STRONGEST)
        fade_ms = number(message, "fade_ms", visitor.fade_s * 1000, LONGEST_FADE_MS)
        known = {entry.name for entry in self._service.catalogue.styles()}
        if unknown := [name for name in ([style] if isinstance(style, str) else style) if name not in known]:
            raise ValueError(f"There is no style named {unknown[0]!r}.")
        frame = 0 if session is None else await session.set_style(style, intensity, fade_ms / 1000)
        visitor.fade_s = fade_ms / 1000
        visitor.settings = replace(visitor.settings, style=style, intensity=intensity)
        self.tell("style.applied", **_described(style), intensity=intensity, frame=frame)

    async def _set_avatar(self, avatar: str) -> None:
        visitor, session = self._visitor, self._session
        if avatar not in {entry.name for entry in self._service.catalogue.avatars()}:
            raise ValueError(f"There is no avatar named {avatar!r}.")
        frame = 0 if session is None else await session.set_avatar(avatar)
        visitor.settings = replace(visitor.settings, avatar=avatar)
        self.tell("avatar.applied", avatar=avatar, frame=frame)

    async def _set_background(self, background: str) -> None:
        visitor, session = self._visitor, self._session
        self._service.catalogue.check_background(background)
        frame = 0 if session is None else await session.set_background(background)
        visitor.settings = replace(visitor.settings, background=background)
        self.tell("background.applied", background=background, frame=frame)

    def _present(self, name: object) -> None:
        """Lets others watch under ``name``; None ends it."""
        self._visitor.presents_as = None if name is None else free_name(self._service, self._visitor, name)
        self.tell("presenter.applied", presenter=name)

    def _interrupt(self) -> None:
        performance = self._visitor.call
        stopped = Interruption(None, 0, 0, ()) if performance is None else performance.interrupt()
        self.tell(
            "avatar.interrupted",
            played_ms=milliseconds(stopped.played),
            frame=stopped.frame,
            utterance=stopped.utterance,
            marks=list(stopped.marks),
        )

    async def _relay_speech(self) -> None:
        while True:
            session = self._session
            self._streams.follow(session)
            if session is None:
                await asyncio.sleep(0.1)
                continue
            try:
                async with asyncio.timeout(1.0):  # unlike wait_for, never takes a cancellation for an event
                    event = await session.events.get()
            except TimeoutError:
                continue
            self.tell("speech.started" if event.started else "speech.stopped", frame=event.frame)

    async def _report(self) -> None:
        """Tells once a second how the call is doing."""
        before, at = 0, monotonic()
        while True:
            await asyncio.sleep(METRICS_SECONDS)
            now = monotonic()
            if (session := self._session) is not None:
                shown = session.stats.fresh
                fps = max(0, shown - before) / (now - at)
                before = shown
                self.tell("metrics", fps=round(fps, 1), **self._metrics(session))
            self._presenting.report()
            at = now

    def _metrics(self, session: Session) -> dict[str, Any]:
        parts = session.plan.parts()
        measured = {name: round(timing.run_p50, 1) for name, timing in self._service.worker.timings().items()}
        return {
            "delay_ms": round(session.plan.delay / 48, 1),
            "parts": parts,
            "stages": measured,
            "late": session.stats.late,
            "level": round(session.level, 4),
        }


def _described(style: StyleChoice) -> dict[str, Any]:
    """How messages tell of a style: by its name, or of a blend by the shares of the blended ones."""
    return {"style": style} if isinstance(style, str) else {"style": None, "weights": dict(style)}


async def control(socket: WebSocket) -> None:
    """``/ws?session=ID``: opens the channel of a new or returning visitor; ``/ws?watch=NAME``: a viewer's."""
    service: Service = socket.app.state.service
    if service.draining:
        await socket.send_denial_response(busy(service))
        return
    await socket.accept()
    if (name := socket.query_params.get("watch")) is not None:
        await watch(socket, service, name)
        return
    if service.visitors.channels >= MOST_CHANNELS:
        await turn_away(socket, "server_full", "Too many visitors.")
        return
    address = socket.client.host if socket.client else ""
    try:
        visitor = service.visitors.welcome(socket.query_params.get("session"), service.first_settings(), address)
    except TooManySessions as error:
        await turn_away(socket, "too_many_sessions", str(error))
        return
    logs.session.set(visitor.id)
    await ControlChannel(socket, service, visitor).serve()


routes = [WebSocketRoute("/ws", control)]
