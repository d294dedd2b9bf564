"""Proves that the Python API speaks exactly what is pushed, with the frames of an offline rendering, and tells when."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from deterministic_engine import BRIGHT, DeterministicEngine

from server.avatar import Avatar, rgb
from streaming import offline
from streaming.avatar.audio_input import RateChanged
from streaming.avatar.live import LiveAvatar
from streaming.avatar.media import AudioFrame, AvatarMedia, VideoFrame
from streaming.frames.presence import HEAD_SHARE
from streaming.scheduling.measurement import SLOT
from streaming.session import Settings
from streaming.speaker import UtteranceEnded, UtteranceStarted
from styletalk_core.errors import NotFound

TONE = (9_000 * np.sin(2 * np.pi * 300 * np.arange(60_000) / 48_000)).astype("<i2")


def avatar(real_time: bool = False) -> Avatar:
    return Avatar("ada", "calm", real_time=real_time, engine=DeterministicEngine())


async def taken(speaking: Avatar) -> list[AvatarMedia]:
    return [item async for item in speaking]


async def rendered(samples: np.ndarray) -> list[offline.OfflineFrame]:
    """An offline rendering; on a thread, because virtual time has its own event loop."""
    return await asyncio.to_thread(
        lambda: list(offline.render(DeterministicEngine(), samples, Settings("ada", "calm")))
    )


def spoken(items: list[AvatarMedia], utterance: int | None = None) -> np.ndarray:
    """The samples of one utterance, or of all."""
    audio = [item for item in items if isinstance(item, AudioFrame) and item.utterance is not None]
    return np.concatenate([part.samples for part in audio if utterance in (None, part.utterance)])


@pytest.mark.parametrize("size", [1_697, 4_063, 1 << 20])
async def test_offline_frames_are_those_of_a_rendering_however_the_audio_is_cut(size: int) -> None:
    data = TONE.tobytes()
    async with avatar() as speaking:
        for start in range(0, len(data), size):
            await speaking.push_audio(data[start : start + size], 48_000)
        speaking.finish()
        items = await taken(speaking)
    frames = [item for item in items if isinstance(item, VideoFrame)]
    expected = await rendered(TONE)
    assert [frame.tick // 1_600 for frame in frames] == [frame.index for frame in expected] == list(range(38))
    for ours, theirs in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(ours.yuv, theirs.yuv)
    np.testing.assert_array_equal(spoken(items), TONE)
    assert rgb(frames[0]).shape == (64, 64, 3)


async def test_frames_wait_for_audio_that_is_not_known_yet() -> None:
    async with avatar() as speaking:
        taking = asyncio.create_task(taken(speaking))
        for start in range(0, len(TONE), 9_600):
            await speaking.push_audio(TONE[start : start + 9_600], 48_000)
            await asyncio.sleep(0.01)  # the frames so far are made on the real clock
        speaking.finish()
        items = await taking
    np.testing.assert_array_equal(spoken(items), TONE)
    audio = [item for item in items if isinstance(item, AudioFrame)]
    assert [item.tick for item in audio[1:]] == [item.tick + len(item.samples) for item in audio[:-1]]
    assert audio[0].utterance == 1 and audio[0].tick == 0  # not a sample of silence before or within


async def test_events_come_between_the_audio_of_the_utterances() -> None:
    async with avatar() as speaking:
        for length in (10_001, 20_002):
            await speaking.push_audio(TONE[:length], 48_000)
            speaking.commit()
        speaking.finish()
        items = await taken(speaking)
    order = [item for item in items if not isinstance(item, VideoFrame)]
    ends = [item for item in order if isinstance(item, UtteranceEnded)]
    assert [(end.utterance, end.played) for end in ends] == [(1, 10_001), (2, 20_002)]
    first_end = order.index(ends[0])
    assert {item.utterance for item in order[:first_end]} == {1}
    assert 1 not in {item.utterance for item in order[first_end + 1 :]}
    assert sum(isinstance(item, UtteranceStarted) for item in order) == 2
    np.testing.assert_array_equal(spoken(items, 2), TONE[:20_002])


async def test_an_interruption_tells_what_was_played_and_closes_the_mouth() -> None:
    async with avatar() as speaking:
        await speaking.push_audio(np.tile(TONE, 4), 48_000)
        items = list[AvatarMedia]()
        async for item in speaking:
            items.append(item)
            if isinstance(item, VideoFrame) and item.pts > 1.0:
                break
        played = await speaking.interrupt()
        speaking.commit()
        await speaking.push_audio(TONE[:4_800], 48_000)
        speaking.finish()
        items += await taken(speaking)
    assert played.utterance == 1
    assert played.played == len(spoken(items, 1))  # what is handed out is what was told
    assert len(spoken(items, 2)) == 4_800
    assert 48_000 < played.played < 72_000
    openness = [int(item.yuv[0, 0]) for item in items if isinstance(item, VideoFrame)]
    assert max(openness) > BRIGHT - 20


async def test_a_style_fades_in_with_the_same_frame_every_time() -> None:
    async def frames() -> list[bytes]:
        async with avatar() as speaking:
            await speaking.push_audio(TONE, 48_000)
            speaking.finish()
            shown = list[bytes]()
            async for item in speaking:
                if isinstance(item, VideoFrame):
                    shown.append(item.yuv.tobytes())
                    if len(shown) == 10:
                        speaking.set_style("happy", fade=0)
            return shown

    one, two = await frames(), await frames()
    assert one == two
    calm = [frame.yuv.tobytes() for frame in await rendered(TONE)]
    assert one[:10] == calm[:10] and one[-1] != calm[-1]


class PoseEngine(DeterministicEngine):
    """Keeps the pose of every frame."""

    def __init__(self) -> None:
        super().__init__()
        self.yaw: list[float] = []

    def render(self, slots: Any, expression: Any, pose: np.ndarray, *rest: Any) -> list[np.ndarray]:
        if list(slots) != [SLOT]:
            self.yaw.append(float(pose[0, 1]))
        return super().render(slots, expression, pose, *rest)


@pytest.mark.parametrize("real_time", [True, False])
async def test_presence_turns_the_head(real_time: bool) -> None:
    engine = PoseEngine()
    async with Avatar("ada", "calm", real_time=real_time, engine=engine) as speaking:
        speaking.set_presence(attention="listening", look_at=(0.5, 0.0), stillness=1.0)
        await speaking.push_audio(TONE, 48_000)
        speaking.finish()
        await taken(speaking)
        with pytest.raises(ValueError, match="asleep"):
            speaking.set_presence(attention="asleep")
        with pytest.raises(ValueError, match="yaw"):
            speaking.set_presence(look_at=(2.0, 0.0))
        with pytest.raises(ValueError, match="stillness"):
            speaking.set_presence(stillness=2.0)
    assert engine.yaw[-1] == pytest.approx(0.5 * HEAD_SHARE, abs=0.05)
    assert real_time or abs(engine.yaw[0]) < 0.08  # a busy machine shows the first frame late


async def test_live_everything_pushed_is_heard_and_the_input_can_be_ended() -> None:
    async with avatar(real_time=True) as speaking:
        await speaking.push_audio(TONE[::2], 24_000)
        speaking.finish()
        items = await asyncio.wait_for(taken(speaking), 60)
    assert len(spoken(items)) == len(TONE)
    assert sum(isinstance(item, UtteranceEnded) for item in items) == 1
    openness = [int(item.yuv[0, 0]) for item in items if isinstance(item, VideoFrame)]
    assert max(openness) > BRIGHT - 20


async def test_live_an_interruption_is_silent_within_a_packet() -> None:
    async with avatar(real_time=True) as speaking:
        await speaking.push_audio(np.tile(TONE, 4), 48_000)
        stream: AsyncIterator[AvatarMedia] = aiter(speaking)
        async for item in stream:
            if isinstance(item, AudioFrame) and item.pts > 1.0:
                break
        assert isinstance(speaking._open, LiveAvatar)
        given_out = len(speaking._open._media)  # more than nothing on a busy machine
        played = await speaking.interrupt()
        after = [await anext(stream) for _ in range(given_out + 20)][given_out:]
    assert 0 < played.played < len(TONE) * 4
    audible = [item for item in after if isinstance(item, AudioFrame) and item.samples.any()]
    assert sum(len(item.samples) for item in audible) <= 960


async def test_what_cannot_be_used_is_refused_at_once() -> None:
    async with avatar() as speaking:
        with pytest.raises(NotFound, match="calm"):
            speaking.set_style("sleepy")
        await speaking.push_audio(TONE[:4_800], 48_000)
        with pytest.raises(RateChanged, match="from 48000 to 24000"):
            await speaking.push_audio(TONE[:4_800], 24_000)
    with pytest.raises(NotFound, match="nobody"):
        async with Avatar("nobody", "calm", real_time=False, engine=DeterministicEngine()):
            pass
    with pytest.raises(RuntimeError, match="not open"):
        speaking.commit()


@pytest.mark.parametrize("real_time", [True, False])
async def test_a_failing_model_ends_the_iteration_with_its_error(real_time: bool) -> None:
    engine = DeterministicEngine()
    async with Avatar("ada", "calm", real_time=real_time, engine=engine) as speaking:
        await speaking.push_audio(TONE, 48_000)
        engine.fail_next["decode"] = 1
        speaking.finish()
        with pytest.raises(Exception, match=r"decode|failed|ended"):
            await asyncio.wait_for(taken(speaking), 60)
