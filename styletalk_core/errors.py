"""Exception hierarchy of StyleTalk Live.

Every error has a machine-readable ``code``, an HTTP ``status``, and a message with the offending value and a remedy.
`streaming.errors` defines the same attributes in a separate hierarchy, because that package does not import this one.
An error without them is unexpected: it is logged with its traceback and reported as `INTERNAL`.
"""

from typing import Final

INTERNAL: Final = "internal"
"""Code of unexpected errors."""


class StyleTalkError(Exception):
    """Base class of all errors raised deliberately by StyleTalk Live."""

    code: str = INTERNAL
    status: int = 500


class InputError(StyleTalkError, ValueError):
    """Invalid input; the command line exits with status 2 and HTTP responds 4xx, with this message."""

    code = "bad_request"
    status = 400


class NotFound(InputError):
    """No avatar, style or background of this name, or its stored file is damaged."""

    code = "not_found"
    status = 404


class CheckpointError(StyleTalkError):
    """A weight file that does not match the network; the message names the tensor."""
