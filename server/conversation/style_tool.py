"""Tool by which a model chooses how the face looks and speaks.

Runs on: event loop.
"""

import json
from collections.abc import Sequence
from typing import Final

from server.conversation.chat_model import Tool, ToolCall
from server.conversation.partner import Face
from streaming.errors import StreamingError
from styletalk_core.errors import StyleTalkError

NAME: Final = "set_style"
ARGUMENT: Final = "style"


def style_tool(styles: Sequence[str]) -> Tool:
    """Return the tool by which a model chooses how it looks and speaks."""
    return Tool(NAME, "Change how you look and speak, from now on.", ARGUMENT, tuple(styles))


async def use_style_tool(face: Face, call: ToolCall) -> str:
    """Carry out a call of the style tool; return the result, a sentence for the model."""
    try:
        style = json.loads(call.arguments)[ARGUMENT]
        if call.name != NAME or not isinstance(style, str):
            raise ValueError(call)
        await face.set_style(style)
    except (StyleTalkError, StreamingError) as error:
        return str(error)
    except (ValueError, TypeError, KeyError):
        return f"There is only the tool {NAME}, with the name of a {ARGUMENT}."
    return f"You speak in the style {style} now."
