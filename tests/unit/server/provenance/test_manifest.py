"""Proves that a recording carries a signed manifest that says AI-generated, by the reader of c2pa-python."""

import errno
import json
import stat
from pathlib import Path

import c2pa
import numpy as np
import pytest

from server.provenance.ai_label import AI_LABEL
from server.provenance.certificate import CHAIN_FILE, KEY_FILE, Certificate, own_test_certificate
from server.provenance.manifest import SigningFailed, add_manifest
from server.sessions.mp4 import Mp4Writer
from styletalk_core.errors import InputError


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "out.mp4"
    with Mp4Writer(path, 64, 64) as writer:
        for index in range(5):
            writer.write_frame(index, np.full((96, 64), 30 * index, np.uint8))
    return path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return own_test_certificate(tmp_path_factory.mktemp("home"))


def test_the_reader_finds_a_valid_signature_and_the_term_for_ai(video: Path, certificate: Certificate) -> None:
    add_manifest(video, "A recording", certificate)
    with c2pa.Reader(str(video)) as reader:
        manifest = reader.get_active_manifest()
        failures = {failure["code"] for failure in reader.get_validation_results()["activeManifest"]["failure"]}
    assert manifest["title"] == "A recording"
    assert manifest["claim_generator_info"][0]["name"] == "StyleTalk Live"
    (actions,) = [entry["data"] for entry in manifest["assertions"] if entry["label"].startswith("c2pa.actions")]
    assert actions["actions"][0]["digitalSourceType"] == AI_LABEL["digital_source_type"]
    assert failures <= {"signingCredential.untrusted"}
    assert not list(video.parent.glob("*.signed"))


def test_a_change_of_the_video_is_noticed(video: Path, certificate: Certificate) -> None:
    add_manifest(video, "A recording", certificate)
    data = bytearray(video.read_bytes())
    place = data.rindex(b"mdat") + 40
    data[place] ^= 255
    video.write_bytes(data)
    with c2pa.Reader(str(video)) as reader:
        assert "mismatch" in json.dumps(reader.get_validation_results()["activeManifest"]["failure"])


def test_the_test_certificate_is_made_once_and_only_its_owner_can_read_the_key(tmp_path: Path) -> None:
    made = own_test_certificate(tmp_path)
    assert own_test_certificate(tmp_path) == made and "PRIVATE" not in repr(made)
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert Certificate.read(tmp_path / CHAIN_FILE, tmp_path / KEY_FILE) == made


def test_a_folder_that_takes_no_files_still_gets_a_certificate(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    add_manifest(video, "out", own_test_certificate(tmp_path / "home"))
    assert not (tmp_path / "home").exists()


def test_a_certificate_that_cannot_be_used_is_a_sentence(tmp_path: Path, video: Path) -> None:
    first, second = own_test_certificate(tmp_path / "a"), own_test_certificate(tmp_path / "b")
    with pytest.raises(InputError, match="is not that of the first certificate"):
        Certificate.read(tmp_path / "a" / CHAIN_FILE, tmp_path / "b" / KEY_FILE)
    with pytest.raises(InputError, match="in PEM"):
        Certificate.read(tmp_path / "a" / KEY_FILE, tmp_path / "a" / KEY_FILE)
    with pytest.raises(InputError, match="cannot be read"):
        Certificate.read(tmp_path / "none.pem", tmp_path / "a" / KEY_FILE)
    before = video.read_bytes()
    with pytest.raises(SigningFailed):
        add_manifest(video, "A recording", Certificate(b"none", second.key))
    assert video.read_bytes() == before and first != second
