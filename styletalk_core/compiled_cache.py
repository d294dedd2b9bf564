"""Folder in which numba keeps compiled functions where neither the program's folder nor the home takes files.

numba stores them next to their modules, else in the user's cache folder. It refuses to compile if both are read-only,
and on a full disk it fails in the middle of a call.
"""

import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

VARIABLE: Final = "NUMBA_CACHE_DIR"
NEEDED_BYTES: Final = 16 << 20
"""Twice the size of all compiled functions."""
MEMORY: Final = Path("/dev/shm")
"""Of Linux; keeps files until the machine is restarted."""


def choose_cache() -> None:
    """Sets numba's folder unless its own choice will do or the user has set it; call it before numba is imported."""
    program = Path(__file__).parent
    if VARIABLE in os.environ or "numba" in sys.modules or takes_files(program):
        return
    if os.access(program, os.W_OK) and any(program.rglob("*.nbi")):
        return  # on a full disk what has been compiled before is loaded
    from tempfile import gettempdir  # neither is needed by most starts

    from platformdirs import user_cache_path

    if takes_files(user_cache_path("numba")):
        return
    if (folder := private_folder([Path(gettempdir()), MEMORY])) is not None:
        os.environ[VARIABLE] = str(folder)


def private_folder(parents: Iterable[Path]) -> Path | None:
    """Return a folder in the first parent that takes files; None if there is none.

    It belongs to this user alone, because code is loaded from it.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    for parent in filter(takes_files, parents):
        folder = parent / f"styletalk-compiled-{user}"
        folder.mkdir(0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and (os.name == "nt" or (found.st_uid, found.st_mode & 0o077) == (user, 0)):
            return folder
    return None


def takes_files(folder: Path) -> bool:
    """Whether a folder, or the one in which it would be created, can be written and has room."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if not (there.is_dir() and os.access(there, os.W_OK)):
        return False
    if not hasattr(os, "statvfs"):
        return True
    disk = os.statvfs(there)
    return disk.f_bavail * disk.f_frsize >= NEEDED_BYTES
