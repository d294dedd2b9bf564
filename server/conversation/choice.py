"""Conversations of a server: which models they use, as configured.

Runs on: event loop; turn detection on one thread for the whole server, so that it never waits for anything else.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from server.config import ServerConfig
from server.conversation.cascade import Cascade
from server.conversation.conversation import Conversation, ConversationEvent
from server.conversation.partner import Face, Partner
from server.conversation.remote_chat import RemoteChat
from server.conversation.speech_model.realtime import Realtime
from server.conversation.speech_model.speech_to_speech import SpeechPartner
from server.conversation.style_tool import style_tool
from server.conversation.transcriber import RemoteWords, Transcriber, VoskWords
from server.errors import Refusal
from server.sessions.captions import CaptionModel
from server.tts.endpoint import Endpoint
from server.tts.voice import Voice
from streaming.speaker import Speaker

if TYPE_CHECKING:
    from server.conversation.turn_detector import TurnDetector
    from styletalk_core.recognizer.vad import VoiceDetector

EXPLANATION = (
    "To talk with the avatar, start the server with --chat-url URL of any OpenAI-compatible chat server and "
    "--vosk-model en-us, or with --realtime-url URL."
)


class Conversations:
    """Opens the conversations of a server.

    Args:
        config: of the server.
        captions: its Vosk model.
    """

    def __init__(self, config: ServerConfig, captions: CaptionModel) -> None:
        self._config = config
        self._captions = captions
        self._threads = ThreadPoolExecutor(1, "turns")
        self._detector: VoiceDetector | None = None
        self._chat = self._words = None
        if config.chat_url:
            self._chat = Endpoint("chat server", config.chat_url, config.chat_key)
        if config.transcription_url:
            self._words = Endpoint("transcription server", config.transcription_url, config.transcription_key)

    @property
    def available(self) -> bool:
        """True when the server has what a conversation needs."""
        return bool(self._chat or self._config.realtime_url)

    def check(self) -> None:
        """Checks that conversations are possible.

        Raises:
            Refusal: they are not; the text says what to pass.
        """
        if not self.available:
            raise Refusal("no_conversation", EXPLANATION)

    async def open(
        self,
        speaker: Speaker,
        face: Face,
        voice: Voice,
        styles: Sequence[str],
        on_event: Callable[[ConversationEvent], None],
    ) -> Conversation:
        """Return a conversation that has not begun; the first call loads the turn detector."""
        loop = asyncio.get_running_loop()
        turns = await loop.run_in_executor(self._threads, self._turns)
        partner = self._partner(speaker, face, voice, styles, on_event)
        return Conversation(partner, face, turns, partial(loop.run_in_executor, self._threads), on_event)

    async def aclose(self) -> None:
        """Stops the thread and closes connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for endpoint in filter(None, (self._chat, self._words)):
            await endpoint.aclose()

    def _partner(
        self,
        speaker: Speaker,
        face: Face,
        voice: Voice,
        styles: Sequence[str],
        on_event: Callable[[ConversationEvent], None],
    ) -> Partner:
        config, tools = self._config, (style_tool(styles),) if styles else ()
        if self._chat is None:
            model = Realtime(
                config.realtime_url,
                config.realtime_key,
                config.realtime_model,
                config.realtime_voice,
                config.chat_prompt,
                tools,
            )
            return SpeechPartner(model, speaker, face, on_event)
        chat = RemoteChat(self._chat, config.chat_model)
        return Cascade(self._transcriber(), chat, voice, speaker, face, tools, config.chat_prompt, on_event)

    def _transcriber(self) -> Transcriber:
        if self._words is not None:
            return RemoteWords(self._words, self._config.transcription_model)
        return VoskWords(self._captions.open, self._captions.run)

    def _turns(self) -> "TurnDetector":
        from server.conversation.turn_detector import TurnDetector
        from styletalk_core.recognizer.vad import VoiceDetector

        if self._detector is None:
            self._detector = VoiceDetector()
        return TurnDetector(self._detector)
