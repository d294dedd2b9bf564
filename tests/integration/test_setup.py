"""Proves that `make setup` mends an installation that was killed, and installs nothing twice."""

import subprocess
from pathlib import Path

import pytest
from test_readme import OUTSIDE_MAKE, ROOT

PYTHON = """#!/bin/sh
# Stands for every Python: notes its arguments, creates environments, and kills its process group once, in its Nth call.
echo "$@" >> "$FOLDER/calls"
case "$*" in *venv*) mkdir -p "$FOLDER/env/bin"; cp "$0" "$FOLDER/env/bin/python";; esac
if [ -e "$FOLDER/kill" ] && [ "$(wc -l < "$FOLDER/calls")" -ge "$(cat "$FOLDER/kill")" ]; then
    rm "$FOLDER/kill"; touch "$FOLDER/env/half of a package"; kill -9 0
fi
"""


def setup(folder: Path) -> tuple[int, list[str]]:
    """Runs `make setup`; returns its status and the arguments of every Python that it called."""
    calls = folder / "calls"
    calls.write_text("")
    done = subprocess.run(
        ["make", "--no-print-directory", "setup", f"VENV={folder / 'env'}", f"PYTHON={folder / 'python'}"],
        cwd=ROOT, env=OUTSIDE_MAKE | {"FOLDER": str(folder)}, start_new_session=True, check=False, timeout=300,
    )  # fmt: skip
    return done.returncode, calls.read_text().splitlines()


@pytest.mark.parametrize("killed", range(2, 6))
def test_an_installation_that_was_killed_starts_over(tmp_path: Path, killed: int) -> None:
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    (tmp_path / "kill").write_text(str(killed))
    status, calls = setup(tmp_path)
    assert status == -9 and len(calls) == killed and (tmp_path / "env" / "half of a package").exists()
    status, calls = setup(tmp_path)
    assert status == 0 and not (tmp_path / "env" / "half of a package").exists()
    assert [call.split()[-1].partition("==")[0] for call in calls[2:5]] == ["torch", "requirements.lock", "."]
    assert setup(tmp_path) == (0, [])
