"""Voice of a remote server with OpenAI's ``POST /v1/audio/speech``, hosted or self-hosted.

Runs on: event loop. The response is PCM (24 kHz, 16 bit, mono) and is passed on as it arrives.
"""

from collections.abc import AsyncGenerator

from server.tts.endpoint import Endpoint, EndpointFailed
from server.tts.voice import VoiceFailed, VoicePiece
from streaming.audio.pcm_stream import PcmStream
from streaming.audio.resampler import UnsupportedAudio

RATE = 24_000
REMOTE_VOICE = "alloy"


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
        self._endpoint = Endpoint("voice server", base, key)
        self._model = model
        self._language = {"language": language} if language else {}

    async def speak(self, text: str) -> AsyncGenerator[VoicePiece, None]:
        """Yields the audio as it arrives."""
        wanted = {"model": self._model, "voice": self.name, "input": text, "response_format": "pcm", **self._language}
        stream = PcmStream(RATE)
        try:
            async with self._endpoint.post("audio/speech", json=wanted) as response:
                async for data in response.aiter_bytes():
                    if len(samples := stream.push(data)):
                        yield VoicePiece(samples)
        except UnsupportedAudio as error:
            raise VoiceFailed(f"The voice server's audio cannot be used: {error}.") from error
        except EndpointFailed as error:
            raise VoiceFailed(str(error)) from error
