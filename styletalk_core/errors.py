"""Exception hierarchy of StyleTalk Live.

Every error has a machine-readable ``code``, an HTTP ``status``, and a message with the offending value and a remedy.
`streaming.errors` defines the same attributes in a separate hierarchy, because that package does not import this one.
An error without them is unexpected: it is logged with its traceback and reported as `INTERNAL`.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
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


class StorageError(StyleTalkError):
    """A file cannot be written: the disk is full, or the folder is read-only or belongs to somebody else."""

    code = "storage_failed"
    status = 507

    def __init__(self, cause: OSError) -> None:
        reason = cause.strerror or "unknown cause"
        super().__init__(f"files cannot be stored ({reason}); free space, or set STYLETALK_HOME to another folder")


UNWRITABLE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
"""What a full disk, a quota, a read-only disk and a folder of somebody else cause."""


@contextmanager
def storing() -> Iterator[None]:
    """Wrap writing of files.

    Raises:
        StorageError: the disk or the folder does not take them.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise StorageError(error) from error


class CheckpointError(StyleTalkError):
    """A weight file that does not match the network; the message names the tensor."""
