"""Proves that imports point one way: server -> streaming, styletalk_core; neither of those points back or sideways.

Within the server they point one way too: control -> routes -> sessions -> rtc -> protocol -> admission.
"""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN = {
    "streaming": lambda name: name not in {"numpy", "streaming"} and name not in sys.stdlib_module_names,
    "styletalk_core": lambda name: name in {"server", "streaming", "client_demo", "asyncio", "socket", "aiortc"},
    "client_demo": lambda name: True,
}


def imports_of(path: Path) -> set[str]:
    """Returns the top-level package names that a module imports anywhere, lazily too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_no_import_points_the_wrong_way(folder: str) -> None:
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / folder).rglob("*.py")
        for name in imports_of(path)
        if FORBIDDEN[folder](name)
    }
    assert not wrong


SERVER_LAYERS = ("admission", "protocol", "rtc", "sessions", "routes", "control")


def layers_used_by(path: Path) -> set[str]:
    """Returns the folders of the server that a module imports from."""
    tree = ast.walk(ast.parse(path.read_text()))
    modules = [node.module or "" for node in tree if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[1] for name in modules if name.startswith("server.")} & set(SERVER_LAYERS)


@pytest.mark.parametrize("layer", SERVER_LAYERS)
def test_no_folder_of_the_server_imports_from_one_above_it(layer: str) -> None:
    above = set(SERVER_LAYERS[SERVER_LAYERS.index(layer) + 1 :])
    wrong = {path.name: layers_used_by(path) & above for path in (ROOT / "server" / layer).glob("*.py")}
    assert not {name for name, used in wrong.items() if used}
