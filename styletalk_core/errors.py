"""The error tree of StyleTalk Live.

Messages carry the offending value and the way out; they are shown to the user as they are.
"""


class StyleTalkError(Exception):
    """Base class of every error that StyleTalk Live raises on purpose."""


class InputError(StyleTalkError, ValueError):
    """Input that cannot be used: the command line exits with status 2, HTTP answers 4xx, with this one sentence."""


class CheckpointError(StyleTalkError):
    """A weight file that does not fit: the message names the tensor."""
