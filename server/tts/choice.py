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
VOICES = (PACKAGED, *PROGRAMS)


def open_voice(config: "ServerConfig") -> Voice:
    """Return the configured voice: the server at ``voice_url`` if set, else a local voice.

    Raises:
        InputError: there is no such voice on this machine.
    """
    if config.voice_url:
        return RemoteVoice(config.voice_url, config.voice_key, config.voice_model, config.voice or REMOTE_VOICE)
    if config.voice in ("", PACKAGED):
        from server.tts.packaged import PackagedVoice  # loads an inference runtime that not every server needs

        return PackagedVoice()
    if config.voice not in PROGRAMS:
        raise InputError(f"There is no voice named {config.voice!r}; choose one of {', '.join(VOICES)}.")
    if not InstalledVoice.found(config.voice):
        raise InputError(f"The voice {config.voice} is not installed: apt-get install {config.voice}.")
    return InstalledVoice(config.voice)
