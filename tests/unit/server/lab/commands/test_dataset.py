"""`styletalk dataset build` tracks, encodes and labels clips, and records why it skipped some."""

import json
from pathlib import Path

import numpy as np
import pytest
from face_videos import noise_frames, talking_frames, write_video

from server.cli import main
from styletalk_core.audio import read_audio

SPEECH = Path(__file__).parents[4] / "data" / "speech" / "two_sentences.flac"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "video"
    folder.mkdir(parents=True)
    audio = (32767 * np.clip(read_audio(SPEECH)[:24_000], -1, 1)).astype(np.int16)
    write_video(folder / "talk.mp4", talking_frames()[:45], sound=audio)
    write_video(folder / "fog.mp4", noise_frames(40))
    rows = ["clip split source speaker style audio licence text"]
    rows += [f"{name} train Web ann neutral {heard} free " for name, heard in (("talk", "yes"), ("fog", "no"))]
    (folder / "manifest.tsv").write_text("".join(row.replace(" ", "\t") + "\n" for row in rows))
    return tmp_path / "data"


def test_a_usable_clip_is_processed_and_an_unusable_one_is_reported(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["dataset", "build", "--data", str(data), "--out", str(out), "--tracks-only"]) == 0
    assert "1 clips; 1 skipped, see skipped.json" in capsys.readouterr().out
    assert (out / "tracks/talk.npz").exists() and not (out / "coefficients").exists()
    assert main(["dataset", "build", "--data", str(data), "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["clips"] == 1 and list(told["skipped"]) == ["fog"], told
    assert json.loads((out / "skipped.json").read_text()) == told["skipped"]
    assert (out / "coefficients/talk.npz").exists() and list((out / "posteriors").rglob("talk*"))
