"""Proves a conversation with a real WebRTC client, a real turn detector and fakes of OpenAI's endpoints on loopback."""

import asyncio
import logging
import re
import runpy
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deterministic_engine import BRIGHT, DARK
from fake_openai import END, HANG, KEY, FakeOpenAI, answer, call, delta, fake_openai
from live_server import Control, LiveServer, RtcClient, ToneTrack, running_server, silence
from waiting import until

from styletalk_core.audio import read_audio

ROOT = Path(__file__).parents[2]
SPEECH = ROOT / "tests/data/speech/two_sentences.flac"
HALF = (DARK + BRIGHT) / 2
BEFORE = 1.0
HELLO = 2.1
"""Seconds of the recording that say "Hello, my name is Emma."."""
LAST_WORD = 2.04
"""Its end."""
ONSET = 0.26
"""Its beginning."""
SOON = 2.0
"""Seconds until an answer, with a client and a server in one process; the unit tests prove 0.7 in virtual time."""
SILENT = 1.0
"""Seconds until an interruption is heard; the unit tests prove 0.2."""


def microphone(*gaps: float) -> np.ndarray:
    """Somebody who greets after so many seconds each, and then is silent: (n,) int16 48 kHz."""
    greeting = (read_audio(SPEECH, 48_000)[: round(HELLO * 48_000)] * 32_767).astype(np.int16)
    return np.concatenate([part for gap in gaps for part in (silence(gap), greeting)] + [silence(60)])


@dataclass
class Talk:
    """A call in which the avatar answers."""

    server: LiveServer
    fake: FakeOpenAI
    control: Control
    client: RtcClient

    def spoke_at(self, seconds: float) -> float:
        """The moment at which the microphone has sent so many seconds."""
        (track,) = [sender.track for sender in self.client.peer.getSenders() if isinstance(sender.track, ToneTrack)]
        return track._began + seconds

    def moved_at(self) -> float:
        """Arrival of the first frame with an open mouth; 0 before."""
        return next((at for at, _, image in self.client.frames if image[5, 5] > HALF), 0.0)

    def loud(self) -> list[float]:
        """Arrival of every packet that is not silent."""
        return [at for at, _, samples in self.client.audio if np.abs(samples).max() > 1_000]

    async def state(self, name: str) -> None:
        """Waits for a state of the conversation."""
        while (await self.control.expect("conversation.state"))["state"] != name:
            pass


@asynccontextmanager
async def talk(microphone: np.ndarray, realtime: bool = False, **wanted: Any) -> AsyncIterator[Talk]:
    """A client that calls and converses; its microphone begins when the conversation has begun."""
    async with fake_openai(**wanted) as fake:
        socket = fake.base.replace("http", "ws")
        options = (
            {"realtime_url": f"{socket}/realtime", "realtime_key": KEY}
            if realtime
            else {"chat_url": fake.base, "chat_key": KEY, "transcription_url": fake.base, "voice_url": fake.base}
        )
        async with running_server(**options) as server, server.control() as control:
            await control.send("session.update", conversation=True)
            assert (await control.expect("conversation.applied"))["conversation"] is True
            client = RtcClient(microphone)
            assert await client.call(server, control.created["session"]) == 201
            try:
                yield Talk(server, fake, control, client)
            finally:
                await client.aclose()


async def test_the_avatar_answers_soon_and_does_not_repeat_what_it_hears() -> None:
    async with talk(microphone(BEFORE), words=["Hello, my name is Emma."], speech_seconds=0.8) as talking:
        await talking.state("hearing")
        heard = await talking.control.expect("conversation.heard")
        assert heard["text"] == "Hello, my name is Emma."
        await talking.state("speaking")
        replied = await talking.control.expect("conversation.replied")
        assert replied["text"] == "It is noon." and not replied["interrupted"]
        moved = talking.moved_at() - talking.spoke_at(BEFORE + LAST_WORD)
        assert 0 < moved < SOON
        assert len(talking.loud()) == pytest.approx(0.8 / 0.02, abs=15)  # some may be lost on a busy machine
        assert talking.fake.keys == {f"Bearer {KEY}", ""}
        (chat,) = talking.fake.chats
        assert chat["stream"] is True and chat["messages"][-1] == {"role": "user", "content": heard["text"]}


