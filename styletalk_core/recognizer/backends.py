"""Registry of recognizer back ends."""

from typing import Final

from styletalk_core.errors import InputError
from styletalk_core.extras import import_lab
from styletalk_core.recognizer.stream import PhoneRecognizer, Recognizer, RecognizerStream

BACKENDS: Final = ("neural", "pocketsphinx", "vosk")


def open_backend(name: str, vosk_model: str | None = None) -> PhoneRecognizer:
    """Creates a back end by name; vosk needs ``vosk_model``, a folder or a model name.

    Raises:
        InputError: there is no such back end, or its model is not installed.
    """
    if name == "neural":
        return RecognizerStream(Recognizer.load())
    if name == "pocketsphinx":
        import_lab("pocketsphinx")
        from styletalk_core.recognizer.pocketsphinx import PocketsphinxRecognizer

        return PocketsphinxRecognizer()
    if name == "vosk":
        from styletalk_core.recognizer.vosk import VoskRecognizer

        return VoskRecognizer(vosk_model)
    raise InputError(f"unknown recognizer back end {name!r}: choose one of {', '.join(BACKENDS)}")
