"""Synthetic noise and other non-speech audio, for augmentation and for testing the recognizer. Pure."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from styletalk_core.audio import SPEECH_RATE

Samples = NDArray[np.float32]


def white(rng: np.random.Generator, count: int) -> Samples:
    """White noise."""
    return rng.standard_normal(count).astype(np.float32) * np.float32(0.1)


def coloured(rng: np.random.Generator, count: int) -> Samples:
    """Stationary noise with a random slope and a few random resonances: fans, cars, rooms."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / SPEECH_RATE) + 20
    shape = hertz ** -rng.uniform(0, 1.2)
    for centre in rng.uniform(60, 6000, rng.integers(0, 4)):
        shape *= 1 + rng.uniform(0, 8) * np.exp(-(((hertz - centre) / (0.1 * centre)) ** 2))
    return _scaled(np.fft.irfft(spectrum * shape, count))


def music(rng: np.random.Generator, count: int) -> Samples:
    """Chords of decaying harmonic tones over a bass and a noise beat."""
    time = np.arange(count) / SPEECH_RATE
    audio = np.zeros(count)
    beat = rng.uniform(0.25, 0.6)
    root = rng.uniform(110, 220)
    for start in np.arange(0, time[-1], beat):
        age = time - start
        playing = (age >= 0) & (age < 2 * beat)
        envelope = np.exp(-age[playing] * rng.uniform(2, 8))
        for step in rng.choice([-12, 0, 3, 4, 7, 9, 12, 16, 19, 24], rng.integers(2, 5)):
            pitch = root * 2 ** (step / 12)
            for harmonic in range(1, 9):
                if harmonic * pitch < SPEECH_RATE / 2:
                    tone = np.sin(2 * np.pi * harmonic * pitch * age[playing])
                    audio[playing] += envelope * tone / harmonic ** rng.uniform(0.8, 1.6)
        if rng.random() < 0.6:
            audio[playing] += 2 * np.exp(-age[playing] * 40) * rng.standard_normal(int(playing.sum()))
    return _scaled(audio)


def keyboard(rng: np.random.Generator, count: int) -> Samples:
    """Keystrokes: short broadband bursts, several per second, over a faint noise floor."""
    audio = 1e-3 * rng.standard_normal(count)
    for start in np.cumsum(rng.exponential(0.18, 1 + count * 8 // SPEECH_RATE)) * SPEECH_RATE:
        for offset, loudness in ((0.0, 1.0), (rng.uniform(0.05, 0.12), rng.uniform(0.2, 0.6))):
            begin = int(start + offset * SPEECH_RATE)
            length = min(int(rng.uniform(0.01, 0.03) * SPEECH_RATE), count - begin)
            if length > 8:
                decay = np.exp(-np.arange(length) / (0.25 * length))
                audio[begin : begin + length] += loudness * decay * rng.standard_normal(length)
    low = rng.uniform(300, 1500)
    return _scaled(sosfilt(butter(2, [low, rng.uniform(4000, 7500)], "band", fs=SPEECH_RATE, output="sos"), audio))


def breath(rng: np.random.Generator, count: int) -> Samples:
    """Breathing: band-passed noise that swells and fades every two to four seconds."""
    time = np.arange(count) / SPEECH_RATE
    swell = np.maximum(0, np.sin(2 * np.pi * time / rng.uniform(2, 4) + rng.uniform(0, 6))) ** 2
    low = rng.uniform(200, 700)
    band = butter(1, [low, rng.uniform(2000, 5000)], "band", fs=SPEECH_RATE, output="sos")
    return _scaled((swell + 0.01) * sosfilt(band, rng.standard_normal(count)))


def hum(rng: np.random.Generator, count: int) -> Samples:
    """Mains hum and steady tones."""
    time = np.arange(count) / SPEECH_RATE
    pitch = rng.choice([50.0, 60.0, rng.uniform(200, 3000)])
    audio = 0.01 * rng.standard_normal(count)
    for harmonic in range(1, rng.integers(2, 8)):
        audio += rng.random() / harmonic * np.sin(2 * np.pi * harmonic * pitch * time)
    return _scaled(audio)


NOISES: Final[dict[str, Callable[[np.random.Generator, int], Samples]]] = {
    "white": white,
    "coloured": coloured,
    "music": music,
    "keyboard": keyboard,
    "breath": breath,
    "hum": hum,
}


def mix(speech: Samples, noise: Samples, snr_db: float) -> Samples:
    """Speech (n,) plus noise (n,) scaled to a signal-to-noise ratio in dB."""
    ratio = np.mean(np.square(speech)) / max(float(np.mean(np.square(noise))), 1e-12)
    return np.asarray(speech + noise * np.sqrt(ratio / 10 ** (snr_db / 10)), np.float32)


def _scaled(audio: NDArray[np.float64]) -> Samples:
    return np.asarray(0.1 * audio / max(float(np.sqrt(np.mean(np.square(audio)))), 1e-9), np.float32)
