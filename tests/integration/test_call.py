"""Proves the whole server with a real WebRTC client over loopback: audio and face return, sessions are isolated."""

import asyncio
import gc
import json
import threading
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest
from deterministic_engine import BRIGHT, DARK, DeterministicEngine
from live_server import LiveServer, RtcClient, pitch, running_server, silence, tone
from waiting import until

from streaming.scheduling.plan import Rung, StageCosts
from streaming.units import PACKET_TICKS, STEP_TICKS, TICK_RATE

HALF = (DARK + BRIGHT) / 2


async def viewers_of(server: LiveServer, expected: list[int]) -> bool:
    """Whether the presenters have so many viewers."""
    listed = (await server.json("/api/presenters"))["presenters"]
    return [presenter["viewers"] for presenter in listed] == expected


async def test_speech_comes_back_delayed_with_a_mouth_that_moves_with_it() -> None:
    async with running_server() as server, server.control() as control:
        rtc_client = RtcClient(np.concatenate([silence(0.8), tone(300, 0.8)]))
        assert await rtc_client.call(server, control.created["session"]) == 201
        started = await control.expect("speech.started")
        stopped = await control.expect("speech.stopped")
        assert stopped["frame"] - started["frame"] == pytest.approx(24, abs=6)
        await rtc_client.receive(1.5)
        metrics = await control.expect("metrics")
        assert 0 < metrics["fps"] < 32
        assert pitch(rtc_client) == pytest.approx(300, abs=10)
        openness = [int(image[5, 5]) for _, _, image in rtc_client.frames]
        assert min(openness) < HALF < max(openness)
        frames = np.array([time for _, time, _ in rtc_client.frames]) * TICK_RATE / STEP_TICKS
        np.testing.assert_allclose(frames - frames[0], np.round(frames - frames[0]), atol=0.01)
        await rtc_client.aclose()


