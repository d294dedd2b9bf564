"""HTTP endpoint of another server with OpenAI's API, hosted or self-hosted: voices, words, chat.

Runs on: event loop. A cancelled request closes its connection at once. The key is sent and never shown.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import httpx

PATIENCE_SECONDS: Final = 20.0
"""Longest time without a byte from the other server."""
CONNECT_SECONDS: Final = 5.0


class EndpointFailed(Exception):
    """The other server did not do what was asked; the message is a sentence."""


class Endpoint:
    """One server.

    Args:
        noun: in messages, such as "voice server".
        base: URL including the version, such as ``https://api.openai.com/v1``.
        key: sent as a bearer token unless empty.
        patience: seconds without a byte after which a request is given up.
    """

    def __init__(self, noun: str, base: str, key: str = "", patience: float = PATIENCE_SECONDS) -> None:
        self.noun = noun
        self.patience = patience
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(patience, connect=CONNECT_SECONDS)
        self._client = httpx.AsyncClient(base_url=f"{base.rstrip('/')}/", headers=headers, timeout=timeout)

    @asynccontextmanager
    async def post(
        self, path: str, *, json: object = None, data: dict[str, str] | None = None, file: bytes | None = None
    ) -> AsyncIterator[httpx.Response]:
        """Posts JSON, or a form with a WAV file; yields the response, whose body has not been read.

        Raises:
            EndpointFailed: the server cannot be reached, answers with an error, or stops to answer; also for errors
                while the body is read within the context.
        """
        files = None if file is None else {"file": ("speech.wav", file, "audio/wav")}
        try:
            async with self._client.stream("POST", path, json=json, data=data, files=files) as response:
                if response.is_error or response.is_redirect:
                    raise EndpointFailed(f"The {self.noun} answered with status {response.status_code}.")
                try:
                    yield response
                except asyncio.CancelledError:
                    _hang_up(response)
                    raise
        except httpx.TimeoutException as error:
            raise EndpointFailed(f"The {self.noun} did not answer in time.") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EndpointFailed(f"The {self.noun} cannot be reached.") from error

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()


def _hang_up(response: httpx.Response) -> None:
    """End the connection of a response that has not been read to its end.

    A second cancellation can interrupt the library while it does this, and then nothing would.
    """
    stream = None if response.is_closed else response.extensions.get("network_stream")
    connection = None if stream is None else stream.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):  # it has been closed
            connection.shutdown(socket.SHUT_RDWR)
