"""Audio files of every format become mono float32 at 16 kHz; other files are rejected with one sentence."""

import wave
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from styletalk_core.audio import read_audio, read_pcm
from styletalk_core.errors import InputError


def write_wav(path: Path, audio: NDArray[np.float32], rate: int, codec: str, channels: int) -> None:
    """Writes (n,) float32 in the same way to every channel."""
    layout = {1: "mono", 2: "stereo"}[channels]
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        interleaved = np.repeat(audio, channels)[None].astype(np.float32)
        frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=layout)
        frame.sample_rate = rate
        converter = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=rate)
        for converted in [*converter.resample(frame), *converter.resample(None)]:
            container.mux(stream.encode(converted))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000, 96000])
@pytest.mark.parametrize(("codec", "channels"), [("pcm_s16le", 1), ("pcm_s24le", 2), ("pcm_f32le", 2), ("pcm_u8", 1)])
def test_rates_depths_and_channels(tmp_path: Path, rate: int, codec: str, channels: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    path = tmp_path / "tone.wav"
    write_wav(path, tone, rate, codec, channels)
    samples = read_audio(path)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(16_000, abs=40)
    spectrum = np.abs(np.fft.rfft(samples[1000:15_000]))
    assert spectrum.argmax() * 16_000 / 14_000 == pytest.approx(440, abs=2)


def test_values_that_are_no_numbers_become_silence(tmp_path: Path) -> None:
    path = tmp_path / "broken.wav"
    write_wav(path, np.full(1600, np.nan, np.float32), 16_000, "pcm_f32le", 1)
    assert not read_audio(path).any()


def test_whole_numbers_are_the_same_audio_clipped(tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    write_wav(path, (1.5 * np.sin(np.arange(20_000) / 9)).astype(np.float32), 48_000, "pcm_f32le", 1)
    samples, whole = read_audio(path, 48_000), read_pcm(path, 48_000)
    assert whole.dtype == np.int16 and whole.max() == 32_767 and whole.min() == -32_767
    np.testing.assert_array_equal(whole, np.round(np.clip(samples, -1, 1) * 32_767))


def written(path: Path, channels: NDArray[np.float32], layout: str, codec: str, rate: int = 48_000) -> Path:
    """Write (C, n) float32 with a codec; the suffix of ``path`` names the container."""
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(channels.astype(np.float32), format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        context = stream.codec_context
        converter = av.AudioResampler(context.format, layout, rate, frame_size=context.frame_size or 1_024)
        for converted in [*converter.resample(frame), *converter.resample(None)]:
            container.mux(stream.encode(converted))
        container.mux(stream.encode(None))
    return path


def spoken(seconds: float = 1.0, rate: int = 48_000) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def strength(path: Path) -> float:
    samples = read_audio(path)[2_000:14_000]
    return float(np.sqrt(np.mean(samples * samples)))


def test_stereo_out_of_phase_is_not_mixed_to_silence(tmp_path: Path) -> None:
    alike = written(tmp_path / "alike.wav", np.stack([spoken(), spoken()]), "stereo", "pcm_s16le")
    opposite = written(tmp_path / "opposite.wav", np.stack([spoken(), -spoken()]), "stereo", "pcm_s16le")
    assert strength(opposite) == pytest.approx(strength(alike), rel=0.01) == pytest.approx(0.354, rel=0.02)


def test_a_voice_in_the_centre_of_surround_is_heard(tmp_path: Path) -> None:
    surround = np.zeros((6, 48_000), np.float32)
    surround[2] = spoken()  # left, right, centre
    assert strength(written(tmp_path / "film.wav", surround, "5.1", "pcm_s16le")) > 0.05


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.m4a", "aac", 48_000),
        ("a.opus", "libopus", 48_000),
        ("a.webm", "libopus", 48_000),
        ("a.mp3", "libmp3lame", 44_100),
        ("a.amr", "libopencore_amrnb", 8_000),
    ],
)
def test_what_telephones_and_browsers_record_is_read(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    path = written(tmp_path / name, spoken(rate=rate)[None], "mono", codec, rate)
    assert len(read_audio(path)) == pytest.approx(16_000, abs=1_600)
    assert strength(path) == pytest.approx(0.354, rel=0.2)


def test_a_recording_without_a_duration_is_read_to_its_end(tmp_path: Path) -> None:
    path = written(tmp_path / "a.webm", spoken(2.0)[None], "mono", "libopus")
    data = path.read_bytes()
    at = data.index(b"\x44\x89\x88")  # the duration, a double, in the header
    path.write_bytes(data[:at] + b"\xec\x89" + bytes(9) + data[at + 11 :])  # void, as a browser's recorder leaves it
    assert len(read_audio(path)) == pytest.approx(32_000, abs=800)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_audio(tmp_path / "none.wav")


@pytest.mark.parametrize("content", [b"", b"this is no sound at all, only text", b"RIFF\x00\x00\x00\x00WAVEfmt "])
def test_files_that_hold_no_audio(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.wav"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"text\.wav (is not a readable audio file|contains no audio)"):
        read_audio(path)


@pytest.mark.parametrize("rate", [1, 637_578_112])
def test_a_rate_that_no_audio_has_is_refused_at_once(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "odd.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(bytes(2_000))
    with pytest.raises(InputError, match=f"claims {rate} samples per second"):
        read_audio(path)


def test_audio_that_goes_on_for_ever_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("styletalk_core.audio.MAX_AUDIO_SECONDS", 0.01)
    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(2_000))
    with pytest.raises(InputError, match="longer than"):
        read_audio(path)
