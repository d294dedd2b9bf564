"""Unexpected errors are logged, counted and reported as "internal"; only missing objects are "not_found"."""

import json

import numpy as np
import pytest
from deterministic_engine import DeterministicEngine
from live_server import LiveServer, RtcClient, running_server, silence
from prometheus_client.parser import text_string_to_metric_families

from server.catalogue import StyleEntry
from streaming.engine import StyleChoice

NUMPY_ERROR = "ValueError: cannot reshape array of size 3"


class FaultyEngine(DeterministicEngine):
    """Stumbles over its own arrays when a style is set, and over the portrait of "bob"."""

    def set_style(self, slot: int, style: StyleChoice, intensity: float, fade_s: float) -> None:
        if style == "happy":
            np.zeros(3).reshape(2, 2)
        super().set_style(slot, style, intensity, fade_s)

    def prepare(self, avatar: str, size: int) -> None:
        if avatar == "bob":
            np.zeros(3).reshape(2, 2)
        super().prepare(avatar, size)


async def errors(server: LiveServer) -> dict[str, float]:
    """Counted unexpected errors by where they were caught, those that are not zero."""
    _, _, body = await server.http("GET", "/metrics")
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    samples = families["styletalk_internal_errors"].samples
    return {sample.labels["where"]: sample.value for sample in samples if sample.value}


async def test_a_value_error_inside_a_job_is_internal_and_the_session_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async with running_server(FaultyEngine()) as server, server.control() as control:
        rtc_client = RtcClient(silence(1))
        assert await rtc_client.call(server, control.created["session"]) == 201
        await control.send("style.set", style="happy")
        assert (await control.expect("error"))["code"] == "internal"
        assert NUMPY_ERROR in caplog.text and await errors(server) == {"control": 1}
        await control.send("avatar.set", avatar="bob")
        assert (await control.expect("error"))["code"] == "internal"
        assert caplog.text.count(NUMPY_ERROR) == 2 and await errors(server) == {"control": 1, "channel": 1}
        for wish in ({"style": "none"}, {"avatar": "nobody"}, {"background": "moon"}):
            await control.send("session.update", **wish)
            assert (await control.expect("error"))["code"] == "not_found"
        await control.send("style.set", style="calm")
        assert (await control.expect("style.applied"))["style"] == "calm"
        assert await errors(server) == {"control": 1, "channel": 1}
        await rtc_client.aclose()


async def test_a_value_error_of_a_route_is_internal(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_server() as server:

        def stumble() -> list[StyleEntry]:
            return [StyleEntry("", "", "manner", int(size)) for size in np.zeros(3).reshape(2, 2)]

        monkeypatch.setattr(server.service.catalogue, "styles", stumble)
        status, _, body = await server.http("GET", "/api/styles")
        assert (status, json.loads(body)["code"]) == (500, "internal")
        assert NUMPY_ERROR in caplog.text and await errors(server) == {"http": 1}
        status, _, body = await server.http("GET", "/api/avatars/nobody/thumbnail")
        assert (status, json.loads(body)["code"]) == (404, "not_found")
        assert await errors(server) == {"http": 1}
