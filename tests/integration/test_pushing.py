"""Proves that audio and text are taken as programs and voices send them: any rate, any cut, any markup."""

import asyncio
import io
import itertools
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from deterministic_engine import DeterministicEngine
from live_server import Control, running_server
from websockets.exceptions import ConnectionClosed

from streaming.audio.resampler import Resampler

RATES = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
SIZES = (1, 2, 1_697, 4_063, 65_536, 1 << 20)


def noise(samples: int) -> np.ndarray:
    return np.random.default_rng(samples).integers(-9_000, 9_000, samples).astype("<i2")


async def present(control: Control) -> None:
    await control.send("presenter.start", name="news")
    await control.expect("presenter.started")


async def push(control: Control, data: bytes, rate: int, size: int) -> None:
    for start in range(0, len(data), size):
        await control.send("input_audio.append", audio=data[start : start + size], rate=rate)
    await control.send("input_audio.commit")


async def committed_ms(control: Control) -> int:
    return (await control.expect("input_audio.committed"))["duration_ms"]


@pytest.mark.parametrize("rate", RATES)
async def test_ten_pushes_of_a_rate_are_heard_to_the_sample(rate: int) -> None:
    heard = dict[int, int]()
    async with running_server() as server, server.control() as control:
        await present(control)
        session = server.service.clients.sessions()[0]
        utterances = list[Any]()
        original = session.speaker.open

        def opened() -> Any:
            utterances.append(original())
            return utterances[-1]

        session.speaker.open = opened
        lengths = [rate // 20 + 7 * k for k in range(10)]
        for length, size in zip(lengths, itertools.cycle(SIZES[1:]), strict=False):
            await push(control, noise(length).tobytes(), rate, size)
        for _ in lengths:
            ended = await control.expect("utterance.ended")
            heard[ended["utterance"]] = ended["played_ms"]
        expected = [len(Resampler(rate).push(noise(length))) for length in lengths]
        assert [utterance.taken for utterance in utterances] == expected
        assert list(heard.values()) == [round(ticks * 1000 / 48_000) for ticks in expected]


async def test_bytes_one_by_one_and_a_mebibyte_at_once_are_taken() -> None:
    async with running_server() as server, server.control() as control:
        await present(control)
        await push(control, noise(150).tobytes(), 24_000, 1)
        assert await committed_ms(control) == 6
        await control.expect("utterance.ended")
        await push(control, noise(1 << 19).tobytes(), 8_000, 1 << 20)  # more than the buffer holds, into an empty one
        assert await committed_ms(control) == 65_536


@pytest.mark.parametrize("as_json", [False, True])
async def test_five_seconds_are_one_piece_and_a_larger_one_is_refused_with_the_channel_open(as_json: bool) -> None:
    from base64 import b64encode

    def coded(data: bytes) -> bytes | str:
        return b64encode(data).decode() if as_json else data

    async with running_server() as server, server.control(as_json=as_json) as control:
        await present(control)
        await control.send("input_audio.append", audio=coded(noise(5 * 24_000).tobytes()))
        assert (await control.expect("input_audio.buffer"))["buffered_ms"] > 4_000
        for size in ((1 << 20) + 2, 3 << 20):
            await control.send("input_audio.append", audio=coded(bytes(size)))
            assert (await control.expect("error"))["code"] == "too_large"
        await control.send("mark", name="x" * 70_000)
        assert (await control.expect("error"))["code"] == "too_large"
        await control.send("input_audio.commit")
        assert await committed_ms(control) == 5_000


async def test_halves_of_samples_are_put_together_and_the_last_one_is_dropped() -> None:
    async with running_server() as server, server.control() as control:
        await present(control)
        data = noise(40_800).tobytes()  # 3.4 s at 12 kHz
        for size in (4_063, 1_697):
            await push(control, data[: len(data) // 2 + 1], 12_000, size)
            assert await committed_ms(control) == 1_700


async def test_nothing_is_no_utterance() -> None:
    async with running_server() as server, server.control() as control:
        await present(control)
        await control.send("input_audio.append", audio=b"")
        assert "utterance" not in await control.expect("input_audio.buffer")
        for pushed in (b"", b"\0"):
            await control.send("input_audio.append", audio=pushed)
            await control.send("input_audio.commit")
            committed = await control.expect("input_audio.committed")
            assert (committed["utterance"], committed["duration_ms"]) == (None, 0)
        await control.send("input_audio.append", audio=bytes(4_800))
        assert (await control.expect("input_audio.buffer"))["utterance"] == 1


async def test_a_whole_wav_file_is_heard_at_its_rate() -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        writer.writeframes(noise(16_000).tobytes())
    async with running_server() as server, server.control() as control:
        await present(control)
        await push(control, file.getvalue(), 24_000, 4_063)
        assert await committed_ms(control) == 1_000


@pytest.mark.parametrize("rate", [3_999, 96_001])
async def test_a_rate_that_cannot_be_taken_is_refused_by_name(rate: int) -> None:
    async with running_server() as server, server.control() as control:
        await present(control)
        await control.send("input_audio.append", audio=bytes(2), rate=rate)
        assert "4000 to 96000" in (await control.expect("error"))["message"]


async def test_a_pause_in_the_supply_ends_no_utterance_and_is_a_pause_in_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLETALK_HOME", str(tmp_path))
    async with running_server() as server, server.control() as control:
        await present(control)
        await control.send("recording.start")
        await control.expect("recording.started")
        audio = noise(24_000).tobytes()
        await control.send("input_audio.append", audio=audio)
        await control.send("mark", name="one")
        one = await control.expect("mark")
        with pytest.raises(TimeoutError):
            await control.expect("utterance.ended", seconds=3)
        await control.send("input_audio.append", audio=audio)
        await control.send("mark", name="two")
        await control.send("input_audio.commit")
        two = await control.expect("mark")
        assert (one["played_ms"], two["played_ms"]) == (1_000, 2_000)
        assert (await control.expect("utterance.ended"))["played_ms"] == 2_000
        with pytest.raises(TimeoutError):
            await control.expect("utterance.ended", seconds=0.5)
        await control.send("recording.stop")
        stopped = await control.expect("recording.stopped")
    with av.open(str(tmp_path / f"recordings/{stopped['recording']}.mp4")) as video:
        heard = np.abs(np.concatenate([frame.to_ndarray()[0] for frame in video.decode(audio=0)])) > 0.01
    first, last = np.flatnonzero(heard)[[0, -1]] / 48_000
    assert heard.sum() / 48_000 == pytest.approx(2.0, abs=0.15)  # some of its samples are nearly zero
    assert last - first == pytest.approx((two["frame"] - one["frame"]) / 30 + 1.0, abs=0.1)


async def test_interruptions_one_after_the_other_leave_nothing_behind() -> None:
    async with running_server(DeterministicEngine()) as server, server.control() as control:
        await present(control)
        for _ in range(20):
            await control.send("input_audio.append", audio=noise(24_000).tobytes())
            await control.send("avatar.interrupt")
        for _ in range(20):
            await control.expect("avatar.interrupted")
        await push(control, noise(72_000).tobytes(), 24_000, 48_000)
        assert (await control.expect("utterance.ended"))["played_ms"] == 3_000


async def test_text_without_words_is_no_utterance_and_marks_are_not_read() -> None:
    async with running_server() as server, server.control() as control:
        await present(control)
        for text in ("😀", "```\ncode\n```", "<speak><break/></speak>"):
            await control.send("text.speak", text=text)
            assert (await control.expect("text.accepted"))["utterance"] is None
        await control.send("text.speak", text="**Hello** [link](https://example.org) `code`")
        assert (await control.expect("text.accepted"))["utterance"] == 1
        assert (await control.expect("transcript.final"))["text"].startswith("**Hello**")
        assert 500 < (await control.expect("utterance.ended"))["played_ms"] < 3_000


async def test_appended_text_is_one_utterance_spoken_sentence_by_sentence() -> None:
    async with running_server() as server, server.control() as control:
        await present(control)
        for delta in ("Good ", "morning. ", "It is", " 3 km. And", " more"):
            await control.send("text.append", text=delta)
        first = await control.expect("transcript.final")  # before the text is complete
        assert (first["text"], first["utterance"]) == ("Good morning.", 1)
        await control.send("text.commit")
        assert (await control.expect("text.accepted"))["utterance"] == 1
        assert (await control.expect("utterance.ended"))["utterance"] == 1
        rest = [message["text"] for message in control.skipped if message["type"] == "transcript.final"]
        assert rest == ["It is 3 km.", "And more"]
        await control.send("text.commit")
        assert "text.append first" in (await control.expect("error"))["message"]


async def test_an_interruption_drops_the_rest_of_appended_text() -> None:
    async with running_server() as server, server.control() as control:
        await present(control)
        await control.send("text.append", text="A long first sentence about nothing at all. Then")
        await control.expect("utterance.started")
        await control.send("avatar.interrupt")
        await control.expect("avatar.interrupted")
        await control.send("text.append", text=" another one. And more. ")
        await control.send("text.commit")
        await control.expect("text.accepted")
        await control.send("text.speak", text="New.")
        assert (await control.expect("transcript.final"))["text"] == "New."


async def test_a_voice_that_does_not_speak_a_language_is_refused() -> None:
    async with running_server() as server, server.control() as control:
        await present(control)
        await control.send("text.speak", text="Guten Tag.", language="de", voice="hibari")
        assert "speaks en only" in (await control.expect("error"))["message"]
        await control.send("text.speak", text="Hello.", voice="nobody")
        assert "no voice named" in (await control.expect("error"))["message"]


async def test_a_message_beyond_every_limit_closes_the_channel() -> None:
    async with running_server() as server, server.control() as control:
        with pytest.raises(ConnectionClosed):
            await control.send("input_audio.append", audio=bytes(9 << 20))
            await asyncio.wait_for(control.socket.recv(), 60)
            await asyncio.wait_for(control.socket.recv(), 60)
