"""`styletalk evaluate` follows the CLI contract and skips unusable clips with a reason."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from face_videos import noise_frames, talking_frames, write_video

from server.cli import main
from styletalk_core.audio import read_audio
from styletalk_core.lab.evaluation.articulators import ARTICULATORS

SPEECH = Path(__file__).parents[4] / "data" / "speech" / "two_sentences.flac"
CONTRACT = {
    "opening_correlation", "best_lag_frames", "opening_std_ratio", "lip_error_px", "lip_error_mean_mouth_px",
    "lip_error_still_px", "closure_recall", "closure_precision", "f_lmd", "m_lmd", "ssim", "cpbd",
    "closed_share", "closed_share_true",
    *(f"{name}_{figure}" for name in ARTICULATORS for figure in ("correlation", "range")),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips")
    audio = (32767 * np.clip(read_audio(SPEECH)[:40_000], -1, 1)).astype(np.int16)
    write_video(path / "good.mp4", talking_frames(), sound=audio)
    write_video(path / "mute.mp4", talking_frames()[:40])
    write_video(path / "faceless.mp4", noise_frames(40), sound=audio[:20_000])
    write_video(path / "short.mp4", talking_frames()[:3], sound=audio[:1600])
    (path / "broken.mp4").write_bytes(b"no video at all")
    return path


def evaluate(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert main(["evaluate", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_folder_is_judged_beside_three_baselines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = evaluate(capsys, str(folder), "--every", "25")
    assert set(result["mean"]) >= CONTRACT
    assert [set(clip) >= CONTRACT | {"clip"} for clip in result["clips"]] == [True]
    assert set(result["baselines"]) == {"still", "mean_per_phone", "amplitude_jaw"}
    still = result["baselines"]["still"]
    assert still["lip_error_px"] == pytest.approx(result["mean"]["lip_error_still_px"])
    assert len(result["styles"]["recognized"]) == 8 and 0 <= result["mean"]["style_accuracy"] <= 1
    assert result["style_ranges"]["sad"]["opening"] > 0 and "animated" in result["style_ranges"]
    assert set(result["style_ranges"]["neutral"]) >= {"opening", "brows", "silence_closed"}
    assert set(result["styles"]) == {"recognized", "closure_recall", "opening_std_ratio"}
    assert len(result["styles"]["opening_std_ratio"]) == 8 and min(result["styles"]["opening_std_ratio"].values()) > 0
    reasons = {"mute": "contains no audio", "faceless": "no face", "short": "of 3 frames", "broken": "not a readable"}
    assert set(result["skipped"]) == set(reasons)
    assert all(part in result["skipped"][name] for name, part in reasons.items())


def test_the_renderer_is_judged_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = evaluate(capsys, str(folder), "--renderer-only", "--every", "25")
    assert set(result["mean"]) >= {
        "ssim",
        "cpbd_ratio",
        "m_lmd",
        "mouth_l1",
        "mouth_l1_plain_warp",
        "mouth_contrast_wide",
    }
    inside = {name for name in result["mean"] if name.startswith(("mouth_contrast_", "mouth_brightness_"))}
    assert {"mouth_contrast_ratio", "mouth_contrast_wide", "mouth_brightness_narrow"} <= inside
    told = {name for name in result["mean"] if name.startswith("told_from_real_")}
    assert {"told_from_real_mouth", "told_from_real_eyes_encoded_again"} <= told
    assert all(result["mean"][name] is None for name in told), "one person is too few for the critic"
    assert all(math.isfinite(value) for name, value in result["mean"].items() if name not in inside | told)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere is not a folder"),
        (["."], "contains no .mp4 clip"),
        ([".", "--every", "0"], "--every must be at least 1"),
        ([".", "--future-frames", "6"], "from 0 to 5"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_of_nothing_but_unusable_clips_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mute.mp4").write_bytes((folder / "mute.mp4").read_bytes())
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "no clip could be used; the first: " in capsys.readouterr().err.splitlines()[-1]
