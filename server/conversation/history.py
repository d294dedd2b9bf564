"""History of a conversation: what the person said and what they heard.

Pure. An answer that was cut off stays up to the word that was heard; turns in a row without an answer are one.
"""

from typing import Final

from server.conversation.chat_model import Message

MAX_MESSAGES: Final = 60
"""Older ones are left out, the instructions stay."""


class History:
    """Messages for a language model.

    Args:
        instructions: of the system message.
    """

    def __init__(self, instructions: str) -> None:
        self._instructions = Message("system", instructions)
        self._messages: list[Message] = []

    def person(self, words: str) -> None:
        """The person has said something."""
        if self._messages and self._messages[-1].role == "user":
            words = f"{self._messages.pop().text} {words}"
        self._messages.append(Message("user", words))
        del self._messages[:-MAX_MESSAGES]

    def partner(self, words: str) -> None:
        """The person has heard something; nothing when no word was heard."""
        if words:
            self._messages.append(Message("assistant", words))

    def messages(self) -> list[Message]:
        """Return the instructions and what followed."""
        return [self._instructions, *self._messages]
