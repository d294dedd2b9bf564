"""Built-in voice: `hibari-tts`, a small English neural network in its own package. Nothing is downloaded.

Runs on: a thread per sentence, one at a time; about a tenth of real time on one core.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import numpy as np
from hibari import SAMPLE_RATE, Hibari
from numpy.typing import NDArray

from server.tts.voice import VoiceFailed, VoicePiece, pcm
from streaming.audio.resampler import Resampler


class PackagedVoice:
    """Implements `Voice`."""

    name = "hibari"

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        self._network: Any = None

    async def speak(self, text: str) -> AsyncGenerator[VoicePiece, None]:
        """Yields the sentence in one piece."""
        async with self._one_at_a_time:
            samples = await asyncio.to_thread(self._synthesise, text)
        yield VoicePiece(Resampler(SAMPLE_RATE).push(pcm(samples)))

    def _synthesise(self, text: str) -> NDArray[np.float32]:
        if self._network is None:
            self._network = Hibari()
        try:
            samples: NDArray[np.float32] = self._network(text)
        except Exception as error:  # its text rules and its network raise various exceptions
            raise VoiceFailed("The built-in voice cannot speak this text.") from error
        return samples
