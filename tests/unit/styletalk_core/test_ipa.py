"""Proves that symbols of any language are read as the phones with the same lips, whatever marks they carry."""

import pytest

from styletalk_core.ipa import IPA_TO_PHONES, phones_of_ipa
from styletalk_core.phones import INDEX, PHONES


@pytest.mark.parametrize(
    ("symbol", "phones"),
    [
        ("p", "P"), ("ɔ̃", "AO"), ("tɕh", "CH"), ("iɛ", "IY EH"), ("ɔːɹ", "AO R"), ("pf", "P F"), ("ts", "T S"),
        ("ç", "HH"), ("t͡ʃ", "CH"), ("ˈaɪ", "AY"), ("yː", "UW"), ("o̞", "OW"), ("s-", "S"), ("ɜː", "ER"), ("h", "HH"),
        ("a5", "AA"), ("ts.", "CH"), ("s.", "SH"),
    ],
)  # fmt: skip
def test_marks_are_dropped_and_letters_read_together_or_one_by_one(symbol: str, phones: str) -> None:
    assert [PHONES[phone] for phone in phones_of_ipa(symbol)] == phones.split()


@pytest.mark.parametrize("symbol", ["", "ˈ", "˥", "12", "|"])
def test_what_is_no_sound_has_no_phone(symbol: str) -> None:
    assert phones_of_ipa(symbol) == ()


def test_every_symbol_of_the_table_reads_as_its_phone() -> None:
    for symbol, phone in IPA_TO_PHONES.items():
        assert phones_of_ipa(symbol) == (INDEX[phone],)
