"""Protocol of language models that answer in text, as they write it.

Pure.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants a tool; ``arguments`` is JSON, as it wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the conversation; ``calls`` of the model, or ``call`` whose result the text is."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    calls: tuple[ToolCall, ...] = ()
    call: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A function with one argument, one of ``choices``."""

    name: str
    description: str
    argument: str
    choices: tuple[str, ...]

    def schema(self) -> dict[str, object]:
        """Return the JSON schema of its parameters."""
        return {
            "type": "object",
            "properties": {self.argument: {"type": "string", "enum": list(self.choices)}},
            "required": [self.argument],
        }


class ChatModel(Protocol):
    """Answers a conversation."""

    def reply(self, messages: Sequence[Message], tools: Sequence[Tool]) -> AsyncGenerator[str | ToolCall, None]:
        """Yields pieces of the answer as they are written, and calls of tools when they are complete.

        Raises:
            EndpointFailed: there is no answer, or only its beginning.
        """
