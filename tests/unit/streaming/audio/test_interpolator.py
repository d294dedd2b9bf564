"""Proves that a program's sound comes up to 48 kHz whole, clean and independent of how it was cut."""

import numpy as np
import pytest

from streaming.audio.interpolator import RATES, Interpolator


def tone(rate: int, frequency: float, seconds: float = 0.5) -> np.ndarray:
    return np.rint(10_000 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


@pytest.mark.parametrize("rate", RATES)
def test_any_cut_gives_the_same_samples_and_every_one_of_them(rate: int) -> None:
    audio = np.random.default_rng(0).integers(-20_000, 20_000, 5_000).astype(np.int16)
    whole = Interpolator(rate).push(audio)
    cut = Interpolator(rate)
    pieces = [cut.push(piece) for piece in np.split(audio, [1, 1, 7, 900, 901, 4_000])]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert len(whole) == len(audio) * 48_000 // rate


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_stays_pure_and_as_loud(rate: int) -> None:
    raised = Interpolator(rate).push(tone(rate, 1_000))[4_800:19_200].astype(float)
    spectrum = np.abs(np.fft.rfft(raised * np.hanning(len(raised)))) ** 2
    peak = int(spectrum.argmax())
    assert peak * 48_000 / len(raised) == pytest.approx(1_000, abs=4)
    aside = spectrum.sum() - spectrum[peak - 3 : peak + 4].sum()
    assert 10 * np.log10(spectrum.sum() / aside) > 50
    assert np.abs(raised).max() == pytest.approx(10_000, rel=0.02)


def test_another_rate_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="not 44100"):
        Interpolator(44_100)
