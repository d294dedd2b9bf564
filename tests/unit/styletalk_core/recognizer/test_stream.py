"""The live recognizer: streaming equals offline, batches do not mix speakers, columns are causal."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from styletalk_core.errors import InputError
from styletalk_core.lab.recognizer.noise import music
from styletalk_core.phones import SIL_INDEX
from styletalk_core.recognizer.dimensions import RecognizerConfig
from styletalk_core.recognizer.network import RecognizerNetwork, save_network
from styletalk_core.recognizer.stream import (
    COLUMN_TICKS,
    STEP_SAMPLES,
    Recognition,
    Recognizer,
    RecognizerStream,
    recognize,
)


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recognizer]:
    """A small untrained network with the gate held open: the rules of streaming do not depend on the weights."""
    torch.manual_seed(0)
    path: Path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_network(RecognizerNetwork(RecognizerConfig(width=32, dilations=(1, 2, 4))), path, {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("styletalk_core.recognizer.vad.OPEN_ABOVE", 0.0)
        yield Recognizer(path)


SOUND = music(np.random.default_rng(3), 16_000)


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(0, len(SOUND)), max_size=12))
def test_streaming_equals_offline_for_any_chunking(recognizer: Recognizer, cuts: list[int]) -> None:
    whole = recognize(RecognizerStream(recognizer), SOUND)
    stream = RecognizerStream(recognizer)
    pieces = np.split(SOUND, sorted(cuts))
    parts = [stream.push(piece) for piece in pieces] + [stream.flush()]
    ends = [part.start + part.hop * len(part.speech) for part in parts if len(part.speech)]
    starts = [part.start for part in parts if len(part.speech)]
    assert starts[0] == 0 and starts[1:] == ends[:-1], "columns come in order and without gaps"
    np.testing.assert_allclose(np.concatenate([part.posteriors for part in parts]), whole.posteriors, atol=1e-5)
    np.testing.assert_array_equal(np.concatenate([part.speech for part in parts]), whole.speech)


def test_a_speaker_is_not_changed_by_who_shares_the_batch(recognizer: Recognizer) -> None:
    rng = np.random.default_rng(0)
    sounds = [music(rng, 8000) for _ in range(3)]
    together = recognizer.push([RecognizerStream(recognizer) for _ in sounds], sounds)
    for audio, shared in zip(sounds, together, strict=True):
        alone = RecognizerStream(recognizer).push(audio)
        np.testing.assert_allclose(shared.posteriors, alone.posteriors, atol=1e-5)


def test_speakers_may_bring_different_amounts_of_audio(recognizer: Recognizer) -> None:
    streams = [RecognizerStream(recognizer) for _ in range(3)]
    short, long, none = recognizer.push(streams, [SOUND[:3200], SOUND[:9600], SOUND[:0]])
    assert (len(short.speech), len(long.speech), len(none.speech)) == (10 - 3, 30 - 3, 0)


def test_an_onset_changes_no_column_that_came_out_before_it_and_is_in_time_for_its_own(recognizer: Recognizer) -> None:
    onset = 8000
    quiet = np.zeros(16_000, np.float32)
    loud = quiet.copy()
    loud[onset : onset + 800] = 0.5
    differs = np.abs(
        recognize(RecognizerStream(recognizer), quiet).posteriors
        - recognize(RecognizerStream(recognizer), loud).posteriors
    ).max(axis=1)
    first = int(np.flatnonzero(differs > 1e-6)[0])
    assert first * COLUMN_TICKS + recognizer.delay_ticks > 3 * onset, "a column that was out knew the future"
    assert (first + 1) * COLUMN_TICKS + recognizer.delay_ticks >= 3 * onset
    assert first * COLUMN_TICKS <= 3 * onset, "the stated delay is longer than needed"


def test_a_column_is_out_exactly_the_stated_delay_after_its_first_sample(recognizer: Recognizer) -> None:
    stream = RecognizerStream(recognizer)
    for step in range(1, 20):
        part = stream.push(SOUND[(step - 1) * STEP_SAMPLES : step * STEP_SAMPLES])
        for column in range(len(part.speech)):
            assert part.start + column * part.hop + stream.delay_ticks == step * COLUMN_TICKS


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_non_finite_samples_do_not_stay_in_the_stream(recognizer: Recognizer, bad: float) -> None:
    stream = RecognizerStream(recognizer)
    broken = SOUND[:3200].copy()
    broken[1000:1100] = bad
    stream.push(broken)
    assert np.isfinite(stream.push(SOUND).posteriors).all()


def test_reset_forgets_everything(recognizer: Recognizer) -> None:
    stream = RecognizerStream(recognizer)
    first = stream.push(SOUND)
    stream.reset()
    again = stream.push(SOUND)
    assert again.start == 0
    np.testing.assert_array_equal(first.posteriors, again.posteriors)


def test_a_delay_without_a_head_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.safetensors"
    save_network(RecognizerNetwork(RecognizerConfig(width=8, dilations=(1,), delays=(2,))), path, {})
    with pytest.raises(InputError, match="no output after 4 steps"):
        Recognizer(path)


def test_columns_outside_a_recognition_are_silence() -> None:
    column = np.eye(41, dtype=np.float32)[[0]]
    one = Recognition(COLUMN_TICKS, COLUMN_TICKS, column, np.array([True]))
    ids = one.at(np.array([0, COLUMN_TICKS, 2 * COLUMN_TICKS - 1, 2 * COLUMN_TICKS])).argmax(axis=1)
    assert ids.tolist() == [SIL_INDEX, 0, 0, SIL_INDEX]
