"""Proves that Prometheus can read the metrics."""

from live_server import RtcClient, running_server, silence
from prometheus_client.parser import text_string_to_metric_families


async def test_the_figures_tell_of_the_calls_that_are_up() -> None:
    async with running_server() as server:
        rtc_client = RtcClient(silence(1))
        assert await rtc_client.call(server) == 201
        await rtc_client.until_frame()
        status, headers, body = await server.http("GET", "/metrics")
        assert status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4")
        families = {family.name: family for family in text_string_to_metric_families(body.decode())}
        assert families["styletalk_sessions"].samples[0].value == 1
        assert families["styletalk_ready"].samples[0].value == 1
        assert {s.labels["stage"] for s in families["styletalk_stage_run_ms"].samples} >= {"decoder", "renderer"}
        assert families["process_resident_memory_bytes"].samples[0].value > 1e6
        assert all(family.documentation for family in families.values())
        await rtc_client.aclose()
