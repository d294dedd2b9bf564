"""Proves the microphone path: reordering within one packet, concealment of losses in place, restarts."""

import asyncio
from collections.abc import Iterable

import av
import numpy as np
import pytest
from waiting import until

from server.webrtc.audio_receiver import AudioReceiver, conceal
from server.webrtc.tracks import OpusEncoder
from streaming.media import AudioChunk

PACKETS = 60


def tone_packets() -> list[bytes]:
    encoder = OpusEncoder()
    time = np.arange(PACKETS * 960) / 48_000
    samples = (9_000 * np.sin(2 * np.pi * 300 * time)).astype(np.int16)
    return [encoder.encode(samples[k * 960 : (k + 1) * 960], k * 960) for k in range(PACKETS)]


class Receiver:
    """A microphone with a clock that packets arrive on."""

    def __init__(self) -> None:
        self.now = 48_000
        self.chunks: list[AudioChunk] = []
        self.microphone = AudioReceiver(self.chunks.append, lambda: self.now)
        self.payloads = tone_packets()

    def arrive(self, order: Iterable[int], sequence: int = 100, timestamp: int = 5_000, source: int = 1) -> None:
        for k in order:
            self.now = 48_000 + (k + 1) * 960
            self.microphone.packet(
                source, (sequence + k) & 0xFFFF, (timestamp + k * 960) & 0xFFFFFFFF, self.payloads[k]
            )

    def starts(self) -> list[int]:
        return [chunk.start for chunk in self.chunks]

    def end(self) -> int:
        return self.chunks[-1].end


async def test_packets_in_order_leave_the_moment_they_come() -> None:
    receiver = Receiver()
    for k in range(10):
        receiver.arrive([k])
        assert receiver.end() == 48_000 + (k + 1) * 960
    assert receiver.starts() == [48_000 + k * 960 for k in range(10)]


async def test_a_swapped_pair_is_put_in_order_without_loss() -> None:
    receiver = Receiver()
    receiver.arrive([0, 1, 3, 2, 4])
    assert receiver.starts() == [48_000 + k * 960 for k in range(5)]
    assert (receiver.microphone.lost, receiver.microphone.late) == (0, 0)


async def test_one_lost_packet_costs_one_packet_of_waiting_and_nothing_for_good() -> None:
    receiver = Receiver()
    receiver.arrive([0, 1, 2, 4])
    assert receiver.end() == 48_000 + 3 * 960  # still waiting for number 3
    receiver.arrive([5])
    assert receiver.end() == 48_000 + 6 * 960
    receiver.arrive([6])
    assert receiver.end() == 48_000 + 7 * 960
    assert receiver.starts() == [48_000 + k * 960 for k in range(7)]  # number 3 is concealed
    assert receiver.microphone.lost == 1


async def test_a_lost_packet_is_given_up_after_twenty_milliseconds() -> None:
    receiver = Receiver()
    began = asyncio.get_running_loop().time()
    receiver.arrive([0, 2])
    assert receiver.end() == 48_000 + 960
    await until(lambda: receiver.end() == 48_000 + 3 * 960)
    assert asyncio.get_running_loop().time() - began > 0.02 - 0.001  # the clock's resolution
    receiver.microphone.close()


@pytest.mark.parametrize("lost", [{5}, {5, 6}, {5, 6, 7, 8}, {5, 9, 13}])
async def test_losses_leave_every_other_packet_where_it_belongs(lost: set[int]) -> None:
    clean, lossy = Receiver(), Receiver()
    clean.arrive(range(40))
    lossy.arrive(k for k in range(40) if k not in lost)
    assert lossy.end() == clean.end()
    assert lossy.microphone.lost == len(lost)
    assert {s for s in clean.starts() if (s - 48_000) // 960 not in lost} <= set(lossy.starts())


async def test_numbers_that_wrap_around_are_followed() -> None:
    receiver = Receiver()
    receiver.arrive(range(40), sequence=65_520, timestamp=(1 << 32) - 9_600)
    assert receiver.starts() == [48_000 + k * 960 for k in range(40)]


async def test_a_duplicate_is_ignored() -> None:
    receiver = Receiver()
    receiver.arrive([0, 1, 1, 2, 0, 3])
    assert len(receiver.chunks) == 4 and receiver.microphone.late == 2


async def test_a_restarted_sender_continues_at_the_current_time() -> None:
    receiver = Receiver()
    receiver.arrive(range(5))
    receiver.now += 48_000
    first = receiver.payloads[0]
    receiver.microphone.packet(2, 7, 999_999, first)
    assert receiver.chunks[-1].end == pytest.approx(receiver.now, abs=48)


async def test_a_stall_that_ends_in_a_burst_moves_nothing() -> None:
    receiver = Receiver()
    receiver.arrive(range(5))
    receiver.now += 48_000
    for k in range(5, 55):
        receiver.microphone.packet(1, 100 + k, 5_000 + k * 960, receiver.payloads[k])
    receiver.arrive(range(55, 60))
    assert receiver.end() == 48_000 + 60 * 960
    assert all((start - 48_000) % 960 == 0 for start in receiver.starts())


async def test_a_time_stamp_that_jumps_for_good_is_followed_after_a_second() -> None:
    receiver = Receiver()
    receiver.arrive(range(5))
    for k in range(5, 60):
        receiver.now = 48_000 + (k + 1) * 960
        receiver.microphone.packet(1, 100 + k, 5_000 + (k + 500) * 960, receiver.payloads[k])
    assert receiver.end() == pytest.approx(receiver.now, abs=48)
    assert len(receiver.chunks) < 15


async def test_nothing_is_delivered_before_the_clock_runs_and_garbage_does_no_harm() -> None:
    chunks: list[AudioChunk] = []
    AudioReceiver(chunks.append, lambda: None).packet(1, 1, 0, b"\x00")
    assert chunks == []
    receiver = Receiver()
    receiver.microphone.packet(1, 100, 5_000, b"\xff\xff\xff\xff")
    receiver.arrive([1, 2])
    assert receiver.end() == 48_000 + 3 * 960


async def test_decoded_audio_is_the_spoken_audio() -> None:
    receiver = Receiver()
    receiver.arrive(range(PACKETS))
    heard = np.concatenate([chunk.samples for chunk in receiver.chunks])[4_800:]
    peak = np.abs(np.fft.rfft(heard[:24_000])).argmax() * 2
    assert peak == pytest.approx(300, abs=4)
    assert heard.dtype == np.int16 and np.abs(heard).max() == pytest.approx(9_000, rel=0.2)


def test_concealment_continues_the_audio_and_fades_out() -> None:
    before = np.full(960, 1_000, np.int16)
    gap = conceal(before, 1_920)
    assert gap[0] == 1_000 and not gap[960:].any()
    assert (np.diff(gap[:960]) <= 0).all()


def test_the_pinned_decoder_is_there() -> None:
    assert "libopus" in av.codecs_available
