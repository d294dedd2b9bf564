"""Phones of any language as the 41 symbols: the nearest place of articulation, as far as lips and jaw show it.

Pure. A symbol of the International Phonetic Alphabet is read without stress, length, tone and other modifiers; symbols
of several letters, such as diphthongs and affricates, are looked up first as a whole and then letter by letter.
"""

import unicodedata
from functools import cache
from typing import Final

from styletalk_core.phones import INDEX

_CONSONANTS: Final = {
    "p": "P", "b": "B", "m": "M", "ʙ": "B", "β": "B", "ɸ": "F", "f": "F", "v": "V", "ʋ": "V", "ⱱ": "V", "ɱ": "V",
    "θ": "TH", "ð": "DH", "t": "T", "d": "D", "n": "N", "s": "S", "z": "Z", "l": "L", "r": "D", "ɾ": "T", "ɬ": "L",
    "ɮ": "L", "ɫ": "L", "ɺ": "L", "ʈ": "T", "ɖ": "D", "ɳ": "N", "ɭ": "L", "ɽ": "D", "ɹ": "R", "ɻ": "R",
    "ʃ": "SH", "ʒ": "ZH", "ɕ": "SH", "ʑ": "ZH", "ʂ": "SH", "ʐ": "ZH", "ɧ": "SH",
    "ɲ": "N", "ʎ": "L", "j": "Y", "ʝ": "Y", "ç": "HH", "c": "K", "ɟ": "G",
    "k": "K", "g": "G", "ɡ": "G", "ŋ": "NG", "ɴ": "NG", "q": "K", "ɢ": "G", "ɣ": "G", "ɰ": "G", "ʟ": "L",
    "x": "HH", "χ": "HH", "ʁ": "HH", "ʀ": "HH", "h": "HH", "ɦ": "HH", "ħ": "HH", "ʕ": "HH",
    "w": "W", "ʍ": "W", "ɥ": "W", "tʃ": "CH", "dʒ": "JH", "tɕ": "CH", "dʑ": "JH", "tʂ": "CH", "dʐ": "JH",
}  # fmt: skip
_VOWELS: Final = {
    "i": "IY", "ɪ": "IH", "ɨ": "IH", "ɯ": "IH", "e": "EY", "ɛ": "EH", "æ": "AE", "a": "AA", "ɑ": "AA", "ɐ": "AH",
    "ə": "AH", "ɘ": "AH", "ʌ": "AH", "ɤ": "AH", "ɜ": "AH", "ɚ": "ER", "ɝ": "ER", "ɜː": "ER", "ɞ": "ER",
    "y": "UW", "ʉ": "UW", "u": "UW", "ʊ": "UH", "ʏ": "UH", "ɵ": "UH", "ø": "UH", "o": "OW", "ɔ": "AO", "œ": "AO",
    "ɒ": "AO", "ɶ": "AO", "aɪ": "AY", "ai": "AY", "aʊ": "AW", "au": "AW", "ɑu": "AW", "eɪ": "EY", "ei": "EY",
    "oʊ": "OW", "əʊ": "OW", "ou": "OW", "ɔɪ": "OY", "ɔø": "OY", "ɔʏ": "OY",
}  # fmt: skip
IPA_TO_PHONES: Final = _CONSONANTS | _VOWELS
"""Symbol -> name of a phone: rounded vowels to rounded ones, trills and taps to alveolar stops, uvular to velar."""

_LONG: Final = "ː"
_CEDILLA: Final = "\N{COMBINING CEDILLA}"


@cache
def phones_of_ipa(symbol: str) -> tuple[int, ...]:
    """Ids of the phones that a symbol consists of, in order; empty when no letter of it is known."""
    letters = _letters(symbol)
    if whole := IPA_TO_PHONES.get(letters):
        return (INDEX[whole],)
    letters = letters.replace(_LONG, "")
    ids, at = list[int](), 0
    while at < len(letters):
        pair, one = letters[at : at + 2], letters[at]
        name = IPA_TO_PHONES.get(pair) or IPA_TO_PHONES.get(one)
        at += len(pair) if pair in IPA_TO_PHONES else 1
        if name:
            ids.append(INDEX[name])
    return tuple(ids)


def _letters(symbol: str) -> str:
    """The symbol without combining marks, stress, tone letters, digits and hyphens, and aspiration written as h.

    espeak-ng writes a retroflex s as "s.".
    """
    marked = unicodedata.normalize("NFD", symbol.replace("s.", "ʂ"))
    plain = "".join(mark for mark in marked if mark == _CEDILLA or not unicodedata.combining(mark))
    letters = unicodedata.normalize("NFC", plain)
    kept = "".join(letter for letter in letters if letter == _LONG or unicodedata.category(letter) in ("Ll", "Lo"))
    return kept.removesuffix("h") if len(kept) > 1 else kept
