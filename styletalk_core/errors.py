"""The error tree of StyleTalk Live.

Every error carries a ``code`` for programs, the HTTP ``status`` it is answered with, and a sentence with the offending
value and the way out. `streaming.errors` has the same two attributes on a tree of its own: that package imports nothing
of this one. An error without them is unexpected: it is logged with its traceback and told as `INTERNAL`.
"""

from typing import Final

INTERNAL: Final = "internal"
"""Code of everything unexpected."""


class StyleTalkError(Exception):
    """Base class of every error that StyleTalk Live raises on purpose."""

    code: str = INTERNAL
    status: int = 500


class InputError(StyleTalkError, ValueError):
    """Input that cannot be used: the command line exits with status 2, HTTP answers 4xx, with this one sentence."""

    code = "bad_request"
    status = 400


class NotFound(InputError):
    """No avatar, style or background of this name, or its stored file is damaged."""

    code = "not_found"
    status = 404


class CheckpointError(StyleTalkError):
    """A weight file that does not fit: the message names the tensor."""
