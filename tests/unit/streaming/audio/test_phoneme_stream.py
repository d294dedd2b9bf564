"""Proves that phones are placed on the session's ticks despite losses, and that stale audio is ignored."""

import asyncio

import numpy as np
from deterministic_engine import AA, DeterministicEngine

from streaming.audio.phoneme_stream import PhonemeStream
from streaming.media import AudioChunk
from streaming.units import FRAME_TICKS, PACKET_TICKS, SILENCE
from streaming.virtual_time import InlineWorker, VirtualTimeLoop

LOUD = (9_000 * np.sin(np.arange(PACKET_TICKS) * 2 * np.pi * 300 / 48_000)).astype(np.int16)


def heard(packets: list[tuple[int, np.ndarray]], forget_at: int | None = None) -> PhonemeStream:
    """The stream after ``packets`` of (number, samples) have come; those before ``forget_at`` are forgotten."""

    async def scenario() -> PhonemeStream:
        engine = DeterministicEngine()
        worker = InlineWorker(engine)
        lease = worker.lease()
        engine.open(lease.slot, "ada", "calm", 1.0)
        phonemes = PhonemeStream(worker, lease)
        for number, samples in packets:
            if number == forget_at:
                phonemes.forget(number * PACKET_TICKS)
            phonemes.put(AudioChunk(number * PACKET_TICKS, 0, samples))
            await phonemes.recognize(due=0.0)
        return phonemes

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(scenario())


def speaking(phonemes: PhonemeStream, frames: range) -> list[int]:
    return [frame for frame in frames if phonemes.timeline.speech(frame * FRAME_TICKS)]


def test_phones_keep_their_place_across_short_and_long_losses() -> None:
    quiet = np.zeros(PACKET_TICKS, np.int16)
    lost = {20, 21, *range(40, 60)}  # filled with silence; left out
    packets = [(n, LOUD if 70 <= n < 80 else quiet) for n in range(100) if n not in lost]
    phonemes = heard(packets)
    frames = speaking(phonemes, range(150))
    assert abs(frames[0] * FRAME_TICKS - 70 * PACKET_TICKS) <= FRAME_TICKS
    assert abs(frames[-1] * FRAME_TICKS - 80 * PACKET_TICKS) <= 1.5 * FRAME_TICKS
    columns, _ = phonemes.timeline.window((frames[0] + frames[-1]) // 2 * FRAME_TICKS)
    assert columns[5].argmax() == AA


def test_what_was_spoken_before_an_interruption_is_silence_even_when_it_is_recognized_later() -> None:
    phonemes = heard([(n, LOUD) for n in range(40)], forget_at=20)
    frames = speaking(phonemes, range(60))
    assert min(frames) * FRAME_TICKS >= 20 * PACKET_TICKS - FRAME_TICKS // 2
    columns, _ = phonemes.timeline.window(5 * FRAME_TICKS)
    assert (columns.argmax(axis=1) == SILENCE).all()
