"""Sound files of every make become mono float32 at 16 kHz; what is no sound is refused in one sentence."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from styletalk_core.audio import read_audio
from styletalk_core.errors import InputError


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000, 96000])
@pytest.mark.parametrize(("subtype", "channels"), [("PCM_16", 1), ("PCM_24", 2), ("FLOAT", 2), ("PCM_U8", 1)])
def test_rates_depths_and_channels(tmp_path: Path, rate: int, subtype: str, channels: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.repeat(tone[:, None], channels, axis=1), rate, subtype)
    samples = read_audio(path)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(16_000, abs=40)
    spectrum = np.abs(np.fft.rfft(samples[1000:15_000]))
    assert spectrum.argmax() * 16_000 / 14_000 == pytest.approx(440, abs=2)


def test_values_that_are_no_numbers_become_silence(tmp_path: Path) -> None:
    path = tmp_path / "broken.wav"
    soundfile.write(path, np.full(1600, np.nan, np.float32), 16_000, "FLOAT")
    assert not read_audio(path).any()


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_audio(tmp_path / "none.wav")


@pytest.mark.parametrize("content", [b"", b"this is no sound at all, only text", b"RIFF\x00\x00\x00\x00WAVEfmt "])
def test_files_that_hold_no_sound(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.wav"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"text\.wav (is not a readable audio file|has no sound)"):
        read_audio(path)
