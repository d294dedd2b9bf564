"""Proves that imports follow the layers, that nothing imports from `lab`, and that no folder is too large.

The server imports from streaming and styletalk_core, which do not import from each other or the server. Within a
package, the folders are ordered, and each imports only from those before it. Nothing outside `lab` imports from it.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("server", "streaming", "styletalk_core")
FORBIDDEN = {
    "streaming": lambda name: name not in {"numpy", "streaming"} and name not in sys.stdlib_module_names,
    "styletalk_core": lambda name: name in {"server", "streaming", "client_demo", "asyncio", "socket", "aiortc"},
    "client_demo": lambda name: True,
}
LAYERS = {
    "server": (
        "auth",
        "provenance",
        "tts",
        "webrtc",
        "protocol",
        "sessions",
        "conversation",
        "http",
        "ws",
        "cli",
        "plugs",
        "lab",
    ),
    "streaming": ("scheduling", "audio", "frames", "avatar"),
    "styletalk_core": ("face", "models", "recognizer", "rendering", "library", "lab"),
}
"""Folders of a package, each importing only from those before it."""
LABS = ("server.lab", "styletalk_core.lab")
MAX_FILES = 15


@cache
def imported(path: Path) -> frozenset[str]:
    """Return the dotted names that a module imports anywhere, lazily too: modules, and what is taken from them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def sources(*folders: str) -> Iterator[Path]:
    """Yield the Python files below some folders of the repository."""
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def lies_in(name: str, packages: tuple[str, ...]) -> bool:
    """Whether a dotted name is one of the packages or something in them."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_no_import_points_the_wrong_way(folder: str) -> None:
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(folder)
        for name in imported(path)
        if FORBIDDEN[folder](name.split(".")[0])
    }
    assert not wrong


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_has_a_layer(package: str) -> None:
    folders = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")} - {"weights"}
    assert folders == set(LAYERS[package])


@pytest.mark.parametrize(("package", "layer"), [(package, layer) for package in PACKAGES for layer in LAYERS[package]])
def test_no_folder_imports_from_one_above_it(package: str, layer: str) -> None:
    layers = LAYERS[package]
    above = tuple(f"{package}.{other}" for other in layers[layers.index(layer) + 1 :])
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(f"{package}/{layer}")
        for name in imported(path)
        if lies_in(name, above)
    }
    assert not wrong


def test_nothing_outside_the_laboratory_imports_from_it() -> None:
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(*PACKAGES)
        for name in imported(path)
        if lies_in(name, LABS) and "lab" not in path.relative_to(ROOT).parts
    }
    assert not wrong


def test_no_folder_holds_more_than_fifteen_files() -> None:
    files = Counter(path.parent.relative_to(ROOT) for path in sources(*PACKAGES))
    assert not {
        f"{folder}: {count}" for folder, count in files.items() if count > MAX_FILES and "lab" not in folder.parts
    }
