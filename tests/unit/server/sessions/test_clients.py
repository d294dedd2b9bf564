"""Proves when a client counts as disconnected, and that settings belong to the client, not to its call.

Its slot must be free within five seconds; a stall must be tolerated.
"""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from server.sessions.clients import Clients
from server.sessions.microphone_session import CHANNEL_TIMEOUT_SECONDS, MicrophoneSession
from streaming.session import Settings

WATCH_SECONDS = 0.5
"""How often it is looked for clients that are gone."""


def gone(now: float, heard: float | None, message: float | None) -> bool:
    """Whether a client is gone whose call began at 0, who was heard and sent a message last at these moments."""
    call: Any = SimpleNamespace(_heard=heard, began=0.0)
    return MicrophoneSession.abandoned(call, now, message)


@pytest.mark.parametrize(("heard", "message"), [(20.0, 20.0), (20.0, 12.0), (12.0, 20.0)])
def test_a_client_that_has_been_silent_loses_its_slot_within_five_seconds(heard: float, message: float) -> None:
    assert not gone(20.0 + CHANNEL_TIMEOUT_SECONDS - 0.1, heard, message)
    assert gone(20.0 + 5.0 - WATCH_SECONDS, heard, message)


def test_a_client_without_a_control_channel_is_given_more_time() -> None:
    assert not gone(34.0, heard=20.0, message=None)
    assert gone(36.0, heard=20.0, message=None)


def test_a_call_that_never_connects_is_given_up() -> None:
    assert not gone(9.0, heard=None, message=None)
    assert gone(11.0, heard=None, message=None)
    assert not gone(11.0, heard=None, message=10.5)


async def test_what_a_client_has_chosen_outlives_a_call_that_was_opened_with_something_else() -> None:
    clients, ended = Clients(), asyncio.Event()
    client = clients.get_or_create(None, Settings("ada", "calm"), "")

    async def until_ended() -> None:
        await ended.wait()

    opened = SimpleNamespace(settings=client.settings)
    call: Any = SimpleNamespace(id="call", began=0.0, run=until_ended, media_session=opened, ended=ended)
    task = clients.start(client, call)
    client.settings = Settings("bob", "happy")
    await clients.end(client)
    await task
    assert client.session is None and client.settings == Settings("bob", "happy")
