"""Text as a language model writes it: cut into sentences, and each as it is to be read aloud.

Pure. Markdown, links, emoji, code and SSML tags are not read; numbers and units are, by the voice. Captions show the
sentence as it was written.
"""

import html
import re
from dataclasses import dataclass
from typing import Final

MAX_SENTENCE_CHARACTERS: Final = 300
"""Length at which text without sentences is cut at a space, so that the first audio comes early."""

_ABBREVIATIONS: Final = ("Dr", "Mr", "Mrs", "Ms", "Prof", "St", "vs", "No", "approx", "e.g", "i.e")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?…。！？])[\"'”’)*_]*\s+|(?<=[。！？])(?=\S)|\n+")
_FENCE: Final = re.compile(r"(```|~~~).*?(?:\1|\Z)", re.S)
_READABLE_CODE: Final = re.compile(r"[\w .'-]{1,40}")
_MARKUP: Final = (
    (re.compile(r"<!--.*?-->|</?[A-Za-z][^<>]{0,300}>", re.S), " "),  # before links: <https://...> has no letter tag
    (re.compile(r"^\s*(?:#{1,6}\s+|>\s?|[-*+•]\s+|\d+[.)]\s+)+", re.M), ""),
    (re.compile(r"^\s*(?:[-*_]\s*){3,}$|^[\s:|-]*\|[\s:|-]*$", re.M), ""),
    (re.compile(r"\[\^[^\]]*\]"), ""),
    (re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])"), r"\1"),
    (re.compile(r"`+([^`]*)`+"), lambda match: match[1] if _READABLE_CODE.fullmatch(match[1]) else " "),
    (re.compile(r"(?<!\w)(\*{1,3}|~~)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<!\w)(_{1,3})(?=\S)(.+?)(?<=\S)\1(?!\w)"), r"\2"),
    (re.compile(r"\s*\|\s*"), ", "),
)
_ADDRESS: Final = re.compile(
    r"<?\b(?:https?://)(?:www\.)?([\w.-]+\w)[^\s<>]*?(?=[.,;:!?]?(?:[\s<>)]|$))>?|\bwww\.([\w.-]+\w)"
)
_EMOJI: Final = re.compile(
    "[\U0001f000-\U0001faff\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\ufe0f\u200d\u20e3\U000e0000-\U000e007f]+"
)
_LEFTOVER: Final = re.compile(r"[*_#`~<>\[\]{}\\^|]+")


@dataclass(frozen=True, slots=True)
class SpokenSentence:
    """A sentence: ``text`` as it was written, for captions, and ``words`` as it is read aloud."""

    text: str
    words: str


def sentences(text: str) -> list[SpokenSentence]:
    """Cut text into units of speech and captions; those in which nothing can be read are left out."""
    clean = "".join(character if character.isprintable() or character == "\n" else " " for character in text)
    pieces = (piece for part in _cut(_FENCE.sub("\n", clean)) for piece in _shortened(part))
    return [SpokenSentence(piece, words) for piece in pieces if (words := spoken(piece))]


def spoken(text: str) -> str:
    """Return text as it is read aloud; empty when nothing can be read."""
    text = _ADDRESS.sub(lambda match: match[1] or match[2], _FENCE.sub(" ", text))
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    text = _LEFTOVER.sub(" ", _EMOJI.sub(" ", html.unescape(text)))
    text = re.sub(r"\s+([,.;:!?…])", r"\1", " ".join(text.split())).strip(" ,")
    return text if any(character.isalnum() for character in text) else ""


class TextStream:
    """Text that arrives in pieces of any length."""

    def __init__(self) -> None:
        self._rest = ""

    def append(self, delta: str) -> list[SpokenSentence]:
        """Take the next piece; return the sentences that are complete."""
        self._rest += delta
        end = _complete(self._rest)
        complete, self._rest = self._rest[:end], self._rest[end:]
        return sentences(complete)

    def finish(self) -> list[SpokenSentence]:
        """Return what is left."""
        rest, self._rest = self._rest, ""
        return sentences(rest)


def _complete(text: str) -> int:
    """Return the length of the part of unfinished text that later text cannot change."""
    outside = _FENCE.sub(lambda code: "\0" * len(code[0]), text)
    ends = [match.end() for match in _SENTENCE_END.finditer(outside) if _ends(outside, match)]
    if ends:
        return ends[-1]
    return outside.rfind(" ") + 1 if len(text) > MAX_SENTENCE_CHARACTERS else 0


def _ends(text: str, match: re.Match[str]) -> bool:
    """False after an abbreviation, and after the number of a list item."""
    if "\n" in match[0]:
        return True
    before = text[: match.start()].rsplit("\n", 1)[-1].split(" ")[-1]
    is_number = before.removesuffix(".").isdigit() and before == text[: match.start()].rsplit("\n", 1)[-1].strip()
    return before.removesuffix(".") not in _ABBREVIATIONS and not is_number


def _cut(text: str) -> list[str]:
    parts, start = list[str](), 0
    for match in _SENTENCE_END.finditer(text):
        if _ends(text, match):
            parts.append(text[start : match.end()].strip())
            start = match.end()
    return [part for part in (*parts, text[start:].strip()) if part]


def _shortened(sentence: str) -> list[str]:
    pieces = list[str]()
    while len(sentence) > MAX_SENTENCE_CHARACTERS:
        cut = sentence.rfind(" ", 1, MAX_SENTENCE_CHARACTERS)
        cut = cut if cut > 0 else MAX_SENTENCE_CHARACTERS
        pieces.append(sentence[:cut].strip())
        sentence = sentence[cut:].strip()
    return [*pieces, sentence] if sentence else pieces
