"""Errors of sessions and workers. Pure.

Every error has a machine-readable ``code`` and an HTTP ``status``, like the errors of the core; `is_refusal` checks for
these attributes.
"""


class StreamingError(Exception):
    """Base class of this package's errors."""

    code: str = "internal"
    status: int = 500


class WorkerFull(StreamingError):
    """The worker is full, overloaded or not ready; try again later."""

    code = "server_full"
    status = 503


class EngineFailure(StreamingError):
    """The engine failed on a batch that contained this session's job; the session ends."""

    code = "session_failed"
    status = 503


class ControlFailed(StreamingError):
    """The engine failed on a control job; the traceback is logged and the session continues unchanged."""


def is_refusal(error: BaseException) -> bool:
    """True for an error that deliberately rejects a request, such as an unknown style."""
    status = getattr(error, "status", None)
    return isinstance(status, int) and 400 <= status < 500 and isinstance(getattr(error, "code", None), str)


def first_leaf(error: BaseException) -> BaseException:
    """Return the first exception of nested groups; an exception that is no group is its own."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
