"""Shared state of the routes: configuration, worker, catalogue and clients.

Runs on: event loop.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from server.auth.access import Access
from server.catalogue import Catalogue
from server.config import ServerConfig
from server.conversation.choice import Conversations
from server.paths import user_folder
from server.protocol.events import ServerDraining
from server.provenance.certificate import Certificate, own_test_certificate
from server.sessions.captions import CaptionModel
from server.sessions.clients import Clients
from server.tts.choice import open_voice
from server.tts.voice import Voice
from server.webrtc import turn
from server.webrtc.negotiation import MediaPath
from server.webrtc.turn import IceServer
from streaming.clock import unix_seconds
from streaming.latency import LatencyPlan
from streaming.scheduling.batch_worker import BatchWorker
from streaming.session import Settings
from styletalk_core.face.spaces import MESH64, Space

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
MAX_VOICES = 32
"""Voices kept open."""


@dataclass(slots=True)
class Service:
    """One server."""

    config: ServerConfig
    worker: BatchWorker
    catalogue: Catalogue
    space: Space = MESH64
    """Meaning of the expression coefficients in sessions."""
    clients: Clients = field(init=False)
    access: Access = field(init=False)
    draining: bool = False
    """True once the server is shutting down and accepts no more calls."""
    captions: CaptionModel = field(init=False)
    conversations: Conversations = field(init=False)
    internal_errors: Counter[str] = field(default_factory=Counter, init=False)
    """Unexpected errors outside the worker, by place: http, channel or upload."""
    _voices: dict[tuple[str, str], Voice] = field(default_factory=dict, init=False)
    _drawing: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "drawing"), init=False)

    def __post_init__(self) -> None:
        self.access = Access(self.config.api_key)
        self.captions = CaptionModel(self.config.vosk_model)
        self.conversations = Conversations(self.config, self.captions)
        self.clients = Clients(self.config.max_per_address, self.config.session_seconds)

    async def drain(self, seconds: float) -> None:
        """Stops accepting calls and returns when none is left, after ``seconds`` at the latest."""
        self.draining = True
        for client in self.clients:
            client.send(ServerDraining(round(seconds)))
        working = {client.task for client in self.clients if client.task is not None}
        if working:
            over, cut_off = await asyncio.wait(working, timeout=seconds)
            logger.info("drained: %d calls ended by themselves, %d are terminated", len(over), len(cut_off))

    async def draw(self, render: Callable[..., bytes], *names: str) -> bytes:
        """Draws a thumbnail on a dedicated thread.

        A page requests dozens at once, which would fill the event loop's pool, where the encoders of all calls run.
        """
        return await asyncio.get_running_loop().run_in_executor(self._drawing, render, *names)

    async def aclose(self) -> None:
        """Stops the threads."""
        self.captions.close()
        await self.conversations.aclose()
        self._drawing.shutdown(wait=False, cancel_futures=True)

    def voice(self, name: str = "", language: str = "") -> Voice:
        """Return a text-to-speech voice, by default the configured one; opened on first use.

        Raises:
            InputError: it is not installed, or does not speak this language.
        """
        if (voice := self._voices.get((name, language))) is None:
            voice = open_voice(self.config, name, language)
            if len(self._voices) < MAX_VOICES:
                self._voices[name, language] = voice
        return voice

    def certificate(self) -> Certificate:
        """Return the certificate that signs recordings; reads files.

        Raises:
            InputError: the operator's own cannot be used.
        """
        if self.config.c2pa_certificate:
            return Certificate.read(Path(self.config.c2pa_certificate), Path(self.config.c2pa_key))
        return own_test_certificate(user_folder("provenance"))

    def plan(self) -> LatencyPlan:
        """Return the parts of the delay of a call that starts now."""
        config = self.config
        return LatencyPlan(
            self.worker.recognizer_delay,
            config.future_frames,
            budget=self.worker.plan.budget,
            renderer_frames=config.renderer_frames,
        )

    async def tell_plan(self) -> None:
        """Logs the frame size and rate of this machine once known; an error where it can draw none."""
        await self.worker.wait_ready()
        plan = self.worker.plan
        logger.log(logging.INFO if plan.feasible else logging.ERROR, "%s", plan.described())

    def first_settings(self) -> Settings:
        """Default settings of a new client."""
        config = self.config
        avatar = config.avatar or next((entry.name for entry in self.catalogue.avatars()), "")
        style = config.style or next((entry.name for entry in self.catalogue.styles()), "")
        return Settings(avatar, style)

    def ice_servers(self, label: str) -> list[IceServer]:
        """Return the TURN servers of a client, as ``iceServers`` of a browser."""
        return turn.ice_servers(self.config, label, unix_seconds())

    def media_path(self) -> MediaPath:
        """Addresses and ports of the media sockets."""
        return MediaPath.of(self.config)
