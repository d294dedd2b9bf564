"""Proves that the soak sees drift, loss, growth, leaks and blocks, and says which limit is exceeded."""

from dataclasses import replace

import numpy as np
import pytest
from aiortc.rtp import RtcpSenderInfo, RtcpSrPacket, RtpPacket
from live_soak.clients import PresenterCounts, ViewerCounts
from live_soak.judgement import SoakPart, SoakResult, complaints, result_of
from live_soak.server import ServerPart, SessionCounts
from live_soak.streams import CLOCK_RATES, ReceivedStream, TrackPair

from server.lab.benchmarks.churn import Belongings

HELD = Belongings(memory_mb=500.0, tasks=10, threads=4, descriptors=20, free_slots=2)
NEAR_WRAP = (1 << 32) - 1_000


def packet(sequence: int, timestamp: int) -> RtpPacket:
    return RtpPacket(sequence_number=sequence % (1 << 16), timestamp=timestamp % (1 << 32))


def streams(seconds: float, video_later: float = 0.0) -> dict[str, ReceivedStream]:
    """A stream of sound, and one of frames of two packets whose clock is slower by ``video_later`` seconds a second."""
    made = {kind: ReceivedStream(rate) for kind, rate in CLOCK_RATES.items()}
    feed(made, 0.0, seconds, video_later)
    return made


def feed(made: dict[str, ReceivedStream], begins: float, ends: float, video_later: float) -> None:
    for k in range(round(begins * 50), round(ends * 50)):
        made["audio"].receive(packet(65_500 + k, NEAR_WRAP + k * 960), k / 50)
    for k in range(round(begins * 30), round(ends * 30)):
        for half in range(2):
            made["video"].receive(packet(2 * k + half, k * 3_000), k / 30 * (1 + video_later))
    for kind, stream in made.items():
        told = round(ends * stream.rate) + (NEAR_WRAP if kind == "audio" else 0)
        info = RtcpSenderInfo(int((1e9 + ends) * (1 << 32)), told % (1 << 32), 0, 0)
        stream.report(RtcpSrPacket(ssrc=1, sender_info=info))


def test_streams_of_one_clock_do_not_drift_across_the_wrap_of_their_numbers() -> None:
    made = streams(10)
    first = TrackPair.taken(made)
    feed(made, 10, 20, 0.0)
    second = TrackPair.taken(made)
    assert first.skew_ms == pytest.approx(0, abs=0.1)
    assert second.skew_ms == pytest.approx(0, abs=0.1)
    assert second.report_skew_ms == pytest.approx(first.report_skew_ms, abs=0.1)
    assert (second.packets, second.lost) == (20 * 50 + 20 * 60, 0)
    assert second.max_gap_s == pytest.approx(1 / 30, abs=0.001)


def test_a_slower_clock_of_the_frames_is_drift() -> None:
    made = streams(10, 1e-3)
    first = TrackPair.taken(made)
    feed(made, 10, 20, 1e-3)
    assert TrackPair.taken(made).skew_ms - first.skew_ms == pytest.approx(10, abs=0.5)


def test_packets_that_never_arrive_are_lost_and_late_ones_are_not() -> None:
    stream = ReceivedStream(48_000)
    for sequence in (7, 9, 8, 12, 12):
        stream.receive(packet(sequence, sequence * 960), sequence / 50)
    assert stream.lost == 1  # 10 and 11, less the one that came twice


def part(second: int, later_ms: float = 0.0, memory: float = 500.0, call: int = 1) -> SoakPart:
    """The figures after a second; the second call begins in the seventh."""
    counts = SessionCounts(
        fresh=30 * (second - 6 * (call - 1)), late=0, slips=0, concealed_ms=0.0, delay_ms=299.0, size_changes=0
    )
    loop = {"loop_own_max_ms": 3.0, "loop_block_max_ms": 9.0, "loop_block_p99_ms": 1.0}
    server = ServerPart({"talking": counts}, 12.0, loop, replace(HELD, memory_mb=memory), 512)
    return SoakPart(server, {"caller": TrackPair(call, later_ms, 4_000.0 * call, 0.05, 1_000, 0)})


def whole(parts: list[SoakPart], after: Belongings = HELD) -> SoakResult:
    return result_of(len(parts), parts, (HELD, after), PresenterCounts(), ViewerCounts())


def test_a_steady_hour_passes() -> None:
    result = whole([part(k) for k in range(12)])
    assert complaints(result, 0.0) == []
    assert result.fps == {"talking": 30.0} and result.growth_mb == 0


def test_one_part_under_load_is_no_drift_and_a_steady_change_is() -> None:
    assert complaints(whole([part(k, 80.0 * (k == 5)) for k in range(12)]), 0.0) == []
    (words,) = complaints(whole([part(k, 4.0 * k) for k in range(12)]), 0.0)
    assert words == "caller: 32 ms drift of picture against sound (limit 20)"


def test_growth_leaks_and_blocks_are_named() -> None:
    grown = [part(k, memory=500.0 + 3 * k) for k in range(12)]
    (words,) = complaints(whole(grown), 0.0)
    assert words == "server: 27 MB of growth (limit 20)"
    assert complaints(whole([part(k) for k in range(12)], replace(HELD, tasks=12)), 0.0) == ["2 tasks left"]
    blocked = replace(whole([part(k) for k in range(12)]), loop_own_max_ms=31.0)
    assert complaints(blocked, 0.0) == ["server: 31 ms of one block of the event loop (limit 20)"]


def test_a_call_that_was_cut_is_counted_and_is_no_drift() -> None:
    result = whole([part(k, call=1 if k < 7 else 2) for k in range(12)])
    assert result.fps["talking"] == pytest.approx(30, rel=0.1) and result.report_drift_ms == {"caller": 0.0}
    assert complaints(result, 0.0) == ["caller: 2 calls instead of one"]
    assert complaints(result, 0.5) == []


def test_late_frames_are_judged_on_a_quiet_machine_and_what_is_not_known_passes_nowhere() -> None:
    late = replace(whole([part(k) for k in range(12)]), late_share={"talking": 0.3})
    assert complaints(late, 0.0) == ["talking: 0.3 of the frames late (limit 0.01)"]
    assert complaints(late, 0.7) == []
    assert complaints(replace(late, report_drift_ms={"caller": np.nan}), 0.7)
