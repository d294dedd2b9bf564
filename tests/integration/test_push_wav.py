"""Runs the documented Python client: it pushes a WAV file to a presenter, and a viewer receives all of it."""

import asyncio
import importlib.util
import json
import wave
from collections import deque
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from live_server import RtcClient, pitch, running_server, tone

EXAMPLE = Path(__file__).parents[2] / "docs/examples/push_wav.py"


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("push_wav", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_wav(path: Path, samples: np.ndarray, rate: int = 48_000, channels: int = 1) -> str:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return str(path)


def test_the_example_has_at_most_sixty_lines() -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= 60


class FullServer:
    """Has room for two pieces, and tells its state of a moment ago before it answers an append."""

    def __init__(self) -> None:
        self.room = 500
        self.answers: deque[dict[str, Any]] = deque()
        self.appended = 0

    def send(self, text: str) -> None:
        match json.loads(text)["type"]:
            case "presenter.start":
                self.answers.append({"type": "presenter.started", "room_ms": self.room})
            case "input_audio.append" if self.room < 250:
                self.answers.append({"type": "error", "message": "The audio buffer is full."})
            case "input_audio.append":
                self.answers.append({"type": "input_audio.buffer", "room_ms": self.room})
                self.room -= 250
                self.appended += 1
                self.answers.append({"type": "input_audio.buffer", "room_ms": self.room, "utterance": 1})
            case "mark":
                self.answers.append({"type": "mark", "played_ms": 1_500})

    def recv(self) -> str:
        """The next message; a client that has read all of them waits until something has been played."""
        if not self.answers:
            self.room += 250
            self.answers.append({"type": "input_audio.buffer", "room_ms": self.room})
        return json.dumps(self.answers.popleft())


def test_the_state_from_before_an_append_is_not_taken_for_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, module = FullServer(), example()
    monkeypatch.setattr(module, "connect", lambda *_, **__: nullcontext(server))
    module.push(write_wav(tmp_path / "speech.wav", tone(500, 1.5)))
    assert server.appended == 6


async def test_a_viewer_receives_the_file_and_the_client_its_length(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_wav(tmp_path / "speech.wav", tone(500, 2)[::2], 24_000)
    async with running_server() as server:
        pushing = asyncio.create_task(asyncio.to_thread(example().push, path, "wav", f"ws://127.0.0.1:{server.port}"))
        viewer = RtcClient(None)
        async with asyncio.timeout(60):
            while await viewer.call(server, path="/whep/wav") != 201:
                await viewer.aclose()
                viewer = RtcClient(None)
        await asyncio.wait_for(pushing, 60)
        assert pitch(viewer) == pytest.approx(500, abs=10)
        await viewer.aclose()
    assert "heard 2.00 s" in capsys.readouterr().out


async def test_a_file_of_another_kind_and_a_taken_name_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="16-bit mono"):
        example().push(write_wav(tmp_path / "stereo.wav", tone(500, 0.1), channels=2))
    path = write_wav(tmp_path / "speech.wav", tone(500, 0.1))
    async with running_server() as server, server.control() as control:
        await control.send("presenter.start", name="wav")
        await control.expect("presenter.started")
        with pytest.raises(SystemExit, match=r"The presenter name .* is in use"):
            await asyncio.to_thread(example().push, path, "wav", f"ws://127.0.0.1:{server.port}")
