"""Back ends are selected by name, report missing models, and pocketsphinx follows the streaming contract."""

import numpy as np
import pytest

from styletalk_core.errors import InputError
from styletalk_core.lab.recognizer.noise import music
from styletalk_core.recognizer.backends import open_backend
from styletalk_core.recognizer.stream import recognize


def test_an_unknown_back_end_is_named_with_the_choices() -> None:
    with pytest.raises(InputError, match="choose one of neural, pocketsphinx, vosk"):
        open_backend("sphinx4")


def test_vosk_without_a_model_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STYLETALK_VOSK_MODEL", raising=False)
    with pytest.raises(InputError, match="give --vosk-model MODEL or set STYLETALK_VOSK_MODEL"):
        open_backend("vosk")


def test_pocketsphinx_gives_columns_without_gaps_within_its_delay() -> None:
    pytest.importorskip("pocketsphinx", reason="the laboratory is not installed")
    from styletalk_core.recognizer.pocketsphinx import PocketsphinxRecognizer

    audio = music(np.random.default_rng(0), 24_000)
    backend = PocketsphinxRecognizer()
    heard = end = 0
    for piece in np.split(audio, range(1000, len(audio), 1000)):
        heard += len(piece)
        part = backend.push(piece)
        assert part.start == end
        end += part.hop * len(part.speech)
        assert 3 * heard - end <= backend.delay_ticks
    assert end + backend.flush().hop * 5 <= 3 * len(audio) + backend.delay_ticks
    whole = recognize(backend, audio)
    assert len(whole.speech) == 75
    np.testing.assert_array_equal(whole.posteriors.sum(axis=1), 1)
