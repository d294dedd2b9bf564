"""Proves that text of a language model is read as a person would read it, and cut where sentences end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.tts.spoken_text import MAX_SENTENCE_CHARACTERS, TextStream, sentences, spoken


def texts(text: str) -> list[str]:
    return [sentence.text for sentence in sentences(text)]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("**Hello** [link](https://example.org) `code`", "Hello link code"),
        ("<speak>Hi<break/></speak>", "Hi"),
        ('<speak>Hi <emphasis level="strong">you</emphasis>!</speak>', "Hi you!"),
        ("😀", ""),
        ("👩‍👩‍👧 1️⃣", "1"),
        ("Fine 👍🏽, thanks ❤️!", "Fine, thanks!"),
        ("# Title", "Title"),
        ("> *quoted* words", "quoted words"),
        ("- [x] done", "x done"),
        ("3. third", "third"),
        ("a ***very*** _nice_ ~~bad~~ day", "a very nice bad day"),
        ("snake_case and 2*3*4", "snake case and 2 3 4"),
        ("See https://www.example.org/a/b?c=d.", "See example.org."),
        ("<https://example.org/x>", "example.org"),
        ("![a cat](cat.png) sits", "a cat sits"),
        ("Run `rm -rf / --no-preserve-root; echo` now", "Run now"),
        ("```python\nprint(1)\n```", ""),
        ("| a | b |", "a, b"),
        ("|---|---|", ""),
        ("---", ""),
        ("Tom &amp; Jerry", "Tom & Jerry"),
        ("as noted[^1].", "as noted."),
        ("5 < 6 and 7 > 2", "5 6 and 7 2"),
        ("It is 3.5 km, 25 % or $20.", "It is 3.5 km, 25 % or $20."),
        ("Grüße, 你好。", "Grüße, 你好。"),
    ],
)
def test_marks_are_not_read(written: str, read: str) -> None:
    assert spoken(written) == read


def test_sentences_are_cut_where_they_end_and_captions_keep_what_was_written() -> None:
    text = 'Hello **there**! "How are you?" I am well, v2.0 says.\x07\nNew line'
    assert texts(text) == ["Hello **there**!", '"How are you?"', "I am well, v2.0 says.", "New line"]
    assert [sentence.words for sentence in sentences(text)][:2] == ["Hello there!", '"How are you?"']
    assert texts("Dr. Smith met Mrs. Jones, e.g. here. Then 1. first") == [
        "Dr. Smith met Mrs. Jones, e.g. here.",
        "Then 1.",
        "first",
    ]
    assert texts("1. One\n2. Two") == ["1. One", "2. Two"]
    assert texts("Before.\n```\ncode. Here.\n```\nAfter.") == ["Before.", "After."]


def test_long_sentences_are_cut_at_a_space() -> None:
    long = texts("word " * 200)
    assert all(len(piece) <= MAX_SENTENCE_CHARACTERS for piece in long)
    assert " ".join(long).split() == ["word"] * 200
    assert texts(" \n ") == [] and len(texts("x" * 700)) == 3


ANSWER = (
    "Sure! Here is **one** [link](https://a.b/c. d): see it. Dr. Who\n\n```\nx = 1. y\n```\n- item 1.5\n- item 2. Bye"
)


@given(st.lists(st.integers(0, len(ANSWER)), max_size=12))
def test_a_text_in_pieces_is_cut_as_the_whole(cuts: list[int]) -> None:
    stream, at = TextStream(), 0
    found = list[str]()
    for cut in sorted(cuts):
        found += [sentence.text for sentence in stream.append(ANSWER[at:cut])]
        at = cut
    found += [sentence.text for sentence in stream.append(ANSWER[at:])]
    found += [sentence.text for sentence in stream.finish()]
    assert found == texts(ANSWER)


def test_a_sentence_is_spoken_as_soon_as_the_next_one_begins() -> None:
    stream = TextStream()
    assert stream.append("Hello the") == [] and stream.append("re.") == []
    assert [sentence.text for sentence in stream.append(" And")] == ["Hello there."]
    assert stream.append("```\na. b") == []
    assert [sentence.text for sentence in stream.append(" c\n``` then. x")] == ["And", "then."]
    assert [sentence.text for sentence in stream.finish()] == ["x"]


@given(st.text(max_size=300))
def test_any_text_is_read_without_marks(text: str) -> None:
    for sentence in sentences(text):
        assert sentence.words and not set("*`#~<>|") & set(sentence.words)
