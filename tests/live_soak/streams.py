"""Times of a received stream: when its packets arrive, and what its sender reports say.

Pure. RTP times start at random; the sender reports relate those of sound and picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from aiortc.rtp import RtcpPacket, RtcpSrPacket, RtpPacket

CLOCK_RATES = {"audio": 48_000, "video": 90_000}
RTP_WRAP, SEQUENCE_WRAP = 1 << 32, 1 << 16
TYPICAL = 10
"""Percentile of the lags; low ones are free of what other programs delay."""


def unwrapped(last: int, value: int, wrap: int) -> int:
    """Return the number closest to ``last`` that is ``value`` modulo ``wrap``."""
    return last + (value - last + wrap // 2) % wrap - wrap // 2


@dataclass(slots=True)
class ReceivedStream:
    """One track as it arrives.

    Attributes:
        rate: RTP clock rate, Hz.
        packets: received packets.
        lost: packets that have not arrived although later ones have.
        max_gap: longest time between two packets with new content since the last `take_lag`, s.
        report_offset: NTP time of a sender report minus its RTP time, s; not a number before the first.
    """

    rate: int
    packets: int = 0
    max_gap: float = 0.0
    report_offset: float = np.nan
    _first_sequence: int | None = None
    _sequence: int = 0
    _time: int = 0
    _arrived: float = 0.0
    _lags: list[float] = field(default_factory=list)

    @property
    def lost(self) -> int:
        if self._first_sequence is None:
            return 0
        return max(0, self._sequence - self._first_sequence + 1 - self.packets)

    def receive(self, packet: RtpPacket, now: float) -> None:
        """Takes a packet that has arrived at ``now``, s."""
        if self._first_sequence is None:
            self._first_sequence = self._sequence = packet.sequence_number
            self._time = packet.timestamp - 1
            self._arrived = now
        self.packets += 1
        self._sequence = max(self._sequence, unwrapped(self._sequence, packet.sequence_number, SEQUENCE_WRAP))
        time = unwrapped(self._time, packet.timestamp, RTP_WRAP)
        if time > self._time:
            self._time = time
            self._lags.append(now - time / self.rate)
            self.max_gap, self._arrived = max(self.max_gap, now - self._arrived), now

    def report(self, packet: RtcpPacket) -> None:
        """Takes an RTCP packet."""
        if isinstance(packet, RtcpSrPacket):
            told = packet.sender_info
            time = unwrapped(self._time, told.rtp_timestamp, RTP_WRAP)
            self.report_offset = told.ntp_timestamp / (1 << 32) - time / self.rate

    def take_lag(self) -> tuple[float, float]:
        """Return the typical arrival time minus RTP time, and `max_gap`, in s, since the last call."""
        lag = float(np.percentile(self._lags, TYPICAL)) if self._lags else np.nan
        gap, self._lags, self.max_gap = self.max_gap, [], 0.0
        return lag, gap


@dataclass(frozen=True, slots=True)
class TrackPair:
    """Sound and picture of one client in one part.

    Attributes:
        call: number of the client's call; each begins its RTP times anew.
        skew_ms: arrival of a picture after that of the sound it belongs to, by the sender reports.
        report_skew_ms: picture minus sound in the sender reports, plus a constant of the call.
        max_gap_s: longest time without a new frame.
        packets, lost: of both, since the call began.
    """

    call: int
    skew_ms: float
    report_skew_ms: float
    max_gap_s: float
    packets: int
    lost: int

    @classmethod
    def taken(cls, streams: Mapping[str, ReceivedStream], call: int = 1) -> "TrackPair":
        """Reads the streams of a client and begins another part."""
        audio, video = streams["audio"], streams["video"]
        (audio_lag, _), (video_lag, gap) = audio.take_lag(), video.take_lag()
        reported = video.report_offset - audio.report_offset
        return cls(
            call,
            round((video_lag - audio_lag - reported) * 1000, 2),
            round(reported * 1000, 2),
            round(gap, 3),
            audio.packets + video.packets,
            audio.lost + video.lost,
        )
