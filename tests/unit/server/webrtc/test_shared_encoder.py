"""Proves that viewers at the same bitrate share every encoded frame, and that each can decode its own stream."""

from fractions import Fraction

import numpy as np
import pytest
from aiortc.codecs.vpx import Vp8Decoder, vp8_depayload
from aiortc.jitterbuffer import JitterFrame
from av import VideoFrame

from server.webrtc.shared_encoder import (
    BITRATES,
    KEY_FRAME_TICKS,
    RAISE_TICKS,
    SharedEncoder,
    is_key_frame,
    shared_encodings,
)

SIZE = 64


def frame(index: int, size: int = SIZE) -> VideoFrame:
    """Frame ``index`` at 30 fps, as bright as its number."""
    yuv = np.full((size * 3 // 2, size), 128, np.uint8)
    yuv[:size] = 40 + index % 150
    picture = VideoFrame.from_ndarray(yuv, format="yuv420p")
    picture.pts, picture.time_base = index * 3_000, Fraction(1, 90_000)
    return picture


class Viewer:
    """Requests frames and decodes them: index -> brightness."""

    def __init__(self, encoder: SharedEncoder) -> None:
        self.encoder = encoder
        self.seen: dict[int, int] = {}
        self.payloads: dict[int, list[bytes]] = {}
        self._decoder = Vp8Decoder()

    def ask(self, index: int, lost: bool = False, size: int = SIZE) -> None:
        payloads, timestamp = self.encoder.encode(frame(index, size), lost)
        if not payloads:
            return
        self.payloads[index] = payloads
        data = b"".join(vp8_depayload(payload) for payload in payloads)
        (picture,) = self._decoder.decode(JitterFrame(data, timestamp))
        self.seen[index] = int(picture.to_ndarray(format="gray")[5, 5])

    def correct(self) -> bool:
        gray = {index: (40 + index % 150 - 16) * 255 / 219 for index in self.seen}
        return all(abs(level - gray[index]) < 12 for index, level in self.seen.items())


def test_everybody_gets_the_same_bytes_from_one_encoding() -> None:
    shared = shared_encodings(SIZE)
    viewers = [Viewer(SharedEncoder(shared)) for _ in range(5)]
    for index in range(40):
        for viewer in viewers:
            viewer.ask(index)
    assert sum(stream.encoded for stream in shared) == 40
    assert all(viewer.payloads == viewers[0].payloads and len(viewer.seen) == 40 for viewer in viewers)
    assert viewers[0].correct()


def test_a_newcomer_and_one_who_lost_something_begin_with_a_key_frame_soon() -> None:
    shared = shared_encodings(SIZE)
    first, second = Viewer(SharedEncoder(shared)), Viewer(SharedEncoder(shared))
    for index in range(120):
        first.ask(index, lost=index == 60)
        if index >= 20 and index != 90:  # the second misses picture 90
            second.ask(index)
    spacing = KEY_FRAME_TICKS // 3_000
    assert min(second.seen) <= 20 + spacing and is_key_frame(second.payloads[min(second.seen)])
    after = [index for index in second.seen if index > 90]
    assert after[0] <= 91 + spacing and is_key_frame(second.payloads[after[0]])
    assert after == list(range(after[0], 120))
    assert first.correct() and second.correct()
    assert (
        60 <= min(index for index in first.seen if index >= 60 and is_key_frame(first.payloads[index])) <= 60 + spacing
    )


def test_a_viewer_with_a_narrow_line_goes_down_alone_and_comes_back_after_a_while() -> None:
    shared = shared_encodings(SIZE)
    wide, narrow = Viewer(SharedEncoder(shared)), Viewer(SharedEncoder(shared))
    wide.encoder.target_bitrate = narrow.encoder.target_bitrate = BITRATES[1]
    back = 60 + RAISE_TICKS // 3_000
    for index in range(back + 60):
        if index == 30:
            narrow.encoder.target_bitrate = 300_000
        if index == 60:
            narrow.encoder.target_bitrate = 5_000_000
        wide.ask(index)
        narrow.ask(index)
    assert narrow.payloads[40] != wide.payloads[40] and len(wide.seen) == back + 60
    assert narrow.payloads[back + 50] == wide.payloads[back + 50]
    assert narrow.correct() and wide.correct()
    assert shared[0].encoded == pytest.approx(RAISE_TICKS // 3_000, abs=2)


def test_a_late_viewer_is_served_from_what_is_kept_and_then_waits_for_a_key_frame() -> None:
    shared = shared_encodings(SIZE)
    quick, slow = Viewer(SharedEncoder(shared)), Viewer(SharedEncoder(shared))
    for index in range(60):
        quick.ask(index)
        if index >= 3:
            slow.ask(index - 3)
    assert sum(stream.encoded for stream in shared) == 60 and len(slow.seen) == 57
    slow.ask(20)
    assert 57 not in slow.seen and slow.correct()


def test_frames_that_change_their_size_begin_with_a_key_frame_for_everybody() -> None:
    shared = shared_encodings(SIZE)
    viewers = [Viewer(SharedEncoder(shared)) for _ in range(2)]
    for index in range(9):
        for viewer in viewers:
            viewer.ask(index, size=SIZE if not 3 <= index < 6 else 48)
    for viewer in viewers:
        assert sorted(viewer.seen) == list(range(9)) and viewer.correct()
        assert [index for index, payloads in viewer.payloads.items() if is_key_frame(payloads)] == [0, 3, 6]
