"""LiveKit Agents plugin: a face for an agent, in the agent's own process.

`AvatarSession` gives an `AgentSession` a face: it takes the agent's voice through a queue and publishes the face with
its voice as the agent's tracks. `StyleTalkVideoGenerator` is its part that makes frames from audio; any `AvatarRunner`
can use it. Both are also importable from `livekit.plugins.styletalk`.

Runs on: event loop of the agent; the models on threads.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final

import numpy as np
from livekit import rtc
from livekit.agents import AgentSession
from livekit.agents.voice import avatar as voice_avatar
from livekit.agents.voice.avatar import (
    AudioSegmentEnd,
    AvatarOptions,
    AvatarRunner,
    QueueAudioOutput,
    VideoGenerator,
)

from server.avatar import AudioFrame, Avatar, UtteranceEnded, VideoFrame
from server.plugs.emotions import Emotion, style_of
from streaming.audio.pcm_stream import mono
from streaming.errors import EngineFailure, StreamingError

logger = logging.getLogger(__name__)

VOICE_RATE: Final = 24_000
"""Sample rate at which the agent's voice is asked for, in Hz."""
FRAME_RATE: Final = 30.0
"""Frames come at this rate when they are due; under load fewer, at which the runner does not hold them back."""
DEFAULT_SIZE: Final = 512
ONE_SAMPLE: Final = bytes(2)


class StyleTalkVideoGenerator(VideoGenerator):
    """Frames and audio of an avatar for an `AvatarRunner`.

    Args:
        avatar: open, in real time.
    """

    def __init__(self, avatar: Avatar) -> None:
        self._avatar = avatar
        self._pushed = False
        self._failed: asyncio.Queue[AudioSegmentEnd] | None = None
        """Ends of segments that are answered although the avatar has failed, so that the agent does not wait."""

    async def push_audio(self, frame: rtc.AudioFrame | AudioSegmentEnd) -> None:
        """Speak audio; a segment is an utterance."""
        if self._failed is not None:
            if isinstance(frame, AudioSegmentEnd):
                self._failed.put_nowait(frame)
            return
        if isinstance(frame, AudioSegmentEnd):
            if not self._pushed:  # every segment must come to an end, an empty one too
                await self._avatar.push_audio(ONE_SAMPLE, VOICE_RATE)
            self._avatar.commit()
            self._pushed = False
            return
        samples = mono(bytes(frame.data), frame.num_channels)
        try:
            await self._avatar.push_audio(samples, frame.sample_rate)
        except StreamingError as error:
            logger.error("the agent's voice cannot be spoken: %s", error)
        else:
            self._pushed = self._pushed or len(samples) > 0

    async def clear_buffer(self) -> None:
        """Stop speaking with the next packet."""
        self._pushed = False
        await self._avatar.interrupt()

    async def __aiter__(self) -> AsyncIterator[rtc.VideoFrame | rtc.AudioFrame | AudioSegmentEnd]:
        """Yield frames all the time; audio and an `AudioSegmentEnd` for what is spoken."""
        try:
            async for item in self._avatar:
                if isinstance(item, VideoFrame):
                    data = np.ascontiguousarray(item.yuv).tobytes()
                    yield rtc.VideoFrame(item.width, item.height, rtc.VideoBufferType.I420, data)
                elif isinstance(item, AudioFrame) and item.utterance is not None:
                    yield rtc.AudioFrame(item.samples.tobytes(), item.sample_rate, 1, len(item.samples))
                elif isinstance(item, UtteranceEnded):
                    yield AudioSegmentEnd()
        except EngineFailure:
            logger.exception("the face has failed; the agent goes on without it")
            self._failed = asyncio.Queue()
            yield AudioSegmentEnd()
            while True:
                yield await self._failed.get()


class AvatarSession(voice_avatar.AvatarSession[str]):
    """Face of an agent; start it before the agent's session, with `RoomOptions(audio_output=False)`.

    Args:
        avatar: name of the portrait, or an avatar that is not open yet.
        style: speaking style to begin with.
        size: width and height of the published video in px.
    """

    def __init__(self, avatar: str | Avatar = "clara", *, style: str = "neutral", size: int = DEFAULT_SIZE) -> None:
        super().__init__()
        self._avatar = Avatar(avatar, style, size=size) if isinstance(avatar, str) else avatar
        self._size = size
        self._local: rtc.Room | None = None
        self._runner: AvatarRunner | None = None
        self._clearing: asyncio.Task[None] | None = None

    @property
    def avatar_identity(self) -> str:
        """The agent's own: the face is published by the agent."""
        return "" if self._local is None else self._local.local_participant.identity

    @property
    def provider(self) -> str:
        return "styletalk"

    async def start(self, agent_session: AgentSession, room: rtc.Room) -> None:
        """Load the models, and route the agent's voice through the face into the room.

        Raises:
            InputError: there is no such avatar or style.
            WorkerFull: this machine is too slow.
        """
        self._local = room
        await self._avatar.__aenter__()
        voice = QueueAudioOutput(sample_rate=VOICE_RATE, wait_playback_start=True)
        options = AvatarOptions(self._size, self._size, FRAME_RATE, AudioFrame.sample_rate, 1)
        generator = StyleTalkVideoGenerator(self._avatar)
        self._runner = AvatarRunner(room, audio_recv=voice, video_gen=generator, options=options)
        await self._runner.start()
        voice.on("clear_buffer", self._clear)
        agent_session.output.replace_audio_tail(voice)
        await super().start(agent_session, room)

    async def set_style(self, style: str) -> str:
        """Change the way you speak and look.

        Args:
            style: name of a speaking style, such as happy, whispered or newsreader.
        """
        self._avatar.set_style(style)
        return f"You now speak in the style {style}."

    async def set_emotion(self, emotion: Emotion) -> str:
        """Show an emotion on your face from now on.

        Args:
            emotion: the emotion to show.
        """
        return await self.set_style(style_of(emotion))

    async def aclose(self) -> None:
        """Take the face away and release the models."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.aclose()
        await self._avatar.aclose()
        self._room, room = None, self._room  # the base would remove the agent itself, whose identity the face has
        if room is not None:
            room.off("connection_state_changed", self._on_connection_state_changed)
        await super().aclose()

    def _clear(self) -> None:
        """Drop audio that the runner has passed to the track but that was not heard yet."""
        if self._runner is not None:
            self._clearing = asyncio.create_task(self._runner.av_sync.clear_queue(), name="clear the tracks")
