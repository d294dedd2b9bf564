"""Proves that the delay line returns the same samples or silence, and that resampling does not alias."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.audio.decimator import Decimator
from streaming.audio.ring_buffer import AudioRing


def test_what_was_written_is_taken_once() -> None:
    ring = AudioRing(capacity=4_096)
    samples = np.arange(960, dtype=np.int16)
    ring.write(10_000, samples)
    assert (ring.take(10_000, 960) == samples).all()
    assert not ring.take(10_000, 960).any()
    assert not ring.take(10_000 + 4_096, 960).any()


def test_silencing_covers_exactly_the_given_ticks() -> None:
    ring = AudioRing(capacity=4_096)
    ring.write(0, np.ones(3_000, dtype=np.int16))
    ring.silence(1_000, 2_000)
    assert list(np.flatnonzero(np.diff(ring.peek(0, 3_000)))) == [999, 1_999]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12))
def test_decimation_does_not_depend_on_the_packet_size(sizes: list[int]) -> None:
    samples = np.random.default_rng(1).integers(-9_000, 9_000, 3 * sum(sizes)).astype(np.int16)
    whole = Decimator().push(samples)
    decimator = Decimator()
    parts = np.split(samples, np.cumsum([3 * size for size in sizes])[:-1])
    pieces = np.concatenate([decimator.push(part) for part in parts])
    np.testing.assert_allclose(pieces, whole, atol=1e-5)


@pytest.mark.parametrize(("frequency", "least", "most"), [(1_000, 0.98, 1.02), (6_000, 0.9, 1.05), (10_000, 0, 0.01)])
def test_speech_passes_and_what_would_alias_does_not(frequency: float, least: float, most: float) -> None:
    time = np.arange(48_000) / 48_000
    tone = (20_000 * np.sin(2 * np.pi * frequency * time)).astype(np.int16)
    out = Decimator().push(tone)[200:]
    gain = np.sqrt(2 * np.mean(out**2)) * 32_768 / 20_000
    assert least <= gain <= most


def test_a_packet_that_is_no_multiple_of_three_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        Decimator().push(np.zeros(10, np.int16))
