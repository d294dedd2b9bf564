"""Proves that the wheel alone serves: everything a call needs is in it, and it is small."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser.server_process import ServerProcess
from live_server import Address, RtcClient, silence, tone

from styletalk_core.weights import NEEDED

ROOT = Path(__file__).parents[2]
PACKAGES = ("server", "streaming", "styletalk_core")
MAX_BYTES = 60_000_000
SECONDS = 300
"""For the build, or for the start of the server on a slow machine without compiled kernels."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the tracked files, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("the sources are not a git checkout")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if not name.startswith(("tests/", "docs/")) and (ROOT / name).is_file():
            copy = folder / "source" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.symlink_to(ROOT / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(folder / "source")], check=True, timeout=SECONDS)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def server(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The installed wheel in an environment that sees the dependencies, but not this checkout."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "env", symlinks=True)
    python = folder / "env" / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "env")}))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*pip, "--target", str(site), str(wheel)], check=True, timeout=SECONDS)
    _share_compiled_kernels(site)
    (site / "dependencies.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    where = [str(python), "-c", "import server; print(server.__file__)"]
    found = subprocess.run(where, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert found.startswith(str(site))
    log, home = folder / "server.log", {"STYLETALK_HOME": str(folder / "home")}
    with ServerProcess(log, python=python, folder=folder, ready=SECONDS, environment=os.environ | home) as running:
        yield running


def _share_compiled_kernels(site: Path) -> None:
    """Copies what numba has compiled in this checkout, to save a minute; numba compares files by size and time."""
    for kernel in (path for package in PACKAGES for path in (ROOT / package).glob("**/__pycache__/*.nb[ic]")):
        copy = site / kernel.relative_to(ROOT)
        copy.parent.mkdir(exist_ok=True)
        shutil.copy2(kernel, copy)
        for source in kernel.parent.parent.glob("*.py"):
            if (installed := copy.parent.parent / source.name).exists():
                shutil.copystat(source, installed)


def test_the_wheel_is_smaller_than_its_limit(wheel: Path) -> None:
    assert wheel.stat().st_size < MAX_BYTES


def test_both_sets_of_weights_are_in_it(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, style in (("", "happy"), ("free/", "neutral")):
        assert {f"styletalk_core/weights/{folder}{name}" for name in NEEDED} <= names
        assert f"styletalk_core/presets/{folder}{style}.style.npz" in names


def test_page_presenters_and_styles_are_served(server: ServerProcess) -> None:
    assert {"clara", "kenji"} <= {avatar["name"] for avatar in server.get("api/avatars")["avatars"]}
    assert {"neutral", "happy"} <= {style["name"] for style in server.get("api/styles")["styles"]}


async def test_a_call_shows_a_face(server: ServerProcess) -> None:
    client = RtcClient(np.concatenate([silence(0.5), tone(300, 0.5)]))
    assert await client.call(Address(server.port)) == 201
    await client.until_frame()
    await client.receive(1)
    assert client.frames[-1][2][: client.frames[-1][2].shape[0] * 2 // 3].std() > 20, "a blank frame"
    await client.aclose()
