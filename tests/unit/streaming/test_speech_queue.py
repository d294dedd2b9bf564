"""Proves the order, limits and positions of a presenter's queued speech."""

from itertools import pairwise

import numpy as np
import pytest

from streaming.media import TimedPhone
from streaming.speech_queue import (
    AT_END,
    CAPACITY,
    HEAD_START,
    MAX_MARKS,
    MAX_PHONE_AHEAD,
    MAX_UTTERANCES,
    QueueFull,
    Sentence,
    SpeechQueue,
)


def sound(count: int, value: int = 1) -> np.ndarray:
    return np.full(count, value, np.int16)


def test_utterances_follow_each_other_within_one_packet() -> None:
    queue = SpeechQueue()
    for value, length in ((1, 1_000), (2, 500)):
        utterance = queue.open()
        queue.append(utterance, sound(length, value))
        utterance.closed = True
    first, second = queue.take(960)[0], queue.take(960)
    np.testing.assert_array_equal(first, sound(960, 1))
    np.testing.assert_array_equal(second[0], np.repeat([1, 2, 0], [40, 500, 420]))
    assert [(part.utterance.id, part.at, part.offset, part.count) for part in second[1]] == [
        (1, 0, 960, 40),
        (2, 40, 0, 500),
    ]
    assert queue.waiting == 0 and not queue.take(960)[1]


def test_an_open_utterance_waits_for_a_head_start_and_holds_up_the_next() -> None:
    queue = SpeechQueue()
    first, second = queue.open(), queue.open()
    queue.append(second, sound(960, 2))
    second.closed = True
    queue.append(first, sound(HEAD_START - 1))
    assert not queue.take(960)[0].any()
    queue.append(first, sound(1))
    taken = np.concatenate([queue.take(960)[0] for _ in range(HEAD_START // 960 + 1)])
    assert (taken == 1).sum() == HEAD_START and not (taken == 2).any()
    queue.append(first, sound(960))
    assert not queue.take(960)[0].any()  # it ran dry: again it needs a head start
    first.closed = True
    np.testing.assert_array_equal(queue.take(1_920)[0], np.repeat([1, 2], 960))


def test_marks_come_out_with_the_packet_that_passes_them() -> None:
    queue = SpeechQueue()
    utterance = queue.open()
    queue.mark(utterance, "start")
    queue.append(utterance, sound(5_000))
    queue.mark(utterance, "end")
    assert queue.take(960)[1][0].marks == ((0, "start"),)
    assert [queue.take(960)[1][0].marks for _ in range(5)] == [(), (), (), (), ((5_000, "end"),)]
    queue.mark(utterance, "dry")
    assert queue.take(960)[1][0].marks == ((5_000, "dry"),)


def test_a_mark_at_the_end_comes_behind_what_is_added_later() -> None:
    queue = SpeechQueue()
    utterance = queue.open()
    queue.mark(utterance, "end", AT_END)
    queue.append(utterance, sound(500))
    queue.mark(utterance, "middle")
    queue.append(utterance, sound(500))
    utterance.closed = True
    assert [queue.take(960)[1][0].marks for _ in range(2)] == [((500, "middle"),), ((1_000, "end"),)]


def test_a_sentence_begins_with_its_first_sample_not_before() -> None:
    queue = SpeechQueue()
    utterance = queue.open()
    queue.mark(utterance, Sentence("Hello."))
    assert not queue.take(960)[1]
    queue.append(utterance, sound(960))
    utterance.closed = True
    assert queue.take(960)[1][0].marks == ((0, Sentence("Hello.")),)


def test_what_does_not_fit_is_refused_whole() -> None:
    queue = SpeechQueue()
    utterance = queue.open()
    queue.append(utterance, sound(CAPACITY - 10))
    with pytest.raises(QueueFull, match="59999 ms of audio are buffered"):
        queue.append(utterance, sound(11))
    assert queue.room == 10
    with pytest.raises(QueueFull, match="marks"):
        for _ in range(MAX_MARKS + 1):
            queue.mark(utterance, "m")
    with pytest.raises(QueueFull, match="utterances"):
        for _ in range(MAX_UTTERANCES):
            queue.open()


def test_clearing_spares_what_has_begun_and_closes_the_rest() -> None:
    queue = SpeechQueue()
    begun, waiting = queue.open(), queue.open()
    queue.append(begun, sound(9_600, 1))
    queue.append(waiting, sound(9_600, 2))
    queue.mark(waiting, "never")
    queue.take(960)
    assert queue.clear(begun=False) == 1
    queue.append(waiting, sound(960, 2))
    assert queue.waiting == 8_640
    assert queue.clear(begun=True) == 1
    assert queue.waiting == 0 and queue.unreached_marks() == []


def test_phones_come_out_when_their_first_sample_is_taken_at_ticks_of_the_utterance() -> None:
    queue = SpeechQueue()
    utterance = queue.open()
    queue.append(utterance, sound(1_000))
    queue.append(utterance, sound(1_000), [TimedPhone(0, 500, 3), TimedPhone(500, 3_000, 4)])
    queue.append(utterance, sound(2_000))
    utterance.closed = True
    found = [[(phone.start, phone.end) for part in queue.take(960)[1] for phone in part.phones] for _ in range(3)]
    assert found == [[], [(1_000, 1_500), (1_500, 4_000)], []]


def test_a_long_phone_comes_out_in_parts_that_follow_each_other() -> None:
    queue = SpeechQueue()
    utterance = queue.open()
    queue.append(utterance, sound(20 * 48_000), [TimedPhone(100, 20 * 48_000, 3)])
    found = [phone for _ in range(1_000) for part in queue.take(960)[1] for phone in part.phones]
    assert (found[0].start, found[-1].end) == (100, 20 * 48_000) and len(found) == 20
    assert all(one.end == other.start for one, other in pairwise(found))
    assert max(phone.end - phone.start for phone in found) <= MAX_PHONE_AHEAD + 960


def test_phones_of_what_is_cleared_are_forgotten() -> None:
    queue = SpeechQueue()
    utterance = queue.open()
    queue.append(utterance, sound(9_600), [TimedPhone(960, 1_920, 3)])
    queue.take(960)
    queue.clear(begun=True)
    assert not utterance.phones and not queue.take(960)[1]