async def test_an_interruption_silences_voice_face_and_model_and_only_what_was_heard_is_remembered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    gap = 3.0
    answers = [
        [delta("One two three four five six seven eight nine ten. "), delta("And so on. "), HANG],
        answer("Yes."),
    ]
    async with talk(microphone(BEFORE, gap), answers=answers, speech_seconds=30.0) as talking:
        await talking.state("speaking")
        replied = await talking.control.expect("conversation.replied")
        began = talking.spoke_at(BEFORE + HELLO + gap + ONSET)
        assert replied["interrupted"] and replied["text"] in ("", "One", "One two")
        await until(lambda: talking.fake.left == 1)
        await talking.state("thinking")
        late = [at - began for at in talking.loud() if at > began]
        assert late and max(late) < SILENT
        await until(lambda: len(talking.fake.chats) == 2)
        roles = [message["role"] for message in talking.fake.chats[1]["messages"]]
        assert roles in (["system", "user", "assistant", "user"], ["system", "user"])
    assert KEY not in caplog.text


async def test_a_failing_model_is_a_sentence_and_the_call_goes_on() -> None:
    answers = [500, [delta("I think. "), delta("Half a sent")], answer("Fine.")]
    async with talk(microphone(BEFORE, 2.0, 3.0), answers=answers, speech_seconds=0.5) as talking:
        error = await talking.control.expect("error")
        assert (error["code"], error["message"]) == ("conversation_failed", "The chat server answered with status 500.")
        error = await talking.control.expect("error")
        assert error["message"] == "The chat server stopped in the middle of its answer."
        replied = await talking.control.expect("conversation.replied")
        assert replied["text"] == "Fine." and talking.fake.said == ["I think.", "Fine."]
        await until(lambda: talking.client.frames[-1][2][5, 5] < HALF)


async def test_the_model_may_choose_the_style_and_speak_itself() -> None:
    answers = [[call("set_style", '{"style": "happy"}'), END], answer("Glad ", "to see you.")]
    async with talk(microphone(BEFORE), realtime=True, answers=answers, speech_seconds=0.4) as talking:
        assert (await talking.control.expect("style.applied"))["style"] == "happy"
        replied = await talking.control.expect("conversation.replied")
        assert replied["text"] == "Glad to see you."
        assert len(talking.loud()) == pytest.approx(0.8 / 0.02, abs=15)  # some may be lost on a busy machine
        kinds = [message["type"] for message in talking.fake.realtime]
        assert kinds[0] == "session.update" and kinds.index("input_audio_buffer.commit") > 10
        assert kinds.count("response.create") == 2 and "conversation.item.create" in kinds


async def test_the_example_talks_with_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "question.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(microphone(BEFORE)[: round((BEFORE + HELLO) * 48_000)].tobytes())
    example = runpy.run_path(str(ROOT / "docs/examples/converse.py"))
    async with fake_openai(speech_seconds=0.5) as fake:
        options = {"chat_url": fake.base, "transcription_url": fake.base, "voice_url": fake.base}
        async with running_server(**options) as server:
            async with asyncio.timeout(60):
                await example["converse"](str(path), f"http://127.0.0.1:{server.port}")
        async with running_server() as server:
            with pytest.raises(SystemExit, match="--chat-url"):
                await example["converse"](str(path), f"http://127.0.0.1:{server.port}")
    you, avatar, motion = capsys.readouterr().out.splitlines()
    assert (you, avatar) == ("you: What time is it?", "avatar: It is noon.")
    (elapsed,) = map(int, re.findall(r"first motion (\d+) ms", motion))
    assert elapsed < 1_000 * SOON


async def test_a_server_without_a_model_says_what_to_pass() -> None:
    async with running_server() as server, server.control() as control:
        assert (await server.json("/api/conversation"))["explanation"].startswith("To talk with the avatar, start")
        await control.send("session.update", conversation=True)
        error = await control.expect("error")
        assert error["code"] == "no_conversation" and "--chat-url" in error["message"]


async def test_a_call_changes_between_answering_and_repeating() -> None:
    async with talk(np.concatenate([silence(1), microphone(0.1)[:120_000]]), speech_seconds=0.4) as talking:
        await talking.control.expect("conversation.replied")
        await talking.control.send("session.update", conversation=False)
        assert (await talking.control.expect("conversation.applied"))["conversation"] is False
        before = len(talking.loud())
        await until(lambda: len(talking.loud()) > before + 20)  # the microphone's own words
        assert not any(task.get_name().startswith("conversation") for task in asyncio.all_tasks())
