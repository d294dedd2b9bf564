"""Proves that a Vosk model is loaded from a folder or downloaded by name, completely or with a clear error."""

import http.server
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import vosk

from styletalk_core.errors import InputError
from styletalk_core.recognizer.vosk_model import VoskModel, model_folder

NAME = "vosk-model-small-xx-0.1"


def archive(*files: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as model:
        for file in files:
            model.writestr(f"{NAME}/{file}", "")
    return written.getvalue()


class Site:
    """Replaces the model site, on loopback; serves `files`."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                body = site.files.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    site = Site()
    listed = {"name": NAME, "lang": "xx", "type": "small", "obsolete": "false"}
    site.files["/model-list.json"] = json.dumps([listed]).encode()
    site.files[f"/{NAME}.zip"] = archive("am/final.mdl", "graph/HCLr.fst")
    monkeypatch.setattr(vosk, "MODEL_PRE_URL", site.address)
    monkeypatch.setattr(vosk, "MODEL_LIST_URL", site.address + "model-list.json")
    monkeypatch.setattr(vosk, "MODEL_DIRS", [tmp_path / "cache"])
    thread = threading.Thread(target=site.server.serve_forever)
    thread.start()
    yield site
    site.server.shutdown()
    thread.join()
    site.server.server_close()


@pytest.mark.parametrize("name", ["xx", NAME])
def test_a_model_is_fetched_by_its_language_or_name_and_only_once(site: Site, tmp_path: Path, name: str) -> None:
    folder = model_folder(name)
    assert folder == tmp_path / "cache" / NAME and (folder / "am" / "final.mdl").is_file()
    asked = len(site.asked)
    assert model_folder(name) == folder and len(site.asked) == asked


def test_a_name_that_is_not_in_the_catalogue_is_refused(site: Site) -> None:
    with pytest.raises(InputError, match="there is no Vosk model named 'yy'"):
        model_folder("yy")


def test_without_a_network_the_way_out_is_said(site: Site) -> None:
    site.server.shutdown()
    site.server.server_close()
    with pytest.raises(InputError, match="without a network connection"):
        model_folder("xx")


def test_half_a_model_is_not_kept(site: Site, tmp_path: Path) -> None:
    site.files[f"/{NAME}.zip"] = archive("am/final.mdl")
    with pytest.raises(InputError, match="not downloaded completely"):
        model_folder("xx")
    assert not (tmp_path / "cache" / NAME).exists()


def test_a_folder_without_a_model_is_refused_and_so_is_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a Vosk model"):
        model_folder(str(tmp_path))
    with pytest.raises(InputError, match="is not a Vosk model"):
        model_folder(str(tmp_path / "missing" / "folder"))
    for part in ("am", "graph"):
        (tmp_path / part).mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        VoskModel(str(tmp_path))
