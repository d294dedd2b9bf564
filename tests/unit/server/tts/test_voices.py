"""Proves every voice: it synthesizes audio of the right length, with its phones, and reports errors in one sentence."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import numpy as np
import pytest

from server.config import ServerConfig
from server.tts import espeak_program
from server.tts.choice import open_voice
from server.tts.installed import PROGRAMS, InstalledVoice
from server.tts.packaged import PackagedVoice
from server.tts.remote import RemoteVoice
from server.tts.voice import Voice, VoiceFailed
from styletalk_core.errors import InputError
from styletalk_core.phones import PHONES


async def said(voice: Voice, text: str) -> np.ndarray:
    """(n,) int16 48 kHz."""
    return np.concatenate([piece.samples async for piece in voice.speak(text)])


async def test_the_packaged_voice_speaks_at_an_even_rate() -> None:
    audio = await said(PackagedVoice(), "Good morning, and welcome to the show.")
    assert audio.dtype == np.int16 and 1.5 < len(audio) / 48_000 < 5
    assert np.abs(audio).max() > 3_000


async def test_the_packaged_voice_reads_numbers_and_units() -> None:
    voice = PackagedVoice()
    figures = await said(voice, "It is 12 km, or $20.")
    words = await said(voice, "It is twelve kilometers, or twenty dollars.")
    assert len(figures) == pytest.approx(len(words), rel=0.1)


@pytest.mark.parametrize("program", PROGRAMS)
async def test_an_installed_program_speaks_what_is_in_the_text_and_takes_no_orders_from_it(program: str) -> None:
    if not InstalledVoice.found(program):
        pytest.skip(f"{program} is not installed")
    audio = await said(InstalledVoice(program), "--help; $(reboot) Good morning, and welcome.")
    assert 1.5 < len(audio) / 48_000 < 8 and np.abs(audio).max() > 2_000


async def test_espeak_tells_the_phones_of_every_language_within_its_audio() -> None:
    if not InstalledVoice.found("espeak-ng") or espeak_program.load() is None:
        pytest.skip("espeak-ng or its library is not installed")
    for language, text, lips in (("en-us", "Mama, a baby.", "MMBB"), ("de", "Ein hübscher Apfel.", "PPF")):
        (piece,) = [piece async for piece in InstalledVoice("espeak-ng", language).speak(text)]
        names = [PHONES[phone.phone] for phone in piece.phones]
        assert "".join(name for name in names if name in ("M", "B", "P", "F")) == lips
        assert names[-1] == "SIL" and all(one.end == other.start for one, other in pairwise(piece.phones))
        loud = [np.abs(piece.samples[phone.start : phone.end]).max() for phone in piece.phones[:-1]]
        assert np.median(loud) > 1_000


async def test_a_voice_that_espeak_does_not_have_is_a_sentence() -> None:
    if not InstalledVoice.found("espeak-ng"):
        pytest.skip("espeak-ng is not installed")
    with pytest.raises(VoiceFailed, match="status 1"):
        await said(InstalledVoice("espeak-ng", "xx"), "Hello.")


async def test_a_program_that_fails_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROGRAMS, "flite", ("/bin/false",))
    with pytest.raises(VoiceFailed, match="status 1"):
        await said(InstalledVoice("flite"), "Hello.")
    monkeypatch.setitem(PROGRAMS, "flite", ("/nonexistent/flite",))
    with pytest.raises(VoiceFailed, match="returned no audio"):
        await said(InstalledVoice("flite"), "Hello.")


class FakeSpeechServer:
    """Answers ``POST /v1/audio/speech`` with a ramp in uneven chunks."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.samples = np.arange(-6_000, 6_000, 1, np.int16)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = {k.lower(): v for k, v in (line.split(": ", 1) for line in head.split("\r\n")[1:-2])}
        body = await reader.readexactly(int(fields["content-length"]))
        self.asked.append((head.split("\r\n")[0], fields.get("authorization", ""), json.loads(body)))
        writer.write(f"HTTP/1.1 {self.status} X\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode())
        data = self.samples.tobytes()
        for start in range(0, len(data), 1_001):
            piece = data[start : start + 1_001]
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        writer.close()


@asynccontextmanager
async def speech_server(status: int = 200) -> AsyncIterator[tuple[FakeSpeechServer, str]]:
    fake = FakeSpeechServer(status)
    async with await asyncio.start_server(fake.answer, "127.0.0.1", 0) as server:
        yield fake, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def test_a_remote_voice_asks_as_openai_wants_and_passes_every_sample_on() -> None:
    async with speech_server() as (fake, base):
        audio = await said(open_voice(ServerConfig(voice_url=base, voice_key="secret", voice="nova")), "Hello.")
    assert len(audio) == 2 * len(fake.samples)
    np.testing.assert_allclose(audio[200:-200:2], fake.samples[100:-100], atol=30)
    line, key, wanted = fake.asked[0]
    assert (line, key) == ("POST /v1/audio/speech HTTP/1.1", "Bearer secret")
    assert wanted == {"model": "gpt-4o-mini-tts", "voice": "nova", "input": "Hello.", "response_format": "pcm"}


async def test_a_remote_voice_that_refuses_or_is_away_is_a_sentence() -> None:
    async with speech_server(401) as (_, base):
        with pytest.raises(VoiceFailed, match="status 401"):
            await said(RemoteVoice(base, "", "m", "v"), "Hello.")
    with pytest.raises(VoiceFailed, match="cannot be reached"):
        await said(RemoteVoice(base, "", "m", "v"), "Hello.")


def test_the_choice_of_a_voice_is_checked_and_its_key_is_no_news() -> None:
    assert isinstance(open_voice(ServerConfig()), PackagedVoice)
    with pytest.raises(InputError, match="choose one of hibari, espeak-ng, flite"):
        open_voice(ServerConfig(voice="robot"))
    assert "secret" not in repr(ServerConfig(voice_key="secret"))
