"""Proves presenter mode with real WebRTC viewers: one rendering, gapless audio, marks, interruption, recording."""

import asyncio
from pathlib import Path
from typing import Any

import av
import c2pa
import numpy as np
import pytest
from deterministic_engine import BRIGHT, DARK, DeterministicEngine
from live_server import Control, LiveServer, RtcClient, pitch, running_server, tone
from waiting import until

RATE = 24_000
PIECE = RATE * 2  # one second of bytes


def spoken(frequency: float, seconds: float) -> bytes:
    """16-bit PCM at 24 kHz."""
    return tone(frequency, seconds)[::2].tobytes()


async def append(control: Control, pcm: bytes) -> None:
    """Appends as fast as it goes, without waiting for an answer."""
    for start in range(0, len(pcm), PIECE):
        await control.send("input_audio.append", audio=pcm[start : start + PIECE])


async def push(control: Control, pcm: bytes) -> dict[str, Any]:
    """Appends as fast as it goes; returns the answer to the last piece."""
    answer: dict[str, Any] = {}
    for start in range(0, len(pcm), PIECE):
        await control.send("input_audio.append", audio=pcm[start : start + PIECE])
        answer = await control.expect("input_audio.buffer")
    return answer


async def refusal(control: Control, pcm: bytes) -> dict[str, Any] | None:
    """Appends a piece; returns why it was refused."""
    await control.send("input_audio.append", audio=pcm)
    await control.send("ping", t=0)
    answer = await control.expect("error", "pong")
    if answer["type"] == "pong":
        return None
    await control.expect("pong")
    return answer


async def present(control: Control, name: str = "news") -> dict[str, Any]:
    await control.send("presenter.start", name=name)
    return await control.expect("presenter.started")


async def watch(server: LiveServer, name: str = "news") -> RtcClient:
    viewer = RtcClient(None)
    assert await viewer.call(server, path=f"/whep/{name}") == 201
    await viewer.until_frame()
    return viewer


def sound_of(viewer: RtcClient) -> np.ndarray:
    return np.concatenate([samples for _, _, samples in viewer.audio])


async def test_five_viewers_see_and_hear_one_rendering_of_audio_pushed_faster_than_real_time() -> None:
    engine = DeterministicEngine()
    async with running_server(engine) as server, server.control() as control:
        started = await present(control)
        assert started["watch"] == "/whep/news" and started["room_ms"] == 60_000
        assert started["generated"]["digital_source_type"].endswith("trainedAlgorithmicMedia")
        viewers = [await watch(server) for _ in range(5)]
        rendered = sum(kind == "render" for kind, _ in engine.calls)
        began = asyncio.get_running_loop().time()
        told = await push(control, spoken(400, 3))
        assert told["buffered_ms"] + told["room_ms"] == pytest.approx(60_000, abs=1)
        assert told["buffered_ms"] > 0  # it came faster than it is played
        await control.send("input_audio.commit")
        assert (await control.expect("input_audio.committed"))["duration_ms"] == 3_000
        await control.first("utterance.started")
        assert (await control.first("utterance.ended"))["played_ms"] == 3_000
        await asyncio.gather(*(viewer.receive(0.7) for viewer in viewers))
        seconds = asyncio.get_running_loop().time() - began
        rendered = sum(kind == "render" for kind, _ in engine.calls) - rendered
        assert rendered < 31 * seconds  # 30 a second, not 150
        assert (await server.json("/api/presenters"))["presenters"] == [{"name": "news", "avatar": "ada", "viewers": 5}]
        for viewer in viewers:
            assert pitch(viewer) == pytest.approx(400, abs=10)
            loud = np.flatnonzero(np.abs(sound_of(viewer)) > 1_000)
            assert len(loud) > 2 * 48_000  # to the sample in virtual time, where no machine is busy
            openness = [int(image[5, 5]) for _, _, image in viewer.frames]
            assert max(openness) > BRIGHT - 20 and openness[-1] < DARK + 20
        await asyncio.gather(*(viewer.aclose() for viewer in viewers))


