"""Errors between a session and its worker. Pure.

Every error carries a ``code`` for programs and the HTTP ``status`` it is answered with, as the errors of the models do;
`is_refusal` recognizes theirs by these attributes.
"""


class StreamingError(Exception):
    """Base class of the errors of this package."""

    code: str = "internal"
    status: int = 500


class WorkerFull(StreamingError):
    """Every slot is taken, the worker is overloaded or not ready: try again later."""

    code = "server_full"
    status = 503


class EngineFailure(StreamingError):
    """The engine failed on a batch that held this session's job; the session ends."""

    code = "session_failed"
    status = 503


class ControlFailed(StreamingError):
    """The engine failed on a control job; the traceback is in the log, the session goes on as it was."""


def is_refusal(error: BaseException) -> bool:
    """True for an error that says on purpose that a request is at fault, such as an unknown style."""
    status = getattr(error, "status", None)
    return isinstance(status, int) and 400 <= status < 500 and isinstance(getattr(error, "code", None), str)
