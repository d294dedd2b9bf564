"""Voices of installed programs: espeak-ng (many languages), which tells its phones, and flite (English).

Runs on: event loop; the program is a separate process. It reads the text from a file, never from its command line.
"""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path

from server.tts import espeak_program
from server.tts.told_phones import read_symbols, told_phones
from server.tts.voice import VoiceFailed, VoicePiece, pcm
from streaming.units import TICK_RATE
from styletalk_core.audio import read_audio
from styletalk_core.errors import InputError

_ESPEAK = str(Path(espeak_program.__file__).resolve())
PROGRAMS = {
    "espeak-ng": (sys.executable, "-I", "-S", _ESPEAK, "{language}", "{text}", "{sound}", "{phones}"),
    "flite": ("flite", "-voice", "slt", "-f", "{text}", "-o", "{sound}"),
}
"""Command of each program."""
MULTILINGUAL = "espeak-ng"
MAX_SYNTHESIS_SECONDS = 30.0
"""Time limit per sentence."""


class InstalledVoice:
    """Implements `Voice` with a program of `PROGRAMS`."""

    def __init__(self, program: str, language: str = "") -> None:
        """Raises: InputError: the program does not speak ``language``."""
        if language and not (program == MULTILINGUAL or language.split("-")[0] == "en"):
            raise InputError(f"The voice {program} speaks en only, not {language}; use {MULTILINGUAL}.")
        self.name = program
        self._language = language.lower()

    @staticmethod
    def found(program: str) -> bool:
        """True when the program is installed."""
        return shutil.which(program) is not None

    async def speak(self, text: str) -> AsyncGenerator[VoicePiece, None]:
        """Yields the sentence in one piece."""
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp))
        try:
            written, sound, phones = (folder / name for name in ("sentence.txt", "sentence.wav", "phones.txt"))
            await asyncio.to_thread(written.write_text, text, "utf-8")
            files = {"language": self._language, "text": written, "sound": sound, "phones": phones}
            await self._run([word.format(**files) for word in PROGRAMS[self.name]])
            piece = await asyncio.to_thread(self._read, sound, phones)
        except (OSError, InputError) as error:
            raise VoiceFailed(f"The voice {self.name} returned no audio ({error}).") from error
        finally:
            await asyncio.to_thread(shutil.rmtree, folder)
        yield piece

    def _read(self, sound: Path, phones: Path) -> VoicePiece:
        samples = pcm(read_audio(sound, TICK_RATE))
        if not phones.exists():
            return VoicePiece(samples)
        return VoicePiece(samples, told_phones(self.name, read_symbols(phones.read_text("utf-8")), len(samples)))

    async def _run(self, command: list[str]) -> None:
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(*command, stdin=quiet, stdout=quiet, stderr=quiet)
        try:
            async with asyncio.timeout(MAX_SYNTHESIS_SECONDS):
                status = await process.wait()
        except TimeoutError as error:
            raise VoiceFailed(f"The voice {self.name} took longer than {MAX_SYNTHESIS_SECONDS:g} s.") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if status:
            raise VoiceFailed(f"The voice {self.name} failed with status {status}.")
