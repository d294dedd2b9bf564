"""Training corpus: long audio is cut at pauses, utterances can be cached, labels follow the convention."""

from pathlib import Path

import numpy as np
import pytest

from styletalk_core.errors import InputError
from styletalk_core.lab.recognizer.alignment import labels_at, realign, to_cmu
from styletalk_core.lab.recognizer.corpus import (
    MAX_PART_SAMPLES,
    CorpusRecording,
    CorpusUtterance,
    extra_recordings,
    recordings,
    split_at_pauses,
    utterances,
)
from styletalk_core.phones import INDEX, PHONES, SIL_INDEX


def test_long_audio_is_cut_where_it_is_quiet_and_nothing_is_lost() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 30 * 16_000).astype(np.float32)
    samples[13 * 16_000 : 13 * 16_000 + 6400] = 0
    parts = split_at_pauses(samples)
    assert all(len(part) <= MAX_PART_SAMPLES for part in parts)
    np.testing.assert_array_equal(np.concatenate(parts), samples)
    ends = np.cumsum([len(part) for part in parts]) / 16_000
    assert ((ends >= 13) & (ends <= 13.4)).any()


def test_an_utterance_survives_the_cache(tmp_path: Path) -> None:
    one = CorpusUtterance("a/b", "GRID", "s1", "train", np.arange(320, dtype=np.int16), np.array([1, 2], np.uint8))
    one.save(tmp_path / "a" / "b.npz")
    (read,) = utterances(tmp_path)
    assert (read.name, read.source, read.speaker, read.split) == ("a/b", "GRID", "s1", "train")
    np.testing.assert_array_equal(read.samples, one.samples)
    np.testing.assert_array_equal(read.labels, one.labels)


def test_labels_lag_by_the_official_convention_and_are_silence_outside() -> None:
    labels = np.array([INDEX["P"], INDEX["AA"]], np.uint8)
    ids = labels_at(labels, np.array([-0.1, 0.024, 0.034, 0.2]))
    assert ids.tolist() == [SIL_INDEX, INDEX["P"], INDEX["AA"], SIL_INDEX]


def test_a_silence_ends_where_the_official_labels_end_it() -> None:
    labels = np.array([SIL_INDEX] * 5 + [INDEX["P"]] * 2, np.uint8)
    ids = labels_at(labels, np.arange(7) / 100 + 0.024)
    assert ids.tolist() == [SIL_INDEX] * 2 + [INDEX["P"]] * 5
    assert labels.tolist() == [SIL_INDEX] * 5 + [INDEX["P"]] * 2, "the aligner's labels stay as they are"


def test_symbols_without_a_phone_are_skipped() -> None:
    assert to_cmu(["ju", "ʔ", "t͡ʃ"]) == ["Y", "UW", "CH"]


def test_a_folder_that_is_no_data_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be the project's data folder"):
        list(recordings(tmp_path))


def test_extra_recordings_are_for_training_and_carry_their_terms(tmp_path: Path) -> None:
    columns = "file\tsource\tspeaker\tlicence\n"
    (tmp_path / "manifest.tsv").write_text(columns + "a/b.wav\tGame\tone\tfreeware\n")
    expected = CorpusRecording("extra/Game/a/b.wav", tmp_path / "a/b.wav", "Game (freeware)", "one", "train", "")
    assert list(extra_recordings(tmp_path)) == [expected]


def test_a_manifest_of_extra_recordings_without_terms_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.tsv").write_text("file\tsource\tspeaker\ttext\n")
    with pytest.raises(InputError, match="lacks the columns licence"):
        list(extra_recordings(tmp_path))


def test_borders_move_to_where_the_network_hears_them() -> None:
    first, second = INDEX["M"], INDEX["AA"]
    aligned = np.array([SIL_INDEX] * 4 + [first] * 6 + [SIL_INDEX] * 2 + [second] * 8, np.uint8)
    heard = np.array([SIL_INDEX] * 2 + [first] * 5 + [second] * 11 + [SIL_INDEX] * 2, np.uint8)
    posteriors = np.full((20, len(PHONES)), 0.001)
    posteriors[np.arange(20), heard] = 0.96
    assert realign(aligned, posteriors).tolist() == heard.tolist()


def test_realigned_phones_keep_their_order() -> None:
    aligned = np.repeat([INDEX["P"], INDEX["AA"], INDEX["T"]], 5).astype(np.uint8)
    posteriors = np.random.default_rng(0).dirichlet(np.ones(len(PHONES)), 15)
    spoken = [phone for phone in realign(aligned, posteriors) if phone != SIL_INDEX]
    assert list(dict.fromkeys(spoken)) == [INDEX["P"], INDEX["AA"], INDEX["T"]]
