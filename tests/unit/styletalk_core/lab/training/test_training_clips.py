"""Training clips are read according to the manifest, and unusable ones are skipped."""

from pathlib import Path

import numpy as np
import pytest

from styletalk_core.errors import InputError
from styletalk_core.lab.training.clips import bridged, read_clips, spoken
from styletalk_core.phones import PHONES, SIL_INDEX

COLUMNS = ("clip", "split", "source", "speaker", "style", "audio", "licence")


def write_clip(folder: Path, name: str, frames: int = 40, seen: float = 1.0, value: float = 1.0) -> None:
    path = folder / "coefficients" / f"{name}.npz"
    path.parent.mkdir(exist_ok=True)
    valid = np.arange(frames) < seen * frames
    np.savez(path, coefficients=np.full((frames, 64), value, np.float32), valid=valid)


def write_manifest(folder: Path, *rows: tuple[str, ...]) -> Path:
    path = folder / "manifest.tsv"
    path.write_text("\n".join("\t".join(row) for row in (COLUMNS, *rows)) + "\n")
    return path


def row(name: str, speaker: str = "ann", audio: str = "yes", licence: str = "CC BY 4.0") -> tuple[str, ...]:
    return (name, "train", "GRID", speaker, "happy", audio, licence)


def test_unusable_clips_are_skipped_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    write_clip(tmp_path, "good")
    write_clip(tmp_path, "short", frames=3)
    write_clip(tmp_path, "lost", seen=0.5)
    write_clip(tmp_path, "broken", value=np.nan)
    manifest = write_manifest(tmp_path, *(row(name) for name in ("good", "short", "lost", "broken", "untracked")))
    assert [clip.name for clip in read_clips(tmp_path, manifest)] == ["good"]
    assert "1 clips; skipped: 1 not tracked, 3 too short or poorly tracked" in caplog.text


def test_a_folder_without_a_usable_clip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="contains no tracked clip"):
        read_clips(tmp_path, write_manifest(tmp_path, row("nothing")))


def test_a_style_is_a_person_in_a_manner_and_unknown_people_have_none(tmp_path: Path) -> None:
    for name in ("known", "unknown"):
        write_clip(tmp_path, name)
    clips = read_clips(tmp_path, write_manifest(tmp_path, row("known"), row("unknown", speaker="?")))
    assert [clip.style for clip in clips] == ["ann happy", ""]


def test_free_material_alone_can_be_asked_for(tmp_path: Path) -> None:
    for name in ("free", "fenced", "judged"):
        write_clip(tmp_path, name)
    judged = ("judged", "dev", *row("judged", licence="research only")[2:])
    manifest = write_manifest(tmp_path, row("free"), row("fenced", licence="research only"), judged)
    assert [clip.name for clip in read_clips(tmp_path, manifest, "free")] == ["free", "judged"]


def test_phones_are_the_recognized_ones_else_the_labels_and_as_long_as_the_video(tmp_path: Path) -> None:
    for name in ("heard", "labelled", "mute", "deaf"):
        write_clip(tmp_path, name)
    (tmp_path / "posteriors").mkdir()
    (tmp_path / "labels").mkdir()
    np.savez(tmp_path / "posteriors" / "heard.npz", frames=np.full((30, 41), 1 / 41, np.float16))
    np.save(tmp_path / "labels" / "labelled.npy", np.full(60, 7, np.uint8))
    manifest = write_manifest(tmp_path, row("heard"), row("labelled"), row("mute", audio="no"), row("deaf"))
    clips = {clip.name: clip for clip in read_clips(tmp_path, manifest)}
    heard, labelled = clips["heard"].phones, clips["labelled"].phones
    assert heard is not None and heard.shape == (40, len(PHONES))
    assert heard[0] == pytest.approx(1 / 41, abs=1e-3) and (heard[30:].argmax(axis=1) == SIL_INDEX).all()
    assert labelled is not None and labelled.shape == (40, len(PHONES)) and (labelled[:, 7] == 1).all()
    assert clips["mute"].phones is None and clips["deaf"].phones is None
    assert [clip.name for clip in spoken(clips.values(), "train")] == ["heard", "labelled"]


def test_gaps_of_the_tracker_are_bridged() -> None:
    motion = np.tile(np.arange(40, dtype=np.float32)[:, None], (1, 64))
    valid = np.ones(40, bool)
    valid[10:12] = False
    bridge = bridged(np.where(valid[:, None], motion, 0), valid)
    assert bridge is not None and bridge[10:12, 0] == pytest.approx([10, 11])
