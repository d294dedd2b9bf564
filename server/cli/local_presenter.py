"""A presenter in this process, without a server: it speaks, and ends when it has been heard.

Runs on: event loop; the models on the worker's thread.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from server.service import Service
from server.sessions.presenter_session import PresenterSession
from server.tts.spoken_text import sentences
from streaming.errors import EngineFailure
from streaming.session import Settings
from streaming.speaker import SpokenEvent, UtteranceEnded
from streaming.speech_queue import Utterance
from streaming.tasks import cancel
from streaming.units import TICK_RATE
from styletalk_core.errors import InputError

PIECE_TICKS: Final = TICK_RATE
"""Audio is queued in pieces of a second."""
TEXTS_AHEAD: Final = 4
"""Texts that are spoken or wait; further ones are not read yet."""
REST_SECONDS: Final = 0.7
"""The face is shown for so long after the last word, in which the mouth closes."""


class LocalPresenter:
    """A presenter that speaks; created by `present`."""

    session: PresenterSession

    def __init__(self, service: Service) -> None:
        self.service = service
        self._ended = 0
        """Id of the last utterance that has been heard; they are heard in order."""
        self._heard_more = asyncio.Event()
        self._failed = asyncio.Event()
        self._failure = ""

    async def open(self, settings: Settings) -> None:
        """Load the models, choose the frame size and take a slot.

        Raises:
            InputError: there is no such avatar, style or background, or the machine is too slow.
        """
        worker = self.service.worker
        worker.start()
        await worker.wait_ready()
        if not worker.plan.feasible:
            raise InputError(worker.plan.described())
        self.session = await PresenterSession.open(worker, self.service.plan(), settings, self._note_event, self.fail)

    async def speak_audio(self, samples: NDArray[np.int16]) -> None:
        """Speak (n,) int16 mono 48 kHz; return when it has been heard."""
        speaker = self.session.speaker
        utterance = speaker.open()
        for start in range(0, len(samples), PIECE_TICKS):
            piece = samples[start : start + PIECE_TICKS]
            await speaker.wait_for_room(len(piece))
            speaker.append(utterance, piece)
        speaker.close(utterance)
        await self._until_heard(utterance.id)

    async def speak_texts(self, texts: AsyncIterator[str]) -> None:
        """Speak one text after the other; return when the last has been heard."""
        voice = await asyncio.to_thread(self.service.voice)
        newest: Utterance | None = None
        async for text in texts:
            if spoken := sentences(text):
                newest = self.session.say(spoken, voice, None, last=True)
                await self._until_heard(newest.id - TEXTS_AHEAD)
        if newest is not None:
            await self._until_heard(newest.id)

    async def rest(self) -> None:
        """Let the mouth close."""
        await asyncio.sleep(REST_SECONDS)

    def fail(self, words: str) -> None:
        """End everything with a sentence; also called when the voice fails."""
        self._failure = self._failure or words
        self._failed.set()

    async def failure(self) -> None:
        """Wait until something fails.

        Raises:
            InputError: it has.
        """
        await self._failed.wait()
        raise InputError(self._failure)

    async def _until_heard(self, utterance: int) -> None:
        while self._ended < utterance:
            self._heard_more.clear()
            await self._heard_more.wait()

    def _note_event(self, event: SpokenEvent) -> None:
        if isinstance(event, UtteranceEnded):
            self._ended = event.utterance
            self._heard_more.set()


async def present(
    service: Service, settings: Settings, work: Callable[[LocalPresenter], Coroutine[Any, Any, None]]
) -> None:
    """Run a presenter until ``work`` with it is done.

    Args:
        service: its worker has not been started.
        settings: face, style and background.
        work: speaks, and passes the session on.

    Raises:
        InputError: as `LocalPresenter.open`, or something has failed.
        EngineFailure: a model failed.
    """
    presenter = LocalPresenter(service)
    try:
        await presenter.open(settings)
        problem = await first_of(presenter.session.run(), presenter.failure(), work(presenter))
    finally:
        await service.aclose()
        await service.worker.aclose()
    if problem is not None:
        raise EngineFailure(problem)


async def first_of(*coroutines: Coroutine[Any, Any, Any]) -> Any:
    """Run coroutines until one is done, cancel the others, the last first, and return its result or raise its error."""
    tasks = [asyncio.create_task(coroutine, name=f"first of {coroutines}") for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(iter(done)).result()
    finally:
        for task in reversed(tasks):
            await cancel(task)
