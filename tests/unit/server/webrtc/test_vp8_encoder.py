"""The live encoder: timestamps, key frames, and changes of bitrate and size in mid-stream."""

from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc.codecs.vpx import Vp8Decoder, vp8_depayload
from aiortc.jitterbuffer import JitterFrame

from server.webrtc.vp8_encoder import LiveVp8Encoder


def picture(value: int, size: int = 256) -> av.VideoFrame:
    yuv = np.full((size * 3 // 2, size), 128, np.uint8)
    yuv[:size] = (
        np.random.default_rng(value).integers(0, 255, (size // 8, size // 8), np.uint8).repeat(8, 0).repeat(8, 1)
    )
    frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
    frame.time_base = Fraction(1, 90_000)
    frame.pts = value * 3_000
    return frame


def is_key_frame(payloads: list[bytes]) -> bool:
    return vp8_depayload(payloads[0])[0] & 1 == 0  # RFC 6386, section 9.1


def test_the_encoder_keeps_time_stamps_and_makes_key_frames_on_request() -> None:
    encoder, decoder = LiveVp8Encoder(256), Vp8Decoder()
    for value in range(5):
        payloads, timestamp = encoder.encode(picture(value), force_keyframe=value == 3)
        assert timestamp == value * 3_000
        assert is_key_frame(payloads) == (value in (0, 3))
        assert all(len(payload) <= 1_300 for payload in payloads)
        data = b"".join(vp8_depayload(payload) for payload in payloads)
        assert decoder.decode(JitterFrame(data, timestamp))[0].width == 256


def test_a_small_change_of_the_bitrate_does_not_restart_the_encoder() -> None:
    encoder = LiveVp8Encoder(512)
    encoder.encode(picture(0))
    built = encoder.codec
    encoder.target_bitrate = 1_000_000
    encoder.encode(picture(1))
    assert encoder.codec is built
    encoder.target_bitrate = 500_000
    encoder.encode(picture(2))
    assert encoder.codec is not built and encoder.codec is not None
    assert encoder.codec.bit_rate == 500_000
    encoder.target_bitrate = 2_000_000
    encoder.encode(picture(3))
    assert encoder.codec.bit_rate == 500_000
    encoder.encode(picture(200))
    assert encoder.codec.bit_rate == 2_000_000


def test_another_size_begins_with_a_key_frame_and_the_same_decoder_shows_it() -> None:
    encoder, decoder = LiveVp8Encoder(512), Vp8Decoder()
    sizes = [512, 512, 384, 384, 256, 256, 512, 512]
    for value, size in enumerate(sizes):
        shown = picture(value // 2, size)
        shown.pts = value * 3_000
        payloads, timestamp = encoder.encode(shown)
        assert is_key_frame(payloads) == (value % 2 == 0)
        (frame,) = decoder.decode(JitterFrame(b"".join(map(vp8_depayload, payloads)), timestamp))
        assert (frame.width, frame.height) == (size, size)
        error = frame.to_ndarray()[:size].astype(int) - shown.to_ndarray()[:size]
        assert np.abs(error).mean() < 8, "the picture is that of the new size"


@pytest.mark.parametrize(("asked", "got"), [(1, 400_000), (10**9, 3_000_000), (900_000, 900_000)])
def test_bitrates_have_bounds(asked: int, got: int) -> None:
    encoder = LiveVp8Encoder(256)
    encoder.target_bitrate = asked
    assert encoder.target_bitrate == got
