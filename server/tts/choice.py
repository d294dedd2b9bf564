"""Selection of the configured text-to-speech voice.

Pure except for the search for installed programs.
"""

from typing import TYPE_CHECKING

from server.tts.installed import PROGRAMS, InstalledVoice
from server.tts.remote import REMOTE_VOICE, RemoteVoice
from server.tts.voice import Voice
from styletalk_core.errors import InputError

if TYPE_CHECKING:
    from server.config import ServerConfig

PACKAGED = "hibari"
PACKAGED_LANGUAGE = "en"
VOICES = (PACKAGED, *PROGRAMS)


def open_voice(config: "ServerConfig", name: str = "", language: str = "") -> Voice:
    """Return a voice: one of the server at ``voice_url`` if that is set, else a local one.

    Args:
        config: of the server; names the voice to use by default.
        name: of another voice.
        language: such as "en" or "pt-BR"; by default the voice's own.

    Raises:
        InputError: there is no such voice on this machine, or it does not speak this language.
    """
    name = name or config.voice
    if config.voice_url:
        return RemoteVoice(config.voice_url, config.voice_key, config.voice_model, name or REMOTE_VOICE, language)
    if name in ("", PACKAGED):
        if language and language.split("-")[0] != PACKAGED_LANGUAGE:
            raise InputError(f"The voice {PACKAGED} speaks {PACKAGED_LANGUAGE} only, not {language}; use espeak-ng.")
        from server.tts.packaged import PackagedVoice  # loads an inference runtime that not every server needs

        return PackagedVoice()
    if name not in PROGRAMS:
        raise InputError(f"There is no voice named {name!r}; choose one of {', '.join(VOICES)}.")
    if not InstalledVoice.found(name):
        raise InputError(f"The voice {name} is not installed: apt-get install {name}.")
    return InstalledVoice(name, language)
