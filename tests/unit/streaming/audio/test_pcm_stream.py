"""Proves that pushed bytes become the same samples however they are cut, and that a WAV file is heard as samples."""

import io
import wave

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.audio.pcm_stream import PcmStream
from streaming.audio.resampler import Resampler, UnsupportedAudio

NOISE = np.random.default_rng(1).integers(-20_000, 20_000, 3_001).astype("<i2")


def wav(rate: int, samples: np.ndarray, channels: int = 1, width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(samples.tobytes())
    return file.getvalue()


def pushed(stream: PcmStream, data: bytes, size: int) -> np.ndarray:
    return np.concatenate([stream.push(data[start : start + size]) for start in range(0, len(data), size)])


@pytest.mark.parametrize("size", [1, 2, 3, 1_697, 4_063, 1 << 20])
@pytest.mark.parametrize("rate", [8_000, 11_025, 24_000, 48_000])
def test_every_piece_size_gives_every_sample(rate: int, size: int) -> None:
    heard = pushed(PcmStream(rate), NOISE.tobytes(), size)
    np.testing.assert_array_equal(heard, Resampler(rate).push(NOISE))


@given(st.lists(st.integers(1, 4_000), max_size=8), st.integers(4_000, 96_000))
@settings(max_examples=30)
def test_any_cut_at_any_rate_gives_the_same(cuts: list[int], rate: int) -> None:
    data, stream, heard = NOISE.tobytes(), PcmStream(rate), []
    for cut in [*cuts, len(data)]:
        expected = stream.ticks(data[:cut])
        heard.append(stream.push(data[:cut]))
        assert len(heard[-1]) <= expected
        data = data[cut:]
    np.testing.assert_array_equal(np.concatenate(heard), Resampler(rate).push(NOISE))


def test_half_a_sample_at_the_end_is_dropped() -> None:
    assert len(PcmStream(48_000).push(b"\1\2\3")) == 1


@pytest.mark.parametrize("size", [1, 7, 44, 1 << 20])
def test_a_wav_file_is_heard_at_its_own_rate(size: int) -> None:
    stream = PcmStream(24_000)
    heard = pushed(stream, wav(16_000, NOISE) + b"LIST\4\0\0\0INFO", size)
    assert stream.rate == 16_000
    np.testing.assert_array_equal(heard, Resampler(16_000).push(NOISE))


def test_a_stereo_wav_file_is_mixed() -> None:
    both = np.stack([NOISE, NOISE], axis=1)
    np.testing.assert_array_equal(PcmStream(24_000).push(wav(48_000, both, channels=2)), NOISE)


def test_a_wav_file_of_unknown_length_is_heard_to_its_end() -> None:
    file = bytearray(wav(48_000, NOISE))
    file[40:44] = b"\xff" * 4
    np.testing.assert_array_equal(PcmStream(24_000).push(bytes(file)), NOISE)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (wav(48_000, NOISE, width=1), "16-bit"),
        (wav(1_000, NOISE), "not 1000"),
        (b"RIFF\0\0\0\0WAVEdata\2\0\0\0\0\0", "how its samples"),
        (b"RIFF\0\0\0\0WAVELIST\xff\xff\0\0", "no samples"),
    ],
)
def test_a_wav_file_that_cannot_be_read_is_refused(file: bytes, words: str) -> None:
    with pytest.raises(UnsupportedAudio, match=words):
        PcmStream(24_000).push(file)


def test_samples_that_begin_like_a_file_are_heard() -> None:
    data = b"RIFF" + NOISE.tobytes()
    assert len(pushed(PcmStream(48_000), data, 3)) == len(data) // 2