async def test_marks_come_when_their_place_is_heard_and_an_interruption_drops_the_rest() -> None:
    async with running_server() as server, server.control() as control:
        await present(control)
        await control.send("mark", name="early")
        assert "nothing to mark" in (await control.expect("error"))["message"]
        await append(control, spoken(300, 1))
        await control.send("mark", name="one")
        await append(control, spoken(300, 20))
        await control.send("mark", name="all")
        mark = await control.expect("mark")
        assert (mark["name"], mark["utterance"], mark["played_ms"]) == ("one", 1, 1_000)
        await control.send("avatar.interrupt")
        cut = await control.expect("avatar.interrupted")
        assert cut["utterance"] == 1 and cut["marks"] == ["all"]
        assert 1_000 <= cut["played_ms"] < 21_000
        assert 0 <= (cut["frame"] - mark["frame"]) / 30 - (cut["played_ms"] - 1_000) / 1_000 + 0.04 < 0.08
        await append(control, spoken(300, 2))
        await control.send("mark", name="end")
        await control.send("input_audio.commit")
        assert (await control.expect("utterance.started"))["utterance"] == 2
        assert (await control.expect("mark"))["played_ms"] == 2_000


async def test_back_pressure_is_reported_and_what_does_not_fit_is_refused_whole() -> None:
    async with running_server() as server, server.control() as control:
        await present(control)
        while (full := await refusal(control, spoken(200, 1))) is None:
            pass
        assert full["code"] == "buffer_full" and full["room_ms"] < 1_000
        again = (await control.expect("input_audio.buffer"))["room_ms"]  # told every second while sound waits
        assert again > full["room_ms"] - 50
        await control.send("input_audio.append", audio=spoken(200, 0.1), rate=16_000)
        assert "rate must not change" in (await control.expect("error"))["message"]
        await control.send("input_audio.clear")
        assert (await control.expect("input_audio.cleared"))["utterances"] == 0
        await control.send("avatar.interrupt")
        await control.expect("avatar.interrupted")
        assert (await push(control, spoken(200, 0.2)))["buffered_ms"] <= 200


async def test_a_program_that_waits_for_room_is_told_of_an_interruption() -> None:
    async with running_server() as server, server.control() as control:
        await present(control)
        while await refusal(control, spoken(200, 1)) is None:
            pass
        await control.send("avatar.interrupt")
        await control.expect("avatar.interrupted")
        while (told := await control.expect("input_audio.buffer"))["buffered_ms"]:
            pass  # from before
        assert told["room_ms"] == 60_000


async def test_text_is_spoken_in_order_with_each_sentence_as_its_caption() -> None:
    async with running_server() as server, server.control() as control:
        await present(control)
        await control.send("text.speak", text="Good morning. It is nine.")
        accepted = await control.expect("text.accepted")
        assert (accepted["utterance"], accepted["voice"]) == (1, "hibari")
        await control.send("mark", name="said")
        captions = [await control.expect("transcript.final") for _ in range(2)]
        assert [caption["text"] for caption in captions] == ["Good morning.", "It is nine."]
        assert 10 < captions[1]["frame"] - captions[0]["frame"] < 90
        mark = await control.expect("mark")
        assert mark["name"] == "said" and 1_200 < mark["played_ms"] < 5_000


async def test_texts_that_wait_can_be_cleared_again_and_again_and_bad_voices_are_reported() -> None:
    async with (
        running_server(voice_url="http://127.0.0.1:9/v1", voice="nova") as server,
        server.control() as control,
    ):
        await present(control)
        for _ in range(3):
            for _ in range(120):
                await control.send("text.speak", text="One. Two.")
            assert (await control.expect("text.accepted"))["voice"] == "nova"
            await control.send("input_audio.clear")
            assert (await control.expect("input_audio.cleared"))["utterances"] > 0
        failed = await control.first("error")
        assert failed["code"] == "voice_failed" and "cannot be reached" in failed["message"]
        await control.send("input_audio.append", audio=spoken(300, 0.2)[: 2 * 3_200], rate=16_000)
        assert (await control.expect("input_audio.buffer"))["utterance"] == 361
        await control.send("input_audio.commit")
        assert (await control.expect("input_audio.committed"))["duration_ms"] == 200
        await control.send("input_audio.append", audio=bytes(4_800))
        await control.send("input_audio.commit")
        assert (await control.expect("input_audio.committed"))["duration_ms"] == 100  # 24 kHz unless said otherwise


