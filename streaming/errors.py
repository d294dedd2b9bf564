"""What can go wrong between a session and its worker. Pure."""


class StreamingError(Exception):
    """Base class of the errors of this package."""


class WorkerFull(StreamingError):
    """Every slot is taken, the worker is overloaded or not ready: try again later."""


class EngineFailure(StreamingError):
    """The engine failed on a batch that held this session's job; the session ends."""


class JobExpired(StreamingError):
    """The job's deadline passed before the device saw it; only this frame is lost."""
