"""Voices of installed programs: espeak-ng (many languages) and flite (English).

Runs on: event loop; the program is a separate process. It reads the text from a file, never from its command line.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.tts.voice import VoiceFailed, pcm
from streaming.units import TICK_RATE
from styletalk_core.audio import read_audio
from styletalk_core.errors import InputError

PROGRAMS = {
    "espeak-ng": ("-f", "{text}", "-w", "{sound}"),
    "flite": ("-voice", "slt", "-f", "{text}", "-o", "{sound}"),
}
"""Arguments of each program."""
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
        self._language = ("-v", language.lower()) if language and program == MULTILINGUAL else ()
        self._path = shutil.which(program) or program

    @staticmethod
    def found(program: str) -> bool:
        """True when the program is installed."""
        return shutil.which(program) is not None

    async def speak(self, text: str) -> AsyncGenerator[NDArray[np.int16], None]:
        """Yields the sentence in one piece."""
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp))
        try:
            written, sound = folder / "sentence.txt", folder / "sentence.wav"
            await asyncio.to_thread(written.write_text, text, "utf-8")
            files = [argument.format(text=written, sound=sound) for argument in PROGRAMS[self.name]]
            await self._run([*self._language, *files])
            samples = await asyncio.to_thread(read_audio, sound, TICK_RATE)
        except (OSError, InputError) as error:
            raise VoiceFailed(f"The voice {self.name} returned no audio ({error}).") from error
        finally:
            await asyncio.to_thread(shutil.rmtree, folder)
        yield pcm(samples)

    async def _run(self, arguments: list[str]) -> None:
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(self._path, *arguments, stdin=quiet, stdout=quiet, stderr=quiet)
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
