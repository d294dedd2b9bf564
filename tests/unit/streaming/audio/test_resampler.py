"""Proves that a program's sound comes up to 48 kHz whole, clean and independent of how it was cut."""

import numpy as np
import pytest

from streaming.audio.resampler import Resampler, UnsupportedAudio


def tone(rate: int, frequency: float, seconds: float = 0.5) -> np.ndarray:
    return np.rint(10_000 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


RATES = (4_000, 8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 44_101, 48_000, 96_000)


@pytest.mark.parametrize("rate", RATES)
def test_any_cut_gives_the_same_samples_and_every_one_of_them(rate: int) -> None:
    audio = np.random.default_rng(0).integers(-20_000, 20_000, 5_000).astype(np.int16)
    whole = Resampler(rate).push(audio)
    cut = Resampler(rate)
    pieces = [cut.push(piece) for piece in np.split(audio, [1, 1, 7, 900, 901, 4_000])]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert len(whole) == -(-len(audio) * 48_000 // rate) == Resampler(rate).ticks(len(audio))


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_stays_pure_and_as_loud(rate: int) -> None:
    raised = Resampler(rate).push(tone(rate, 1_000))[4_800:19_200].astype(float)
    spectrum = np.abs(np.fft.rfft(raised * np.hanning(len(raised)))) ** 2
    peak = int(spectrum.argmax())
    assert peak * 48_000 / len(raised) == pytest.approx(1_000, abs=4)
    aside = spectrum.sum() - spectrum[peak - 3 : peak + 4].sum()
    assert 10 * np.log10(spectrum.sum() / aside) > 50
    assert np.abs(raised).max() == pytest.approx(10_000, rel=0.02)


@pytest.mark.parametrize("rate", [3_999, 96_001, 0, -8_000])
def test_another_rate_is_refused_by_name(rate: int) -> None:
    with pytest.raises(UnsupportedAudio, match=f"not {rate}"):
        Resampler(rate)


def test_what_the_lower_rate_cannot_hold_is_removed() -> None:
    lowered = Resampler(96_000).push(tone(96_000, 30_000))
    assert np.abs(lowered[4_800:]).max() < 100
