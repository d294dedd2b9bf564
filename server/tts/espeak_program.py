"""Program that speaks a text with espeak-ng's library and tells the phones: its command line lacks their times.

Runs on: a process of its own, `python -I -S espeak_program.py LANGUAGE TEXT SOUND PHONES`, without packages; the
library has global state and is written in C. It reads the file TEXT and writes SOUND, a WAV file, and PHONES: a line
per phone with the time of its start in seconds and its symbol in IPA, which is empty for a pause. Where there is no
library, the command line program speaks instead, and PHONES is not written.
"""

import ctypes
import os
import sys
import wave
from pathlib import Path

LIBRARIES = ("libespeak-ng.so.1", "libespeak-ng.dylib", "libespeak-ng.dll")
SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS
PHONEMES_IN_IPA = 0x1 | 0x2  # espeakINITIALIZE_PHONEME_EVENTS, espeakINITIALIZE_PHONEME_IPA
UTF8_AND_END_PAUSE = 0x1 | 0x1000  # espeakCHARS_UTF8, espeakENDPAUSE
POSITION_CHARACTER = 1
LIST_END, PHONEME = 0, 7  # types of events
DEFAULT_VOICE = "en"


class EventId(ctypes.Union):
    """Value of an event, by its type; as in `speak_lib.h`."""

    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("symbol", ctypes.c_char * 8))


class Event(ctypes.Structure):
    """``espeak_EVENT``; ``sample`` is where the event is in the audio."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", EventId),
    )


class VoiceProperties(ctypes.Structure):
    """The first fields of ``espeak_VOICE``, and room for the others."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("others", ctypes.c_char * 64),
    )


Receive = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event))


def main(language: str, text: Path, sound: Path, phones: Path) -> None:
    """Speaks; exits with status 1 when there is no such voice."""
    library = load()
    if library is None:
        voice = ("-v", language) if language else ()
        os.execvp("espeak-ng", ["espeak-ng", *voice, "-f", str(text), "-w", str(sound)])
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, None, PHONEMES_IN_IPA)
    if rate <= 0 or not choose(library, language or DEFAULT_VOICE):
        sys.exit(1)
    samples, found = speak(library, text.read_bytes())
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(samples)
    phones.write_text("".join(f"{place / rate:.6f} {symbol}\n" for place, symbol in found), "utf-8")


def load() -> ctypes.CDLL | None:
    """Return the library if it is installed."""
    for name in LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def choose(library: ctypes.CDLL, language: str) -> bool:
    """Selects the voice of a name or language, as the command line program does."""
    wanted = VoiceProperties(languages=language.encode())
    by_name: int = library.espeak_SetVoiceByName(language.encode())
    return by_name == 0 or bool(library.espeak_SetVoiceByProperties(ctypes.byref(wanted)) == 0)


def speak(library: ctypes.CDLL, text: bytes) -> tuple[bytes, list[tuple[int, str]]]:
    """Return the samples, int16, and the phones with the sample at which each starts."""
    samples, phones = bytearray(), list[tuple[int, str]]()

    def receive(audio: "ctypes._Pointer[ctypes.c_short]", count: int, events: "ctypes._Pointer[Event]") -> int:
        if audio and count > 0:
            samples.extend(ctypes.string_at(audio, count * ctypes.sizeof(ctypes.c_short)))
        index = 0
        while events[index].type != LIST_END:
            event = events[index]
            if event.type == PHONEME:
                phones.append((event.sample, bytes(event.id.symbol).decode("utf-8", "ignore")))
            index += 1
        return 0

    callback = Receive(receive)  # kept alive while the library may call it
    library.espeak_SetSynthCallback(callback)
    library.espeak_Synth(text, len(text) + 1, 0, POSITION_CHARACTER, 0, UTF8_AND_END_PAUSE, None, None)
    library.espeak_Synchronize()
    return bytes(samples), phones


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
