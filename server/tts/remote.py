"""Voice of a remote server with OpenAI's ``POST /v1/audio/speech``, hosted or self-hosted.

Runs on: event loop; the blocking reads run on threads. The response is PCM (24 kHz, 16 bit, mono) and is passed on as
it arrives.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import numpy as np
from numpy.typing import NDArray

from server.tts.voice import VoiceFailed
from streaming.audio.pcm_stream import PcmStream
from streaming.audio.resampler import UnsupportedAudio

RATE = 24_000
PIECE_BYTES = RATE // 5 * 2  # 200 ms
REMOTE_VOICE = "alloy"
TIMEOUT_SECONDS = 20.0
"""Read timeout of the remote server in seconds."""


class RemoteVoice:
    """Implements `Voice`.

    Args:
        base: URL including the version, such as ``https://api.openai.com/v1``.
        key: sent as a bearer token unless empty.
        model, voice: names on the remote server.
        language: of the texts; most servers recognize it from the text.
    """

    def __init__(self, base: str, key: str, model: str, voice: str, language: str = "") -> None:
        self.name = voice
        self._address = f"{base.rstrip('/')}/audio/speech"
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._model = model
        self._language = {"language": language} if language else {}

    async def speak(self, text: str) -> AsyncGenerator[NDArray[np.int16], None]:
        """Yields the audio as it arrives."""
        wanted = {"model": self._model, "voice": self.name, "input": text, "response_format": "pcm", **self._language}
        request = Request(self._address, json.dumps(wanted).encode(), self._headers)
        stream = PcmStream(RATE)
        try:
            with await asyncio.to_thread(urlopen, request, timeout=TIMEOUT_SECONDS) as answer:
                while data := await asyncio.to_thread(answer.read1, PIECE_BYTES):
                    if len(samples := stream.push(data)):
                        yield samples
        except UnsupportedAudio as error:
            raise VoiceFailed(f"The voice server's audio cannot be used: {error}.") from error
        except HTTPError as error:
            raise VoiceFailed(f"The voice server answered with status {error.code}.") from error
        except (URLError, HTTPException, OSError) as error:
            raise VoiceFailed("The voice server cannot be reached.") from error
