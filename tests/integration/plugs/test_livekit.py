"""Proves the LiveKit plugin with the package's own runner, queue and session: only the room is a fake."""

import asyncio
import runpy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from deterministic_engine import BRIGHT, DARK, DeterministicEngine
from waiting import until

from server.avatar import Avatar
from server.plugs.emotions import style_of

pytest.importorskip("livekit.agents", reason="needs the extra `livekit`: pip install 'styletalk-live[livekit]'")

from livekit import rtc
from livekit.agents import Agent, AgentSession, function_tool
from livekit.agents.voice.avatar import AudioSegmentEnd

from server.plugs import livekit as plug
from server.plugs.livekit import AvatarSession, StyleTalkVideoGenerator

ROOT = Path(__file__).parents[3]
SIZE = 64
TONE = (9_000 * np.sin(2 * np.pi * 300 * np.arange(48_000) / 24_000)).astype(np.int16)


class FakeParticipant:
    """Accepts tracks, as the participant of the agent."""

    identity = "agent"

    def __init__(self, room: "FakeRoom") -> None:
        self.track_publications: dict[str, Any] = {}
        self._room = room

    async def publish_track(self, track: Any, options: Any) -> Any:
        async def subscribed() -> None:
            return None

        publication = SimpleNamespace(kind=track.kind, track=track, sid=track.sid, wait_for_subscription=subscribed)
        self.track_publications[str(len(self.track_publications))] = publication
        self._room.emit("local_track_published", publication, track)
        return publication


class FakeRoom(rtc.EventEmitter[str]):
    """A room without a server."""

    name = "room"

    def __init__(self) -> None:
        super().__init__()
        self.local_participant = FakeParticipant(self)
        self.remote_participants: dict[str, Any] = {}

    def isconnected(self) -> bool:
        return True


