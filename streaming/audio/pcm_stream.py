"""PCM stream: bytes of any length, as programs push them, to samples at 48 kHz.

Pure. Half a sample at the end of a piece is kept for the next one. A stream that begins like a WAV file is read as one:
its header gives rate and channels, and what follows the samples is skipped.
"""

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streaming.audio.resampler import Resampler, UnsupportedAudio
from streaming.units import Tick

SAMPLE_BYTES: Final = 2
MAX_CHANNELS: Final = 8
MAX_HEADER_BYTES: Final = 4_096
_RIFF, _WAVE = b"RIFF", b"WAVE"
_PREAMBLE: Final = 12
"""Bytes of "RIFF", the file's length and "WAVE"."""
_PCM, _EXTENSIBLE = 1, 0xFFFE


@dataclass(frozen=True, slots=True)
class WavHeader:
    """Header of a WAV file with 16-bit samples: ``length`` bytes, then ``data`` bytes of samples (None: to the end)."""

    length: int
    rate: int
    channels: int
    data: int | None

    @classmethod
    def parse(cls, start: bytes) -> "WavHeader | None":
        """Return the header at the start of a file; None when more of it is needed.

        Raises:
            UnsupportedAudio: it is damaged, or the samples are not 16-bit PCM.
        """
        place, form = _PREAMBLE, b""
        while len(start) >= place + 8:
            name, size = start[place : place + 4], int.from_bytes(start[place + 4 : place + 8], "little")
            place += 8
            if name == b"data":
                return cls._of(form, place, size)
            form = start[place : place + size] if name == b"fmt " else form
            place += size + size % 2
        if max(place, len(start)) > MAX_HEADER_BYTES:
            raise UnsupportedAudio("the WAV file has no samples where they should begin")
        return None

    @classmethod
    def _of(cls, form: bytes, length: int, data: int) -> "WavHeader":
        if len(form) < 16:
            raise UnsupportedAudio("the WAV file does not say how its samples are stored")
        encoding, channels, rate, _, _, bits = struct.unpack("<HHIIHH", form[:16])
        if encoding not in (_PCM, _EXTENSIBLE) or bits != 8 * SAMPLE_BYTES or not 1 <= channels <= MAX_CHANNELS:
            raise UnsupportedAudio(f"a WAV file must hold 16-bit PCM of 1 to {MAX_CHANNELS} channels")
        return cls(length, rate, channels, None if data in (0, 0xFFFFFFFF) else data)


class PcmStream:
    """Audio of one utterance: 16-bit little-endian PCM, mono, at ``rate``; or a WAV file.

    Raises:
        UnsupportedAudio: the rate is not from 4,000 to 96,000.
    """

    def __init__(self, rate: int) -> None:
        self._resampler = Resampler(rate)
        self._channels = 1
        self._held = b""
        self._left: int | None = None
        """Bytes of samples still to come; None: as many as are pushed."""
        self._begun = False

    @property
    def rate(self) -> int:
        """Sample rate; a WAV header changes it."""
        return self._resampler.rate

    def ticks(self, data: bytes) -> Tick:
        """Return the number of samples that `push` would give, or a few more.

        Raises:
            UnsupportedAudio: as `push`.
        """
        start, resampler, channels = self._held + data, self._resampler, self._channels
        if not self._begun and (header := _header(start)) is not None:
            resampler, channels = Resampler(header.rate), header.channels
        return resampler.ticks(len(start) // (SAMPLE_BYTES * channels))

    def push(self, data: bytes) -> NDArray[np.int16]:
        """Return the next samples, (n,) int16 mono 48 kHz; the part of a sample is kept for the next call.

        Raises:
            UnsupportedAudio: it is a WAV file that cannot be read.
        """
        data, self._held = self._held + data, b""
        if not self._begun and _may_be_file(data):
            if (header := _header(data)) is None:
                self._held = data
                return np.zeros(0, np.int16)
            self._resampler, self._channels, self._left = Resampler(header.rate), header.channels, header.data
            data = data[header.length :]
        self._begun = self._begun or bool(data) or self._left is not None
        data = data[: self._left]
        sample = SAMPLE_BYTES * self._channels
        whole = len(data) // sample * sample
        self._held = data[whole:]
        if self._left is not None:
            self._left -= whole
        return self._resampler.push(mono(data[:whole], self._channels))


def _may_be_file(start: bytes) -> bool:
    """True while the bytes do not differ from the start of a WAV file."""
    return start[:4] == _RIFF[: len(start)] and start[8:_PREAMBLE] == _WAVE[: max(0, len(start) - 8)]


def _header(start: bytes) -> WavHeader | None:
    """Return the header of a WAV file; None when this is none, or not all of it."""
    return WavHeader.parse(start) if len(start) >= _PREAMBLE and _may_be_file(start) else None


def mono(data: bytes, channels: int) -> NDArray[np.int16]:
    """Return 16-bit little-endian PCM of interleaved channels, whole samples, as the mean of the channels (n,)."""
    samples = np.frombuffer(data, "<i2").astype(np.int16)
    if channels == 1:
        return samples
    mixed: NDArray[np.int16] = samples.reshape(-1, channels).mean(axis=1).round().astype(np.int16)
    return mixed
