"""Written English is spelled out as spoken words."""

import pytest

from styletalk_core.lab.recognizer.transcripts import spoken_words


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Hello, World!", "hello world"),
        ("It's Mr. Brown’s", "it's mister brown's"),
        ("in 2007 and 1805", "in two thousand seven and eighteen o five"),
        ("40% of 1,000,000", "forty percent of one million"),
        ("April 20th, the 3rd & the 112th", "april twentieth the third and the one hundred twelfth"),
        ("'$15'", "fifteen dollars"),
        ("", ""),
    ],
)
def test_numbers_and_signs_are_written_out(written: str, spoken: str) -> None:
    assert spoken_words(written) == spoken
