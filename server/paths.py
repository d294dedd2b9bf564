"""Folders of the user's own portraits, styles and backgrounds."""

import os
from pathlib import Path

from platformdirs import user_data_path


def user_folder(kind: str) -> Path:
    """Return the folder of "avatars", "styles" or "backgrounds"; it need not exist. ``STYLETALK_HOME`` moves it."""
    home = os.environ.get("STYLETALK_HOME")
    return (Path(home) if home else user_data_path("styletalk")) / kind