class Tracks:
    """What reaches the native audio and video sources, with the moment."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.audio: list[tuple[float, np.ndarray]] = []
        self.openness: list[tuple[float, int]] = []
        capture_audio, capture_video = rtc.AudioSource.capture_frame, rtc.VideoSource.capture_frame

        async def audio(source: rtc.AudioSource, frame: rtc.AudioFrame) -> None:
            assert frame.sample_rate == 48_000
            self.audio.append((asyncio.get_running_loop().time(), np.frombuffer(frame.data, np.int16).copy()))
            await capture_audio(source, frame)

        def video(source: rtc.VideoSource, frame: rtc.VideoFrame, **options: Any) -> None:
            assert (frame.width, frame.height) == (SIZE, SIZE)
            self.openness.append((asyncio.get_running_loop().time(), frame.data[0]))
            capture_video(source, frame, **options)

        monkeypatch.setattr(rtc.AudioSource, "capture_frame", audio)
        monkeypatch.setattr(rtc.VideoSource, "capture_frame", video)

    def samples(self) -> int:
        return sum(len(samples) for _, samples in self.audio)


@asynccontextmanager
async def talking(engine: DeterministicEngine) -> AsyncIterator[tuple[AvatarSession, AgentSession]]:
    """An agent whose voice goes through the face."""
    face = AvatarSession(Avatar("ada", "calm", engine=engine), size=SIZE)
    session: AgentSession = AgentSession()
    try:
        await face.start(session, FakeRoom())
        await session.start(Agent(instructions="Be brief."))
        yield face, session
    finally:
        await session.aclose()
        await face.aclose()


async def voice(samples: np.ndarray, seconds: float = 0.1) -> AsyncIterator[rtc.AudioFrame]:
    size = round(24_000 * seconds)
    for start in range(0, len(samples), size):
        piece = samples[start : start + size]
        yield rtc.AudioFrame(piece.tobytes(), 24_000, 1, len(piece))


async def test_an_agent_speaks_with_a_face_and_hears_when_it_was_played(monkeypatch: pytest.MonkeyPatch) -> None:
    tracks = Tracks(monkeypatch)
    async with talking(DeterministicEngine(size=SIZE)) as (face, session):
        positions, started = list[float](), list[float]()
        output = session.output.audio
        assert output is not None
        output.on("playback_finished", lambda event: positions.append(event.playback_position))
        output.on("playback_started", lambda event: started.append(event.created_at))
        await asyncio.wait_for(session.say("Hello.", audio=voice(TONE)).wait_for_playout(), 60)
        assert face.avatar_identity == "agent" and face.provider == "styletalk"
        await face.wait_for_join(timeout=5)
    assert positions == [pytest.approx(2.0)]
    assert len(started) == 1
    assert tracks.samples() == 2 * len(TONE)
    openness = [level for _, level in tracks.openness]
    assert min(openness) < DARK + 20 and max(openness) > BRIGHT - 20


async def test_an_interruption_is_silent_within_150_ms_and_tells_the_position(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tracks = Tracks(monkeypatch)
    async with talking(DeterministicEngine(size=SIZE)) as (_, session):
        finished = list[Any]()
        output = session.output.audio
        assert output is not None
        output.on("playback_finished", finished.append)
        speech = session.say("A long story.", audio=voice(np.tile(TONE, 10)), allow_interruptions=True)
        await until(lambda: tracks.samples() >= 48_000)
        moment, heard = asyncio.get_running_loop().time(), tracks.samples() / 48_000
        speech.interrupt(force=True)
        await asyncio.wait_for(speech.wait_for_playout(), 60)
        await asyncio.sleep(0.5)  # real time in which stale audio would come
    assert [event.interrupted for event in finished] == [True]
    assert finished[0].playback_position == pytest.approx(heard, abs=0.15)
    late = [samples for when, samples in tracks.audio if when > moment + 0.15]
    assert not any(samples.any() for samples in late)


async def test_every_segment_comes_to_an_end() -> None:
    async with Avatar("ada", "calm", engine=DeterministicEngine(size=SIZE)) as avatar:
        generator = StyleTalkVideoGenerator(avatar)
        ends = 0
        await generator.push_audio(AudioSegmentEnd())  # nothing was said
        await generator.push_audio(rtc.AudioFrame(TONE[:4_800].repeat(2).tobytes(), 24_000, 2, 4_800))
        await generator.push_audio(AudioSegmentEnd())
        async with asyncio.timeout(60):
            async for item in generator:
                ends += isinstance(item, AudioSegmentEnd)
                if ends == 2:
                    break


async def test_an_agent_goes_on_when_the_face_fails() -> None:
    engine = DeterministicEngine(size=SIZE)
    async with Avatar("ada", "calm", engine=engine) as avatar:
        generator = StyleTalkVideoGenerator(avatar)
        await generator.push_audio(rtc.AudioFrame(TONE.tobytes(), 24_000, 1, len(TONE)))
        engine.fail_next["decode"] = 1
        stream = aiter(generator)
        async with asyncio.timeout(60):
            while not isinstance(await anext(stream), AudioSegmentEnd):
                pass
            await generator.push_audio(rtc.AudioFrame(TONE.tobytes(), 24_000, 1, len(TONE)))
            await generator.push_audio(AudioSegmentEnd())
            assert isinstance(await anext(stream), AudioSegmentEnd)


async def test_style_and_emotion_are_tools_of_a_model() -> None:
    engine = DeterministicEngine(size=SIZE)
    async with talking(engine) as (face, _):
        tool = function_tool(face.set_emotion)
        assert tool.info.name == "set_emotion" and "emotion" in tool.info.description.lower()
        assert "happy" in await face.set_emotion("happiness")
        await until(lambda: engine.slots[0].style == {"happy": 1.0})


def test_the_plugin_has_the_name_that_the_framework_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "server/plugs/namespace"))
    from livekit.plugins import styletalk

    assert styletalk.AvatarSession is plug.AvatarSession


def test_the_example_is_short_and_uses_the_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "server/plugs/namespace"))
    example = ROOT / "docs/examples/livekit_agent.py"
    assert len(example.read_text().splitlines()) <= 60
    assert runpy.run_path(str(example), run_name="example")["AvatarSession"] is plug.AvatarSession


@pytest.mark.parametrize(
    ("emotion", "style"), [("anger", "angry"), ("contemptuous", "contemptuous"), ("Fear", "fearful")]
)
def test_both_spellings_of_an_emotion_are_known(emotion: str, style: str) -> None:
    assert style_of(emotion) == style