async def test_four_sessions_get_their_own_audio_and_face_only() -> None:
    tones = (250, 400, 700, 1_100)
    async with running_server() as server, AsyncExitStack() as stack:
        rtc_clients = []
        for number, frequency in enumerate(tones):
            control = await stack.enter_async_context(server.control())
            await control.send("avatar.set", avatar=("ada", "bob")[number % 2])
            await control.expect("avatar.applied")
            await control.send("style.set", style=("calm", "happy")[number // 2])
            await control.expect("style.applied")
            rtc_client = RtcClient(tone(frequency, 1))
            assert await rtc_client.call(server, control.created["session"]) == 201
            rtc_clients.append(rtc_client)
        await asyncio.gather(*(rtc_client.receive(3) for rtc_client in rtc_clients))
        for number, (frequency, rtc_client) in enumerate(zip(tones, rtc_clients, strict=True)):
            assert pitch(rtc_client) == pytest.approx(frequency, abs=10)
            for _, _, image in rtc_client.frames[3:]:
                assert int(image[64, 5]) == pytest.approx(64 + 64 * (number % 2), abs=6)
                assert int(image[-1, 5]) == pytest.approx(64 + 64 * (number // 2), abs=6)
            await rtc_client.aclose()


async def test_the_next_client_is_told_to_retry_and_gets_the_slot_when_it_is_free() -> None:
    async with running_server(slots=1) as server:
        first, second = RtcClient(silence(1)), RtcClient(silence(1))
        assert await first.call(server) == 201
        await first.until_frame()
        await second.peer.setLocalDescription(await second.peer.createOffer())
        offer = second.peer.localDescription.sdp.encode()
        status, headers, _ = await server.http("POST", "/whip", offer, {"Content-Type": "application/sdp"})
        assert status == 503 and int(headers["retry-after"]) > 0
        assert (await server.http("DELETE", first.resource))[0] == 200
        assert (await server.http("DELETE", first.resource))[0] == 404
        assert await second.call(server) == 201
        await asyncio.gather(first.aclose(), second.aclose())


async def test_a_client_who_calls_twice_at_once_has_one_call() -> None:
    async with running_server() as server, server.control() as control:
        rtc_clients = [RtcClient(silence(1)), RtcClient(silence(1))]
        statuses = await asyncio.gather(
            *(rtc_client.call(server, control.created["session"]) for rtc_client in rtc_clients)
        )
        assert statuses == [201, 201]
        assert len(server.service.clients.microphone_sessions()) == 1
        assert server.service.worker.free_slots == 3
        await asyncio.gather(*(rtc_client.aclose() for rtc_client in rtc_clients))


async def test_a_viewer_sees_and_hears_a_presenter_until_it_leaves() -> None:
    async with running_server() as server:
        assert (await server.json("/api/presenters"))["presenters"] == []
        async with server.control() as control, server.control() as other:
            rtc_client = RtcClient(tone(400, 1))
            assert await rtc_client.call(server, control.created["session"]) == 201
            await rtc_client.until_frame()
            await control.send("session.update", presenter="ann")
            assert (await control.expect("presenter.applied"))["presenter"] == "ann"
            await other.send("session.update", presenter="ann")
            assert "is in use" in (await other.expect("error"))["message"]
            viewer = RtcClient(None)
            assert await viewer.call(server, path="/whep/ann") == 201
            assert await RtcClient(None).call(server, path="/whep/nobody") == 404
            await viewer.receive(2.5)
            assert (await server.json("/api/presenters"))["presenters"][0]["viewers"] == 1
            assert len(viewer.frames) > 15
            assert pitch(viewer) == pytest.approx(400, abs=10)
            assert (await server.http("DELETE", viewer.resource))[0] == 200
            await until(lambda: viewers_of(server, [0]))
        await until(lambda: viewers_of(server, []))
        await asyncio.gather(rtc_client.aclose(), viewer.aclose())


async def test_a_background_is_chosen_during_a_call_and_remembered() -> None:
    async with running_server() as server:
        async with server.control() as control:
            assert control.created["background"] == "keep"
            rtc_client = RtcClient(silence(3))
            assert await rtc_client.call(server, control.created["session"]) == 201
            await rtc_client.until_frame()
            await control.send("session.update", background="moon")
            assert (await control.expect("error"))["code"] == "not_found"
            await control.send("session.update", background=["blur"])
            assert (await control.expect("error"))["code"] == "bad_message"
            await control.send("session.update", background="transparent")
            applied = await control.expect("background.applied")
            assert applied["background"] == "transparent" and applied["frame"] > 0
            await until(lambda: rtc_client.frames[-1][2].shape[0] == 192)
            await rtc_client.aclose()
        async with server.control(control.created["session"]) as again:
            assert again.created["background"] == "transparent"
        listed = (await server.json("/api/backgrounds"))["backgrounds"]
        assert {"name": "blur", "title": "Blur", "kind": "blur"} in listed


async def test_closing_the_control_channel_frees_the_slot_at_once() -> None:
    async with running_server(slots=1) as server:
        async with server.control() as control:
            rtc_client = RtcClient(silence(1))
            assert await rtc_client.call(server, control.created["session"]) == 201
            assert server.service.worker.free_slots == 0
        await until(lambda: server.service.worker.free_slots)
        await rtc_client.aclose()


async def test_a_client_that_vanishes_without_a_word_loses_its_slot() -> None:
    async with running_server(slots=1) as server, server.control() as control:
        rtc_client = RtcClient(silence(1))
        assert await rtc_client.call(server, control.created["session"]) == 201
        await rtc_client.until_frame()
        for transceiver in rtc_client.peer.getTransceivers():
            await transceiver.sender.transport.transport._connection.close()  # a cut cable: no DTLS goodbye, no RTP
        await until(lambda: server.service.worker.free_slots)
        await rtc_client.aclose()


async def test_a_returning_client_finds_his_settings_and_speaks_again() -> None:
    async with running_server(slots=1) as server:
        async with server.control() as control:
            id = control.created["session"]
            rtc_client = RtcClient(silence(1))
            await rtc_client.call(server, id)
            await rtc_client.until_frame()
            await control.send("style.set", style="happy", intensity=0.5, fade_ms=100)
            applied = await control.expect("style.applied")
            assert (applied["style"], applied["intensity"]) == ("happy", 0.5)
            await control.send("avatar.set", avatar="bob")
            assert (await control.expect("avatar.applied"))["frame"] > 0
        async with server.control(id) as control:
            created = control.created
            assert (created["session"], created["avatar"], created["style"]) == (id, "bob", "happy")
            assert (created["intensity"], created["fade_ms"]) == (0.5, 100)
            again = RtcClient(silence(1))
            assert await again.call(server, id) == 201
            await again.until_frame()
            assert int(again.frames[-1][2][64, 5]) == pytest.approx(128, abs=6)
        await asyncio.gather(rtc_client.aclose(), again.aclose())


async def test_a_blend_of_styles_shows_and_is_remembered() -> None:
    """Chroma of 64 is the style "calm", 128 "happy": a quarter of the way between them is shown as 80."""
    async with running_server(slots=1) as server:
        async with server.control() as control:
            id = control.created["session"]
            rtc_client = RtcClient(silence(1))
            await rtc_client.call(server, id)
            await rtc_client.until_frame()
            await control.send("style.set", weights={"calm": 0.6, "happy": 0.2})
            applied = await control.expect("style.applied")
            assert (applied["style"], applied["weights"]) == (None, pytest.approx({"calm": 0.75, "happy": 0.25}))
            await until(lambda: int(rtc_client.frames[-1][2][-1, 5]) == pytest.approx(80, abs=4))
            await control.send("style.set", weights={"calm": 0.5, "nothing": 0.5})
            assert (await control.expect("error"))["code"] == "not_found"
            await control.send("style.set", intensity=0.5)
            assert (await control.expect("style.applied"))["weights"] == pytest.approx({"calm": 0.75, "happy": 0.25})
        async with server.control(id) as control:
            assert control.created["weights"] == pytest.approx({"calm": 0.75, "happy": 0.25})
        await rtc_client.aclose()


async def test_an_interruption_is_acknowledged_with_what_was_played_and_silences_the_audio() -> None:
    async with running_server() as server, server.control() as control:
        rtc_client = RtcClient(np.concatenate([silence(0.5), tone(300, 20)]))
        await rtc_client.call(server, control.created["session"])
        await control.expect("speech.started")
        await until(lambda: sum(np.abs(samples).max() > 2_000 for _, _, samples in rtc_client.audio) > 25)
        await control.send("avatar.interrupt")
        played = (await control.expect("avatar.interrupted"))["played_ms"]
        assert 0 <= played < 20_000  # exact in virtual time, where no packet is late and ends an utterance
        [session] = server.service.clients.microphone_sessions()
        [sender] = [sender for sender in session.peer.getSenders() if sender.kind == "audio"]
        received = len(rtc_client.audio)
        under_way = sender._RTCRtpSender__packet_count - received

        def quiet() -> list[bool]:
            return [bool(np.abs(samples).max() < 300) for _, _, samples in rtc_client.audio[received:]]

        delay = session.media_session.clock.delay // PACKET_TICKS  # D; a packet at each end shares it with speech
        await until(lambda: sum(quiet()) >= delay - 2 and not quiet()[-1])  # what is spoken afterwards is heard
        assert quiet().index(True) <= under_way + 1  # an encoder and a decoder keep a part of a packet
        await rtc_client.aclose()


async def test_an_engine_failure_ends_the_session_with_an_event_and_nothing_else() -> None:
    engine = DeterministicEngine()
    async with running_server(engine) as server, server.control() as control:
        rtc_client = RtcClient(silence(1))
        await rtc_client.call(server, control.created["session"])
        await rtc_client.until_frame()
        engine.fail_next["decode"] = 1
        error = await control.expect("error")
        assert error["code"] == "session_failed" and "decoder" in error["message"]
        assert (await server.http("GET", "/readyz"))[0] == 200
        await until(lambda: server.service.worker.free_slots == 4)
        await rtc_client.aclose()


async def test_bad_requests_get_a_sentence_and_the_server_goes_on() -> None:
    sdp = {"Content-Type": "application/sdp"}
    async with running_server() as server:
        assert (await server.http("POST", "/whip", b"hello", sdp))[0] == 400
        assert (await server.http("POST", "/whip", b"\xff\xfe", sdp))[0] == 400
        assert (await server.http("POST", "/whip", b"{}", {"Content-Type": "application/json"}))[0] == 415
        assert (await server.http("POST", "/whip", b"x" * 70_000, sdp))[0] == 413
        assert (await server.http("PATCH", "/whip/none", b"", {}))[0] == 404
        assert (await server.http("GET", "/api/avatars/../../etc/passwd/thumbnail"))[0] == 404
        assert (await server.http("GET", "/api/avatars/nobody/thumbnail"))[0] == 404
        assert (await server.http("GET", "/", headers={"Host": "evil.example"}))[0] == 421
        assert server.service.worker.free_slots == 4
        async with server.control() as control:
            for wrong in ({"type": "nonsense"}, {"type": "style.set", "intensity": 9}, {"type": "avatar.set"}):
                await control.send(**wrong)
                assert (await control.expect("error"))["message"]
            await control.socket.send(b"\xc1")
            assert (await control.expect("error"))["code"] == "bad_message"
            await control.socket.send("text")
            assert (await control.expect("error"))["code"] == "bad_message"
            await control.send("style.set", style="nothing")
            assert (await control.expect("error"))["code"] == "not_found"
            await control.send("ping", t=7)
            assert (await control.expect("pong"))["t"] == 7


async def test_the_listing_routes_and_the_page_answer_with_the_security_headers() -> None:
    async with running_server() as server:
        avatars = (await server.json("/api/avatars"))["avatars"]
        assert avatars[0] == {
            "name": "ada",
            "title": "Ada",
            "kind": "presenter",
            "thumbnail": "/api/avatars/ada/thumbnail?1",
        }
        styles = (await server.json("/api/styles"))["styles"]
        picture = "/api/styles/calm/thumbnail?1"
        assert {"name": "calm", "title": "Calm", "kind": "manner", "thumbnail": picture} in styles
        assert (await server.http("GET", f"{picture}&avatar=bob"))[1]["content-type"] == "image/jpeg"
        assert (await server.http("GET", "/api/styles/nothing/thumbnail"))[0] == 404
        places = (await server.json("/api/styles/map"))["places"]
        assert places == [{"name": name, "x": x, "y": 0.0} for name, x in (("calm", -1), ("happy", 1), ("neutral", 0))]
        assert (await server.json("/api/weights")).items() >= {"weights": "default", "commercial": False}.items()
        for path in ("/", "/healthz", "/readyz", "/metrics", avatars[0]["thumbnail"]):
            status, headers, body = await server.http("GET", path)
            assert status == 200 and body
            assert headers["x-content-type-options"] == "nosniff"
        assert b"styletalk_sessions_max 4" in (await server.http("GET", "/metrics"))[2]


async def test_drawing_thumbnails_keeps_no_encoder_waiting() -> None:
    """Encoders work in the event loop's pool, which has at most 32 threads."""
    drawn = threading.Event()
    async with running_server() as server:

        def draw(style: str, avatar: str) -> bytes:
            drawn.wait(60)
            return b"\xff\xd8\xff\xd9"

        server.service.catalogue.style_thumbnail = draw
        asked = [asyncio.create_task(server.http("GET", "/api/styles/calm/thumbnail")) for _ in range(40)]
        await until(lambda: len(server.server.server_state.tasks) >= 40)
        try:
            rtc_client = RtcClient(silence(1))
            assert await rtc_client.call(server) == 201
            await rtc_client.until_frame()
        finally:
            drawn.set()
        assert [status for status, _, _ in await asyncio.gather(*asked)] == [200] * 40
        await rtc_client.aclose()


async def test_thumbnails_are_rendered_in_advance_until_a_call_starts() -> None:
    drawn: list[tuple[str, str]] = []
    going_on = threading.Event()

    def draw(style: str, avatar: str) -> bytes:
        drawn.append((avatar, style))
        if len(drawn) == 2:
            going_on.wait(60)
        return b"\xff\xd8\xff\xd9"

    engine = DeterministicEngine(cost={"warmup": 0.3})
    async with running_server(engine, ready=False) as server:
        server.service.catalogue.style_thumbnail = draw
        await server.service.worker.wait_ready()
        await until(lambda: len(drawn) >= 2)
        rtc_client = RtcClient(silence(1))
        assert await rtc_client.call(server) == 201
        going_on.set()
        await rtc_client.until_frame()
        assert drawn == [("ada", "calm"), ("ada", "happy")]
        await rtc_client.aclose()


async def test_a_server_that_is_still_warming_up_says_so() -> None:
    engine = DeterministicEngine(cost={"warmup": 0.5})
    async with running_server(engine, ready=False) as server:
        status, headers, _ = await server.http("GET", "/readyz")
        assert status == 503 and headers["retry-after"]
        assert (await server.http("GET", "/healthz"))[0] == 200
        assert await RtcClient(silence(1)).call(server) == 503
        assert (await server.http("GET", "/api/styles/map"))[0] == 200, "the map waits for the models"
        await asyncio.wait_for(server.service.worker.wait_ready(), 60)
        assert (await server.http("GET", "/readyz"))[0] == 200


async def test_a_machine_that_is_too_slow_refuses_calls_with_the_reason() -> None:
    async with running_server() as server:
        worker = server.service.worker
        nothing = dict.fromkeys(worker.machine.sizes, 1.0)
        worker.plan = worker.machine.plan(StageCosts(1.0, 1.0, nothing, nothing))
        rtc_client = RtcClient(silence(1))
        assert await rtc_client.call(server) == 503
        status, _, body = await server.http("GET", "/readyz")
        problem = json.loads(body)
        assert (status, problem["code"], problem["message"]) == (503, "machine_too_slow", worker.plan.described())
        await rtc_client.aclose()


async def test_frames_change_their_size_in_mid_call_and_are_reported() -> None:
    async with running_server() as server, server.control() as control:
        rtc_client = RtcClient(silence(5))
        assert await rtc_client.call(server, control.created["session"]) == 201
        await rtc_client.until_frame()
        ladder = server.service.worker.ladder
        large = ladder.rungs[0].size
        ladder.rungs = (Rung(large // 2, 20),)
        await until(lambda: rtc_client.frames[-1][2].shape[1] != large)
        async with asyncio.timeout(60):
            while (metrics := await control.expect("metrics"))["size"] == large:
                pass
        assert (metrics["size"], metrics["frame_rate"]) == (large // 2, 20)
        assert metrics["planned"] == {"size": large, "frame_rate": 30}
        figures = (await server.http("GET", "/metrics"))[2].decode()
        assert f"styletalk_picture_size {large / 2}" in figures and "styletalk_size_changes 1.0" in figures
        await rtc_client.aclose()


async def test_what_lives_as_long_as_the_process_is_kept_from_the_garbage_collector() -> None:
    gc.unfreeze()
    async with running_server() as server:
        await server.service.worker.wait_ready()
        await until(lambda: gc.get_freeze_count() >= 1_000)
    gc.unfreeze()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def visit(server: LiveServer) -> None:
    async with server.control() as control:
        rtc_client = RtcClient(silence(1))
        assert await rtc_client.call(server, control.created["session"]) == 201
        await rtc_client.until_frame()
        await rtc_client.aclose()


async def test_calls_and_shutdown_leave_no_task_thread_slot_or_descriptor() -> None:
    before = asyncio.all_tasks()
    async with running_server(slots=2) as server:
        tasks = len(asyncio.all_tasks())
        await visit(server)
        await until(lambda: not server.engine.slots and len(asyncio.all_tasks()) <= tasks)
        open_files = descriptors()
        for _ in range(8):
            await visit(server)
        await until(lambda: not server.engine.slots and len(asyncio.all_tasks()) <= tasks)
        assert server.service.worker.free_slots == 2
        await until(lambda: descriptors() <= open_files + 2)
        rtc_client = RtcClient(silence(1))
        await rtc_client.call(server)
        await rtc_client.until_frame()
    await rtc_client.aclose()
    await until(lambda: asyncio.all_tasks() == before)
    await until(lambda: not {"model-worker", "audio-decoder"} & {thread.name for thread in threading.enumerate()})
