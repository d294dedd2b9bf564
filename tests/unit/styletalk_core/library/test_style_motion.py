"""Head and upper face of styles: every preset has them, blends and intensity act on them, old files borrow them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streaming.engine import MotionDatabase, StyleMotion
from streaming.frames.composer import Composer
from streaming.frames.style_player import UPPER
from streaming.units import FRAME_TICKS
from styletalk_core.audio import read_audio
from styletalk_core.errors import InputError
from styletalk_core.face.eyelids import blinking, lid_gaps, lid_gaps_of, shut_eye
from styletalk_core.face.face_model import LOWER, FaceModel
from styletalk_core.lab.evaluation.articulators import head_follows, of_motion, ranges
from styletalk_core.lab.evaluation.clip import frame_loudness
from styletalk_core.library.style_motion import StyleMotions, frames_left
from styletalk_core.library.styles import CONVERSATIONAL, NEUTRAL, Style, StyleLibrary

SPEECH = Path(__file__).parents[3] / "data" / "speech" / "two_sentences.flac"
FRAMES = 1600
MODEL = FaceModel.load()
LIBRARY = StyleLibrary(Path("none"))


@pytest.fixture(scope="module")
def motions() -> StyleMotions:
    return StyleMotions(LIBRARY, MODEL)


@pytest.mark.parametrize("name", LIBRARY.names())
def test_every_preset_moves_head_and_brows(motions: StyleMotions, name: str) -> None:
    motion: StyleMotion = motions.blend(name, 1.0)
    database: MotionDatabase = motion.clips[0]
    frames = LIBRARY.get(name).frames_used
    assert UPPER == 64 - LOWER
    assert database.motion.shape == (frames, 6 + UPPER) and len(database.left) == len(database.key) == frames
    assert np.abs(database.motion[:, :6].mean(axis=0)).max() < 1e-4
    assert database.motion[:, 6:].std(axis=0).max() > 0.1, "the brows move"
    assert database.motion[:, :3].std(axis=0).max() > 0.01 or motion.borrowing > 0.5, "the head moves"
    assert database.left.max() >= 20 and 0.5 <= motion.nodding <= 2


@pytest.mark.parametrize("name", LIBRARY.names())
def test_a_call_keeps_the_range_of_the_clip_and_follows_the_speech(motions: StyleMotions, name: str) -> None:
    style = LIBRARY.get(name)
    composer, mean = Composer(0), style.coefficients.mean(axis=0)
    composer.follow(motions.blend(name, 1.0), 0.0)
    level = np.tile(10 ** (frame_loudness(read_audio(SPEECH), FRAMES // 8) / 20), 8)
    frames = [
        composer.compose(i * FRAME_TICKS, 0, mean, bool(level[i] > 0.005), float(level[i])) for i in range(FRAMES)
    ]
    shown, pose = (np.stack([getattr(frame, part) for frame in frames]) for part in ("expression", "pose"))
    range_ = ranges(of_motion(shown, pose, MODEL), of_motion(style.coefficients, style.pose, MODEL))
    assert 0.6 <= range_["brows"] < 1.5 and range_["lids"] < 1.6
    assert min(range_["head_yaw"], range_["head_pitch"], range_["head_roll"]) >= 0.6
    follows, shuffled = head_follows(pose, level)
    assert follows > 0.2 + abs(shuffled)


def test_manners_of_the_head_differ(motions: StyleMotions) -> None:
    head = {name: LIBRARY.get(name).pose[:, :3].std(axis=0) for name in LIBRARY.names()}
    assert np.linalg.norm(head["animated"]) > 2 * np.linalg.norm(head["whispered"])
    assert motions.blend("newsreader", 1.0).nodding >= 1
    assert motions.blend("sad", 1.0).posture[0] > 0.01, "the head sinks"


def test_a_call_starts_with_a_lively_head() -> None:
    pose = LIBRARY.get(CONVERSATIONAL).pose
    assert np.sqrt(pose[:, :3].var(axis=0).sum()) > 0.04


def test_intensity_zero_is_neutral_and_more_is_wider(motions: StyleMotions) -> None:
    neutral, none, half, strong = (
        motions.blend(*choice) for choice in ((NEUTRAL, 1.0), ("happy", 0.0), ("happy", 0.5), ("happy", 1.5))
    )
    assert none.clips == neutral.clips and none.shares == (1.0,) and none.gain == 1
    assert half.shares == (0.5, 0.5)
    assert strong.gain == 1.5 and len(strong.clips) == 1


def test_a_blend_has_the_shares_of_its_styles(motions: StyleMotions) -> None:
    blend = motions.blend({"happy": 0.25, "sad": 0.75}, 1.0)
    assert blend.shares == pytest.approx((0.25, 0.75))
    sad, happy = (motions.blend(name, 1.0) for name in ("sad", "happy"))
    assert blend.posture == pytest.approx(0.25 * happy.posture + 0.75 * sad.posture)


def test_a_style_without_a_head_borrows_a_conversation(motions: StyleMotions) -> None:
    old = replace(LIBRARY.get("animated"), pose=np.zeros_like(LIBRARY.get("animated").pose))
    assert motions.of_style(old).borrowing == 1 and motions.blend("animated", 1.0).borrowing < 0.2
    assert np.sqrt(motions.of_style(old).base.motion[:, :3].var(axis=0).sum()) > 0.04


def test_unknown_styles_are_refused(motions: StyleMotions) -> None:
    with pytest.raises(InputError, match="no style called 'nobody'"):
        motions.blend("nobody", 1.0)


def test_blinks_are_no_part_of_the_upper_face(motions: StyleMotions) -> None:
    direction = lid_gaps(MODEL.directions).mean(axis=-1)
    blink = np.zeros((100, 64), np.float32)
    blink[50:55] = -direction / (direction @ direction) * 0.9 * lid_gaps(MODEL.mean).mean()
    blink[:, LOWER:] += np.sin(np.arange(100) / 5)[:, None] * 0.02
    assert blinking(lid_gaps_of(blink, MODEL).mean(axis=-1)).any()
    style = Style.of_motion("blinks", blink, np.zeros((100, 6), np.float32), np.ones(100, bool), "a.mp4", 1.0)
    upper = motions.of_style(style).clips[0].motion[:, 6:] + blink[:, LOWER:].mean(axis=0)
    assert np.abs(upper).max() < 0.05, "around the mean of the decoder, which has blinks"


def test_no_stretch_crosses_the_end_of_a_part() -> None:
    style = replace(LIBRARY.get(NEUTRAL), starts=np.array([0, 30, 100], np.int32))
    left = frames_left(style)
    assert left[29] == left[99] == left[-1] == 0 and left[0] == 29 and left[30] == 69


def test_presets_keep_both_eyes_open() -> None:
    assert not [name for name in LIBRARY.names() if shut_eye(LIBRARY.get(name).coefficients, MODEL) is not None]