async def test_a_recording_holds_video_and_audio_and_says_that_the_face_is_generated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLETALK_HOME", str(tmp_path))
    async with running_server() as server, server.control() as control:
        await present(control)
        await control.send("recording.start")
        recording = (await control.expect("recording.started"))["recording"]
        await push(control, spoken(400, 1))
        await control.send("input_audio.commit")
        await control.expect("utterance.ended")
        await control.expect("metrics")  # some frames after the last word
        await control.send("recording.stop")
        stopped = await control.expect("recording.stopped")
        assert (await server.json("/api/recordings"))["recordings"][0]["recording"] == recording
        status, headers, body = await server.http("GET", stopped["address"])
        assert status == 200 and headers["content-type"] == "video/mp4"
        assert (await server.http("GET", "/api/recordings/..%2f..%2fsecret"))[0] == 404
        path = tmp_path / "got.mp4"
        path.write_bytes(body)
        with av.open(str(path)) as video:
            assert "generated" in video.metadata["comment"] and "trainedAlgorithmicMedia" in video.metadata["comment"]
            frames = [(frame.time, frame.to_ndarray(format="gray")[5, 5]) for frame in video.decode(video=0)]
        with c2pa.Reader(str(path)) as reader:
            assert "trainedAlgorithmicMedia" in reader.json() and reader.get_validation_state() != "Invalid"
        with av.open(str(path)) as video:
            audio = np.concatenate([frame.to_ndarray()[0] for frame in video.decode(audio=0)])
        onset = np.flatnonzero(np.abs(audio) > 0.05)[0] / 48_000
        opened = next(time for time, level in frames if level > (BRIGHT + DARK) / 2)
        assert opened == pytest.approx(onset, abs=0.05)
        assert len(audio) / 48_000 == pytest.approx(stopped["seconds"], abs=0.1)
        assert np.diff([time for time, _ in frames]).max() < 0.2
        assert (await server.http("DELETE", stopped["address"]))[0] == 204
        assert (await server.http("GET", stopped["address"]))[0] == 404


async def test_a_presentation_ends_with_its_channel_and_its_name_is_free_again() -> None:
    async with running_server(slots=1) as server:
        async with server.control() as control, server.control() as other:
            await control.send("input_audio.append", audio=b"\0\0")
            assert (await control.expect("error"))["code"] == "not_presenting"
            await present(control)
            viewer = await watch(server)
            await other.send("presenter.start", name="news")
            assert "is in use" in (await other.expect("error"))["message"]
            await other.send("presenter.start", name="weather")
            refused = await other.expect("error")
            assert refused["code"] == "server_full" and refused["retry_after"] > 0
            await control.send("presenter.stop")
            assert (await control.expect("presenter.stopped"))["presenter"] == "news"
            await present(other)
        await until(lambda: server.service.worker.free_slots)
        await viewer.aclose()


async def test_a_server_that_stops_completes_the_recording_and_leaves_no_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLETALK_HOME", str(tmp_path))
    before = asyncio.all_tasks()
    async with running_server() as server, server.control() as control:
        await present(control)
        await control.send("recording.start")
        recording = (await control.expect("recording.started"))["recording"]
        await push(control, spoken(400, 5))
        await control.send("text.speak", text="This is never heard.")
        await control.first("utterance.started")
        server.server.should_exit = True
        await asyncio.wait_for(control.socket.wait_closed(), 60)
    await until(lambda: asyncio.all_tasks() == before)
    with av.open(str(tmp_path / f"recordings/{recording}.mp4")) as video:
        assert next(video.decode(video=0)).width == 64
    assert not list((tmp_path / "recordings").glob(".*"))


async def test_the_channel_speaks_json_on_request() -> None:
    async with running_server() as server, server.control(as_json=True) as control:
        await present(control)
        await control.send("input_audio.append", audio="AAAAAA==", rate=16_000)
        assert (await control.expect("input_audio.buffer"))["utterance"] == 1
        await control.send("input_audio.append", audio="?")
        assert (await control.expect("error"))["code"] == "bad_message"
        await control.socket.send("[" * 60_000)
        assert "is not JSON" in (await control.expect("error"))["message"]
