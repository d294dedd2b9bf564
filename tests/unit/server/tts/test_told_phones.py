"""Proves that phones of a voice fill its audio in order, and that times that cannot be right are not believed."""

import logging
from itertools import pairwise

import pytest

from server.tts.told_phones import CLOSURE_SECONDS, LABEL_LAG, ToldSymbol, read_symbols, told_phones
from streaming.units import TICK_RATE
from styletalk_core.phones import PHONES


def told(*symbols: tuple[float, str], seconds: float = 1.0) -> list[tuple[str, float, float]]:
    """Name, start and end in seconds of the phones."""
    phones = told_phones("test", [ToldSymbol(*one) for one in symbols], round(seconds * TICK_RATE))
    return [
        (PHONES[phone.phone], (phone.start - LABEL_LAG) / TICK_RATE, (phone.end - LABEL_LAG) / TICK_RATE)
        for phone in phones
    ]


def test_phones_follow_each_other_without_gaps_and_pauses_are_silent() -> None:
    found = told((0.1, "m"), (0.3, "ɑː"), (0.5, ""), (0.7, "iɛ"))
    assert [name for name, _, _ in found] == ["SIL", "M", "AA", "SIL", "IY", "EH"]
    assert [end for _, _, end in found] == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.85, 1.0])
    assert all(end == start for (_, _, end), (_, start, _) in pairwise(found))


def test_lips_close_before_a_stop_bursts_but_take_at_most_half_of_the_phone_before() -> None:
    assert told((0.0, "a"), (0.5, "p"))[1] == pytest.approx(("P", 0.5 - CLOSURE_SECONDS, 1.0))
    assert told((0.0, "a"), (0.02, "p"))[1] == pytest.approx(("P", 0.01, 1.0))


def test_a_symbol_that_is_not_known_is_left_to_the_recognizer() -> None:
    assert [name for name, _, _ in told((0.0, "m"), (0.5, "|"), (0.7, "a"))] == ["M", "AA"]


@pytest.mark.parametrize(
    "symbols",
    [
        [(0.0, "m"), (1.01, "a")],
        [(0.5, "m"), (0.4, "a")],
        [(-0.1, "m"), (0.4, "a")],
        [(float("nan"), "m")],
    ],
)
def test_times_outside_the_audio_or_running_backwards_are_logged_and_tell_nothing(
    symbols: list[tuple[float, str]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert told(*symbols) == []
    assert "impossible times" in caplog.text


def test_lines_of_the_program_are_read_without_names_of_languages() -> None:
    read = read_symbols("0.000000 (en)\n0.100000 a\n0.200000 \n")
    assert read == [ToldSymbol(0.1, "a"), ToldSymbol(0.2, "")]
