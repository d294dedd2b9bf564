"""Offline avatar: speaks in virtual time, as fast as its media are taken.

Runs on: event loop; the session on a thread of its own.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Self, TypeVar

from streaming.avatar.media import AvatarMedia, split
from streaming.engine import Engine, StyleChoice
from streaming.frames.presence import Presence
from streaming.offline import OfflineSession
from streaming.session import Settings
from streaming.speaker import Interruption

T = TypeVar("T")
FRAMES_AHEAD: Final = 8
"""The same on every machine, so that a change of style shows with the same frame."""


class OfflineAvatar:
    """Implements `SpeakingAvatar`. Created by `open`; the same pushes and changes give the same media."""

    def __init__(self, thread: ThreadPoolExecutor, session: OfflineSession) -> None:
        self._thread = thread
        self._session = session
        self._media: deque[AvatarMedia] = deque()
        self._changes: list[Future[object]] = []
        self._supplied = asyncio.Event()
        self._finished = False

    @classmethod
    async def open(
        cls, make_engine: Callable[[], Engine], settings: Settings, threads: int, future_frames: int = 2, seed: int = 0
    ) -> Self:
        """Build the engine and open a session.

        Raises:
            Exception: raised by the engine, for example for an unknown avatar or style.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="offline avatar")
        try:
            session = await asyncio.get_running_loop().run_in_executor(
                thread,
                lambda: OfflineSession(make_engine(), settings, future_frames, seed, threads, FRAMES_AHEAD),
            )
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(thread, session)

    async def push(self, data: bytes, rate: int) -> None:
        """Append audio."""
        await self._run(lambda: self._session.audio.push(data, rate))
        self._supplied.set()

    def commit(self) -> None:
        """Complete the open utterance."""
        self._change(lambda: self._session.audio.commit())

    def finish(self) -> None:
        """End the input."""
        self._finished = True
        self._change(self._session.finish)

    def set_style(self, style: StyleChoice, intensity: float, fade_s: float) -> None:
        """Cross-fade to a style."""
        self._change(lambda: self._session.set_style(style, intensity, fade_s))

    def set_presence(self, presence: Presence) -> None:
        """Fade to where and how the face is wanted to be."""
        self._change(lambda: self._session.set_presence(presence))

    async def interrupt(self) -> Interruption:
        """Stop speaking; media that have been begun are still handed out."""
        return await self._run(self._session.interrupt)

    async def next(self) -> AvatarMedia | None:
        """Return what is due next; waits for audio while time stands still."""
        while not self._media:
            self._supplied.clear()
            finished = self._finished
            media = await self._run(self._session.next)
            self._raise_errors()
            if media is not None:
                self._media.extend(split(media))
            elif finished:
                return None
            else:
                await self._supplied.wait()
        return self._media.popleft()

    async def aclose(self) -> None:
        """End the session and the thread."""
        await self._run(self._session.close)
        self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns on the session's thread, after everything that was asked for before."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _change(self, work: Callable[[], object]) -> None:
        self._changes.append(self._thread.submit(work))
        self._supplied.set()

    def _raise_errors(self) -> None:
        """Raise the error of a change that has been made."""
        made = [change for change in self._changes if change.done()]
        self._changes = [change for change in self._changes if change not in made]
        for change in made:
            change.result()
