"""Proves what a language model is told of a conversation."""

import pytest

from server.conversation.history import MAX_MESSAGES, History
from server.conversation.spoken_reply import words_heard


def told(history: History) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in history.messages()]


def test_turns_without_an_answer_are_one_and_an_answer_of_which_nothing_was_heard_is_none() -> None:
    history = History("Be kind.")
    history.person("Hello.")
    history.partner("")
    history.person("Are you there?")
    history.partner("Yes.")
    assert told(history) == [("system", "Be kind."), ("user", "Hello. Are you there?"), ("assistant", "Yes.")]


def test_a_long_conversation_forgets_its_beginning_but_not_the_instructions() -> None:
    history = History("Be kind.")
    for number in range(MAX_MESSAGES):
        history.person(str(number))
        history.partner("Yes.")
    assert len(history.messages()) <= MAX_MESSAGES + 2
    assert told(history)[0] == ("system", "Be kind.") and told(history)[-1] == ("assistant", "Yes.")


@pytest.mark.parametrize(
    ("played", "heard"),
    [(-5, ""), (0, ""), (999, ""), (1_000, "one"), (2_500, "one two"), (4_000, "one two three four")],
)
def test_words_are_heard_in_proportion_to_the_time(played: int, heard: str) -> None:
    assert words_heard("one two three four", played, 4_000) == heard


def test_words_of_a_sentence_whose_length_is_not_known_are_estimated() -> None:
    text = "one two three four five"
    assert words_heard(text, 48_000 * len(text) // 15) == text
    assert words_heard(text, 0) == ""
