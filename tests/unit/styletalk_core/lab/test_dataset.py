"""The manifest is read, clips are tracked once, and unusable ones are skipped with a reason."""

from pathlib import Path

import numpy as np
import pytest
from face_videos import noise_frames, talking_frames, write_video

from styletalk_core.audio import read_audio
from styletalk_core.errors import InputError
from styletalk_core.face.clip_motion import ClipMotion
from styletalk_core.face.face_model import FaceModel
from styletalk_core.lab.dataset import (
    VideoClip,
    coefficients_path,
    encode_clips,
    people_held_out,
    read_manifest,
    reference_tracks,
    track_clips,
    track_path,
)
from styletalk_core.lab.training.label_phones import label_clips, labels_path, posteriors_path

SPEECH = Path(__file__).parents[3] / "data" / "speech" / "two_sentences.flac"
HEADER = "clip\tsplit\tsource\tspeaker\tstyle\taudio\tfps\tframes\tsize\tface_px\tlicence\ttext\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "video" / "news_ar").mkdir(parents=True)
    (folder / "video" / "grid").mkdir()
    write_video(folder / "video" / "news_ar" / "a.mp4", noise_frames(12))
    write_video(folder / "video" / "grid" / "b.mp4", talking_frames()[:60])
    write_video(folder / "video" / "grid" / "c.mp4", talking_frames()[:12])
    rows = [
        'news_ar/a\ttrain\tNews\t?\tnewsreader\tyes\t30\t12\t256\t200\tresearch only\tsay "x',
        "grid/b\ttrain\tGRID\tanna\tneutral\tyes\t30\t60\t256\t200\tCC BY 4.0\tbin blue",
        "grid/c\ttest\tGRID\tanna\thappy_1\tno\t30\t12\t256\t200\tCC BY 4.0\t",
    ]
    (folder / "video" / "manifest.tsv").write_text(HEADER + "\n".join(rows) + "\n")
    return folder


def test_manifest_rows_become_clips(data: Path) -> None:
    clips = read_manifest(data)
    assert [clip.name for clip in clips] == ["grid/b", "grid/c", "news_ar/a"]
    assert (clips[0].speaker, clips[0].audio, clips[0].text) == ("anna", True, "bin blue")
    assert clips[2].speaker == ""
    assert [clip.name for clip in read_manifest(data, "free")] == ["grid/b", "grid/c"]
    assert people_held_out(clips, "all") == {"anna"} and people_held_out(clips, "free") == set()


def test_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"manifest\.tsv does not exist"):
        read_manifest(tmp_path)


def test_clips_are_tracked_once_and_encoded_against_one_face(data: Path, tmp_path: Path) -> None:
    clips = read_manifest(data)
    reasons = {clip.name: reason for clip, reason in track_clips(clips, tmp_path)}
    assert reasons["grid/b"] is None
    assert "no face" in str(reasons["news_ar/a"])
    tracked = track_path(tmp_path, clips[0])
    before = tracked.stat().st_mtime_ns
    list(track_clips(clips[:1], tmp_path))
    assert tracked.stat().st_mtime_ns == before

    encoded = {clip.name: reason for clip, reason in encode_clips(clips, tmp_path, FaceModel.load())}
    assert encoded["grid/b"] is None
    assert "30 are needed" in str(encoded["grid/c"])
    motion = ClipMotion.load(coefficients_path(tmp_path, clips[0]))
    assert motion.coefficients.shape == (60, 64)
    assert motion.valid.all()


def test_phones_are_heard_and_labels_aligned_where_a_transcript_fits(tmp_path: Path) -> None:
    texts = {
        "fits": "hello my name is Emma",
        "wrong": "five fishermen caught six sharks in the harbour",
        "heard": "",
        "silent": "",
    }
    audio = (32767 * np.clip(read_audio(SPEECH)[:32_000], -1, 1)).astype(np.int16)
    clips = [
        VideoClip(name, tmp_path / f"{name}.mp4", "train", "", "", "", True, "", text) for name, text in texts.items()
    ]
    for clip in clips:
        write_video(clip.path, talking_frames()[:60], sound=None if clip.name == "silent" else audio)
        coefficients_path(tmp_path, clip).parent.mkdir(exist_ok=True)
        blank = np.zeros(60, np.float32)
        ClipMotion(blank, blank, blank, blank > 0, blank).save(coefficients_path(tmp_path, clip))
    reasons = {clip.name: reason for clip, reason in label_clips(clips, tmp_path)}
    assert reasons["fits"] is None
    assert "does not match its audio" in str(reasons["wrong"])
    assert "contains no audio" in str(reasons["silent"])
    assert reasons["heard"] is None
    with np.load(posteriors_path(tmp_path, clips[0])) as stored:
        assert stored["frames"].shape == (60, 41)
        assert stored["frames"].astype(np.float32).sum(axis=1) == pytest.approx(1, abs=0.01)
        agree = stored["frames"].argmax(axis=1) == np.load(labels_path(tmp_path, clips[0]))
    assert agree.mean() > 0.5
    assert not posteriors_path(tmp_path, clips[1]).exists() and not labels_path(tmp_path, clips[2]).exists()


def test_neutral_clips_show_the_face_at_rest(data: Path, tmp_path: Path) -> None:
    clips = read_manifest(data)[:2]
    tracks = [object(), object()]
    assert reference_tracks(clips, tracks) == ([tracks[0]], True)  # type: ignore[arg-type]
    assert reference_tracks(clips[1:], tracks[1:]) == ([tracks[1]], False)  # type: ignore[arg-type]


def test_untracked_data_is_said_to_be_untracked(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no tracked clip"):
        list(encode_clips(read_manifest(data), tmp_path, FaceModel.load()))
