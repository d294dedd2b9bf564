"""Conversation of one client: the avatar of its call answers instead of repeating its words.

Runs on: event loop. It is chosen once and follows the client from call to call.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from server.conversation.conversation import ConversationEvent, Failed, Said, State
from server.conversation.partner import Heard, Replied
from server.errors import SORRY
from server.protocol.events import (
    ConversationApplied,
    ConversationHeard,
    ConversationReplied,
    ConversationState,
    Error,
    Event,
    TranscriptFinal,
)
from server.service import Service
from server.sessions.clients import Client
from server.sessions.live_session import LiveSession
from server.sessions.microphone_session import MicrophoneSession
from streaming.frames.presence import Attention
from streaming.speaker import Interruption, Speaker
from streaming.tasks import cancel
from styletalk_core.errors import INTERNAL

logger = logging.getLogger(__name__)


class _CallFace:
    """Implements `Face` with the avatar of a call."""

    def __init__(
        self, client: Client, call: MicrophoneSession, speaker: Speaker, set_style: Callable[[str], Awaitable[None]]
    ) -> None:
        self._client = client
        self._call = call
        self._speaker = speaker
        self._set_style = set_style

    def listen(self, listening: bool) -> None:
        """Listens, or attends to what the client has chosen."""
        chosen = self._client.settings.presence
        presence = replace(chosen, attention=Attention.LISTENING) if listening else chosen
        self._call.media_session.set_presence(presence)

    async def set_style(self, style: str) -> None:
        """Cross-fades to a speaking style, which stays."""
        await self._set_style(style)

    def interrupt(self) -> Interruption:
        """Silences the face with the next packet."""
        return self._speaker.interrupt()


class Conversing:
    """The conversation of one client.

    Args:
        service: of the server.
        client: whose calls it follows.
        send: sends a message.
        set_style: cross-fades to a style and tells the client.
    """

    def __init__(
        self,
        service: Service,
        client: Client,
        send: Callable[[Event], None],
        set_style: Callable[[str], Awaitable[None]],
    ) -> None:
        self._service = service
        self._client = client
        self._send = send
        self._set_style = set_style
        self._wanted = False
        self._session: LiveSession | None = None
        self._task: asyncio.Task[None] | None = None

    async def choose(self, wanted: bool) -> None:
        """Begins to converse in this call and those to come, or ends it.

        Raises:
            Refusal: this server cannot converse.
        """
        if wanted:
            self._service.conversations.check()
        changed, self._wanted = wanted != self._wanted, wanted
        self._send(ConversationApplied(wanted))
        if changed:
            self._session, session = None, self._session
            await self.follow(session)

    async def follow(self, session: LiveSession | None) -> None:
        """Switches to this session; None for none."""
        if session is self._session:
            return
        await self.aclose()
        self._session = session
        if self._wanted and isinstance(session, MicrophoneSession):
            self._task = asyncio.create_task(self._run(session), name=f"conversation {session.id}")

    async def aclose(self) -> None:
        """Ends the conversation in the current call."""
        task, self._task = self._task, None
        if task is not None:
            await cancel(task)

    async def _run(self, call: MicrophoneSession) -> None:
        service = self._service
        await call.media_session.wait_started()
        speaker = Speaker(call.media_session)
        face = _CallFace(self._client, call, speaker, self._set_style)
        styles = [style.name for style in service.catalogue.styles()]
        try:
            voice = await asyncio.to_thread(service.voice)
            conversation = await service.conversations.open(speaker, face, voice, styles, self._tell)
            with call.taken_over(speaker, conversation):
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(speaker.run(), name=f"speaker {call.id}")
                    tasks.create_task(conversation.run(), name=f"turns {call.id}")
        except Exception:
            service.internal_errors["conversation"] += 1
            logger.exception("a conversation failed")
            self._send(Error(INTERNAL, SORRY))

    def _tell(self, event: ConversationEvent) -> None:
        match event:
            case State():
                self._send(ConversationState(event.value))
            case Heard():
                self._send(ConversationHeard(event.words))
            case Replied():
                self._send(ConversationReplied(event.words, not event.whole))
            case Said():
                self._send(TranscriptFinal(event.text, event.frame, utterance=event.utterance))
            case Failed():
                self._send(Error("conversation_failed", event.sentence))
