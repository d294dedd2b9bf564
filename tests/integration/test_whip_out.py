"""Proves that presenters are published to a WHIP server: its peer receives both tracks, and is told when it is over."""

import numpy as np
from live_server import running_server, tone
from streaming_servers import whip_server
from waiting import until


async def test_a_presenter_is_heard_and_seen_there_until_it_stops() -> None:
    async with whip_server() as whip:
        options = {"whip_out": f"{whip.address}/{{presenter}}/whip", "whip_out_key": "sesame"}
        async with running_server(**options) as server, server.control() as control:
            await control.send("presenter.start", name="news")
            await control.expect("presenter.started")
            await until(lambda: whip.frames)
            await control.send("input_audio.append", audio=tone(400, 1)[::2].tobytes())
            await control.send("input_audio.commit")
            await until(lambda: any(np.abs(part).max() > 2_000 for part in whip.audio))
            assert whip.keys == ["Bearer sesame"] and "a=sendonly" in whip.offers[0] and "VP8" in whip.offers[0]
            await control.send("presenter.stop")
            await control.expect("presenter.stopped")
        assert whip.deleted == ["/resource/1"]


async def test_a_refusal_is_a_sentence_and_a_lost_connection_is_made_again() -> None:
    async with (
        whip_server(refusals=1) as whip,
        running_server(whip_out=f"{whip.address}/{{presenter}}/whip") as server,
        server.control() as control,
    ):
        await control.send("presenter.start", name="news")
        error = await control.expect("error")
        assert (error["code"], error["message"]) == ("publish_failed", "The WHIP server answered with status 403.")
        await until(lambda: whip.frames)
        await whip.drop()
        await until(lambda: len(whip.offers) == 3)
        assert whip.deleted == ["/resource/2"] and whip.keys == [None] * 3


async def test_this_servers_own_whip_wants_a_microphone_and_says_so() -> None:
    async with (
        running_server() as other,
        running_server(whip_out=f"http://127.0.0.1:{other.port}/whip") as server,
        server.control() as control,
    ):
        await control.send("presenter.start", name="news")
        assert "status 400" in (await control.expect("error"))["message"]
        assert other.service.worker.free_slots == other.service.worker.slots
