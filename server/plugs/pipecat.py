"""Pipecat plugin: a service after the text-to-speech that turns speech into a face with its voice.

Takes `TTSAudioRawFrame` between `TTSStartedFrame` and `TTSStoppedFrame`, and emits the same audio when the face speaks
it, with the face as `OutputImageRawFrame`; these frames are swallowed until then. An `InterruptionFrame` silences it.
Use it with a transport whose parameters are `video_out_enabled=True, video_out_is_live=True` and the size of the face.

Runs on: event loop of the pipeline; the models on threads.
"""

import asyncio
from collections import deque
from typing import Final

from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    OutputImageRawFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.ai_service import AIService
from pipecat.services.settings import ServiceSettings

from server.avatar import AudioFrame, Avatar, AvatarMedia, UtteranceEnded, UtteranceStarted, VideoFrame, rgb
from server.plugs.emotions import Emotion, style_of
from streaming.errors import StreamingError

DEFAULT_SIZE: Final = 512


class StyleTalkVideoService(AIService):
    """Face of a bot.

    Args:
        avatar: name of the portrait, or an avatar that is not open yet.
        style: speaking style to begin with.
        size: width and height of the frames in px, as in the transport's parameters.
        kwargs: of `AIService`.
    """

    def __init__(
        self, avatar: str | Avatar = "clara", *, style: str = "neutral", size: int = DEFAULT_SIZE, **kwargs: object
    ) -> None:
        super().__init__(settings=ServiceSettings(model=None), **kwargs)
        self._avatar = Avatar(avatar, style, size=size) if isinstance(avatar, str) else avatar
        self._forwarding: asyncio.Task[None] | None = None
        self._begun: deque[TTSStartedFrame] = deque()
        """Of utterances that have not been heard to their end, oldest first."""
        self._spoken = False
        """True when the newest one has audio."""

    def set_style(self, style: str, fade: float = 0.5) -> None:
        """Cross-fade to a speaking style. Raises: NotFound: there is no such style."""
        self._avatar.set_style(style, fade=fade)

    def set_emotion(self, emotion: Emotion) -> None:
        """Show one of eight emotions, in either spelling. Raises: NotFound: it is none of them."""
        self._avatar.set_style(style_of(emotion))

    async def start(self, frame: StartFrame) -> None:
        """Load the models and show the face."""
        await super().start(frame)
        await self._avatar.__aenter__()
        self._forwarding = self.create_task(self._forward(), "face")

    async def stop(self, frame: EndFrame) -> None:
        """Let the face finish what it says, then take it away."""
        await super().stop(frame)
        if self._forwarding is not None:
            self._avatar.finish()
            await self._forwarding
        await self._release()

    async def cancel(self, frame: CancelFrame) -> None:
        """Take the face away at once."""
        await super().cancel(frame)
        await self._release()

    async def cleanup(self) -> None:
        """Release the models."""
        await super().cleanup()
        await self._release()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take speech; pass on everything else."""
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSStartedFrame):
            self._begun.append(frame)
        elif isinstance(frame, TTSAudioRawFrame):
            await self._speak(frame)
        elif isinstance(frame, TTSStoppedFrame):
            await self._complete(frame)
        else:
            if isinstance(frame, InterruptionFrame) and self._forwarding is not None:
                await self._avatar.interrupt()
                self._begun.clear()
                self._spoken = False
            await self.push_frame(frame, direction)

    async def _speak(self, frame: TTSAudioRawFrame) -> None:
        try:
            await self._avatar.push_audio(frame.audio, frame.sample_rate)
        except StreamingError as error:
            await self.push_error(error_msg=f"The voice cannot be spoken: {error}", exception=error)
        else:
            self._spoken = self._spoken or bool(frame.audio)

    async def _complete(self, frame: TTSStoppedFrame) -> None:
        """End the utterance; one without audio is passed on."""
        self._avatar.commit()
        if not self._spoken and self._begun:
            await self.push_frame(self._begun.pop())
            await self.push_frame(frame)
        self._spoken = False

    async def _forward(self) -> None:
        """Push what the avatar shows and says when it is due."""
        try:
            async for item in self._avatar:
                await self._push(item)
        except StreamingError as error:
            await self.push_error(error_msg=f"The face has failed: {error}", exception=error)

    async def _push(self, item: AvatarMedia) -> None:
        context = self._begun[0].context_id if self._begun else None
        if isinstance(item, VideoFrame):
            await self.push_frame(OutputImageRawFrame(rgb(item).tobytes(), (item.width, item.height), "RGB"))
        elif isinstance(item, AudioFrame) and item.utterance is not None:
            await self.push_frame(TTSAudioRawFrame(item.samples.tobytes(), item.sample_rate, 1, context_id=context))
        elif isinstance(item, UtteranceStarted):
            await self.push_frame(TTSStartedFrame(context_id=context))
        elif isinstance(item, UtteranceEnded):
            await self.push_frame(TTSStoppedFrame(context_id=context))
            if self._begun:
                self._begun.popleft()

    async def _release(self) -> None:
        forwarding, self._forwarding = self._forwarding, None
        if forwarding is not None:
            await self.cancel_task(forwarding)
        await self._avatar.aclose()
