"""Sandboxed process of an upload: converts a file to an entry in a library of its own.

The server copies the entry into the user's library once the process has ended: killed at any moment, it leaves nothing
there. Request: ``kind`` ("style", "avatar", "smile" or "background"), ``name``, ``file``, and ``folder`` of its
library, which already holds the avatar of a smile.

Runs on: the process that `confined.run` starts.
"""

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from server.http.sandbox import serve
from server.priority import ONE_THREAD


def enroll(request: dict[str, Any], progress: Callable[[float], None]) -> dict[str, Any]:
    """Add the entry and describe it.

    Raises:
        InputError: the file cannot be used; the message says why.
    """
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    # Imported only now, within the limits.
    from styletalk_core.library import enrollment
    from styletalk_core.library.avatars import AvatarLibrary
    from styletalk_core.library.backgrounds import BackgroundLibrary
    from styletalk_core.library.styles import StyleLibrary

    name, file, folder = request["name"], Path(request["file"]), Path(request["folder"])
    match request["kind"]:
        case "style":
            return asdict(enrollment.enroll_style(StyleLibrary(folder), name, file, progress))
        case "avatar":
            options = {"face": request["face"], "teeth": request["teeth"]}
            return asdict(enrollment.enroll_avatar(AvatarLibrary(folder), name, file, **options))
        case "smile":
            return asdict(enrollment.enroll_smile(AvatarLibrary(folder), name, file))
        case "background":
            return asdict(enrollment.enroll_background(BackgroundLibrary(folder), name, file))
    raise ValueError(f"{request['kind']!r} is not a kind of upload")


if __name__ == "__main__":
    serve(enroll)
