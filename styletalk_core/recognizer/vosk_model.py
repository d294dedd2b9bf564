"""Vosk models: a local folder, or a name such as `en-us` that vosk's own loader downloads once.

Runs on: any thread; a download shows its progress on standard error.
"""

import re
import shutil
from pathlib import Path
from typing import Final, Protocol

from styletalk_core.audio import SPEECH_RATE
from styletalk_core.errors import InputError

_NAME: Final = re.compile(r"[A-Za-z0-9.-]+")
_FULL_NAME: Final = "vosk-model"
"""Prefix of model names in the loader's catalogue; other names are languages, for which the small model is used."""
_PARTS: Final = ("am", "graph")
"""Folders present in every model."""


class VoskRecognizer(Protocol):
    """`vosk.KaldiRecognizer`; results are JSON text."""

    def AcceptWaveform(self, data: bytes) -> int: ...

    def Result(self) -> str: ...

    def PartialResult(self) -> str: ...

    def SetWords(self, enable_words: bool) -> None: ...

    def FinalResult(self) -> str: ...


class VoskModel:
    """Loaded model, shared by all transcribers."""

    def __init__(self, model: str) -> None:
        """Loads a model from a folder or by name.

        Raises:
            InputError: there is no such model, or it cannot be read or downloaded.
        """
        import vosk

        folder = model_folder(model)
        vosk.SetLogLevel(-1)
        try:
            self._model = vosk.Model(str(folder))
        except Exception as error:  # the library raises a bare Exception
            raise InputError(f"{folder} contains a Vosk model that cannot be read") from error

    def recognizer(self) -> VoskRecognizer:
        """Creates a recognizer for 16 kHz audio with word times."""
        import vosk

        recognizer: VoskRecognizer = vosk.KaldiRecognizer(self._model, SPEECH_RATE)
        recognizer.SetWords(True)
        return recognizer


def model_folder(model: str) -> Path:
    """Returns the folder of a model; a model given by name is downloaded if necessary.

    Raises:
        InputError: there is no such model, or it cannot be downloaded.
    """
    folder = Path(model)
    if not folder.is_dir() and _NAME.fullmatch(model):
        folder = _fetched(model)
    if not all((folder / part).is_dir() for part in _PARTS):
        raise InputError(
            f"{model} is not a Vosk model: give a folder unpacked from alphacephei.com/vosk/models, "
            "or a name such as en-us"
        )
    return folder


def _fetched(name: str) -> Path:
    """Returns the folder of a named model, downloading it with vosk's loader if necessary."""
    import requests
    import vosk

    class Loader(vosk.Model):  # type: ignore[misc]
        """Finds and downloads a model without loading it."""

        def __init__(self) -> None:
            pass

        def __del__(self) -> None:
            pass

    full, language = (name, None) if name.startswith(_FULL_NAME) else (None, name)
    try:
        folder = Path(Loader().get_model_path(full, language))
    except SystemExit as error:  # the loader exits the process if its catalogue has no such name
        raise InputError(f"there is no Vosk model named {name!r}: see alphacephei.com/vosk/models") from error
    except (OSError, requests.RequestException, ValueError) as error:
        raise InputError(
            f"the Vosk model {name!r} cannot be downloaded without a network connection to alphacephei.com; "
            "give the folder of an unpacked model instead"
        ) from error
    if not all((folder / part).is_dir() for part in _PARTS):  # interrupted while unpacking
        shutil.rmtree(folder, ignore_errors=True)
        raise InputError(f"the Vosk model {name!r} was not downloaded completely; try again")
    return folder
