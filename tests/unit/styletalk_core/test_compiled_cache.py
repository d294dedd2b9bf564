"""Proves that compiled functions are kept where files can be written: a read-only home or a full disk stops nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from styletalk_core import compiled_cache
from styletalk_core.compiled_cache import MEMORY, private_folder, takes_files

BELOW_A_FILE = Path(__file__) / "folder"
"""Can be created by nobody, not even by the superuser."""


def test_a_folder_takes_files_if_it_or_its_parent_can_be_written(tmp_path: Path) -> None:
    assert takes_files(tmp_path) and takes_files(tmp_path / "not" / "yet")
    assert not (tmp_path / "not").exists()
    assert not takes_files(BELOW_A_FILE) and not takes_files(Path(__file__))


def test_a_full_disk_takes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_cache, "NEEDED_BYTES", 1 << 60)
    assert not takes_files(tmp_path)


def test_the_first_parent_that_takes_files_gets_a_folder_of_this_user_alone(tmp_path: Path) -> None:
    folder = private_folder([BELOW_A_FILE, tmp_path])
    assert folder is not None and folder.parent == tmp_path
    assert folder.stat().st_mode & 0o077 == 0
    assert private_folder([tmp_path]) == folder
    assert private_folder([BELOW_A_FILE]) is None


@pytest.mark.skipif(os.name == "nt", reason="modes are of POSIX")
def test_a_folder_that_others_can_write_is_not_used(tmp_path: Path) -> None:
    folder = private_folder([tmp_path])
    assert folder is not None
    folder.chmod(0o777)
    assert private_folder([tmp_path]) is None
    folder.rmdir()
    folder.symlink_to(tmp_path, target_is_directory=True)
    assert private_folder([tmp_path]) is None


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A process in which numba is not imported and no folder set."""
    monkeypatch.setenv(compiled_cache.VARIABLE, "")  # so that it is restored
    monkeypatch.delenv(compiled_cache.VARIABLE)
    monkeypatch.setattr(compiled_cache, "__file__", str(BELOW_A_FILE / "module.py"))
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    return monkeypatch


def test_numbas_own_choice_is_left_where_it_will_do(chosen: pytest.MonkeyPatch, tmp_path: Path) -> None:
    chosen.setattr(compiled_cache, "takes_files", lambda folder: True)
    compiled_cache.choose_cache()
    assert compiled_cache.VARIABLE not in os.environ


def test_on_a_full_disk_what_has_been_compiled_before_is_loaded(chosen: pytest.MonkeyPatch, tmp_path: Path) -> None:
    chosen.setattr(compiled_cache, "__file__", str(tmp_path / "module.py"))
    chosen.setattr(compiled_cache, "takes_files", lambda folder: folder == MEMORY)
    (tmp_path / "kernel.nbi").touch()
    compiled_cache.choose_cache()
    assert compiled_cache.VARIABLE not in os.environ


def test_without_program_folder_and_home_it_is_the_temporary_folder(chosen: pytest.MonkeyPatch, tmp_path: Path) -> None:
    chosen.setattr("tempfile.tempdir", str(tmp_path))
    chosen.setattr(compiled_cache, "takes_files", lambda folder: folder in (tmp_path, MEMORY))
    compiled_cache.choose_cache()
    assert Path(os.environ[compiled_cache.VARIABLE]).parent == tmp_path
    chosen.setenv(compiled_cache.VARIABLE, "mine")
    compiled_cache.choose_cache()
    assert os.environ[compiled_cache.VARIABLE] == "mine"


def test_numba_stores_functions_in_the_folder(tmp_path: Path) -> None:
    """The folder is chosen before any module of the program imports numba."""
    script = (
        "import sys, tempfile; from pathlib import Path; tempfile.tempdir = sys.argv[1]; sys.path[:0] = sys.argv[2:]\n"
        "import os; access = os.access; os.access = lambda path, mode: Path(path) == Path(sys.argv[1])\n"
        "import styletalk_core.recognizer.features as features, numba\n"
        "os.access = access; print(features._extract.stats.cache_path)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), *sys.path],
        capture_output=True, text=True, check=True,
        env={key: value for key, value in os.environ.items() if key != compiled_cache.VARIABLE},
    )  # fmt: skip
    assert Path(done.stdout.strip()).is_relative_to(tmp_path)
