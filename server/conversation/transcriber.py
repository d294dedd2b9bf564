"""Words of a turn: by Vosk while the person speaks, or by a server with OpenAI's API at the end of the turn.

Runs on: event loop; Vosk on its thread.
"""

import asyncio
import io
import json
import wave
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from server.tts.endpoint import Endpoint, EndpointFailed
from server.tts.voice import pcm
from streaming.audio.decimator import Decimator
from styletalk_core.audio import SPEECH_RATE

if TYPE_CHECKING:
    from styletalk_core.recognizer.transcriber import Transcriber as VoskTranscriber
    from styletalk_core.recognizer.transcriber import Transcript

MAX_TURN_SECONDS: Final = 120
"""Of a turn, only the last two minutes are sent to a server."""
MAX_ANSWER_BYTES: Final = 1 << 20


class Transcriber(Protocol):
    """Finds the words of one person's turns."""

    def begin(self) -> None:
        """Begins a turn; what was heard before is forgotten."""

    def hear(self, samples: NDArray[np.int16]) -> None:
        """Takes audio of the turn, (n,) int16 mono 48 kHz, n a multiple of 3."""

    async def words(self) -> str:
        """Return the words of the turn, which is complete; empty when there are none.

        Raises:
            EndpointFailed: they cannot be found.
        """


class VoskWords:
    """Implements `Transcriber` with Vosk.

    Args:
        open: return a new recognizer, on the thread of ``run``.
        run: runs a function on the recognizer's thread, one after the other.
    """

    def __init__(
        self,
        open: Callable[[], "VoskTranscriber"],
        run: Callable[[Callable[[], list["Transcript"]]], Coroutine[object, None, list["Transcript"]]],
    ) -> None:
        self._open = open
        self._run = run
        self._recognizer: VoskTranscriber | None = None
        self._decimator = Decimator()
        self._parts: list[asyncio.Task[list[Transcript]]] = []

    def begin(self) -> None:
        """Begins a turn."""
        for part in self._parts:
            part.cancel()
        self._parts.clear()
        self._later(self._restart)
        self._decimator = Decimator()

    def hear(self, samples: NDArray[np.int16]) -> None:
        """Takes audio; the recognizer works while the person speaks."""
        heard = self._decimator.push(samples)
        self._later(lambda: self._ready().push(heard))

    async def words(self) -> str:
        """Return the words."""
        self._later(lambda: self._ready().finish())
        parts, self._parts = self._parts, []
        transcripts = [transcript for part in await asyncio.gather(*parts) for transcript in part]
        return " ".join(transcript.text for transcript in transcripts if transcript.final)

    def _later(self, work: Callable[[], "list[Transcript]"]) -> None:
        self._parts.append(asyncio.create_task(self._run(work), name="words"))

    def _restart(self) -> "list[Transcript]":
        self._ready().reset()
        return []

    def _ready(self) -> "VoskTranscriber":
        if self._recognizer is None:
            self._recognizer = self._open()
        return self._recognizer


class RemoteWords:
    """Implements `Transcriber` with OpenAI's ``POST /v1/audio/transcriptions``.

    Args:
        endpoint: the server.
        model: name on that server.
    """

    def __init__(self, endpoint: Endpoint, model: str) -> None:
        self._endpoint = endpoint
        self._model = model
        self._decimator = Decimator()
        self._pieces: list[NDArray[np.int16]] = []

    def begin(self) -> None:
        """Begins a turn."""
        self._pieces = []
        self._decimator = Decimator()

    def hear(self, samples: NDArray[np.int16]) -> None:
        """Takes audio."""
        self._pieces.append(pcm(self._decimator.push(samples)))

    async def words(self) -> str:
        """Asks the server."""
        turn = np.concatenate([np.zeros(0, np.int16), *self._pieces])[-MAX_TURN_SECONDS * SPEECH_RATE :]
        self._pieces = []
        form = {"model": self._model, "response_format": "json"}
        async with self._endpoint.post("audio/transcriptions", data=form, file=_wav(turn)) as response:
            answer = b""
            async for data in response.aiter_bytes():
                answer += data
                if len(answer) > MAX_ANSWER_BYTES:
                    break
        return _text(answer, self._endpoint.noun)


def _wav(samples: NDArray[np.int16]) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SPEECH_RATE)
        writer.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def _text(answer: bytes, noun: str) -> str:
    try:
        text = json.loads(answer)["text"]
    except (ValueError, TypeError, KeyError) as error:
        raise EndpointFailed(f"The answer of the {noun} cannot be understood.") from error
    if not isinstance(text, str):
        raise EndpointFailed(f"The answer of the {noun} cannot be understood.")
    return " ".join(text.split())
