"""Head and upper face take the dynamics of a style's clip, in step with the speech, and never jump."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from time import thread_time

import numpy as np
import pytest

from streaming.frames.style_player import POSE, UPPER, StylePlayer

Float = np.ndarray
FRAMES = 240
STEADY = np.full(4000, 0.5)


@dataclass(frozen=True, eq=False)
class Database:
    """Implements `streaming.engine.MotionDatabase`."""

    motion: Float
    left: Float
    key: Float
    key_scale: Float


@dataclass(frozen=True, eq=False)
class Style:
    """Implements `streaming.engine.StyleMotion`."""

    clips: tuple[Database, ...]
    shares: tuple[float, ...] = (1.0,)
    gain: float = 1.0
    posture: Float = field(default_factory=lambda: np.zeros(POSE, np.float32))
    nodding: float = 1.0
    base: Database | None = None
    borrowing: float = 0.0


def database(seed: int, columns: int = POSE + UPPER, size: float = 0.05, parts: int = 1) -> Database:
    """Smooth random motion of a given deviation; breaks off at the end of every part."""
    random = np.random.default_rng(seed)
    window = np.hanning(15) / np.sqrt((np.hanning(15) ** 2).sum())
    noise = random.standard_normal((FRAMES + 14, columns))
    motion = np.stack([np.convolve(column, window, mode="valid") for column in noise.T], axis=1) * size
    motion = (motion - motion.mean(axis=0)).astype(np.float32)
    left = np.tile(np.arange(FRAMES // parts - 1, -1, -1), parts).astype(np.int32)
    speech = np.stack([np.roll(np.sin(np.arange(FRAMES) / 6), lag) for lag in (0, 4, 8, 12)], axis=1)
    speed = np.diff(motion[:, :POSE], axis=0, append=motion[-1:, :POSE])
    scale = np.concatenate([np.full(columns, 1 / size / 7), np.full(POSE, 3 / size), np.full(4, 0.5)])
    key = np.concatenate([motion, speed, speech], axis=1) * scale
    return Database(motion, left, key.astype(np.float32), scale.astype(np.float32))


BASE = database(9, POSE)
STYLE = Style((database(1),), base=BASE)


def played(player: StylePlayer, energy: Float, speaking: float = 1.0) -> tuple[Float, Float]:
    frames = [player.step(speaking, float(value)) for value in energy]
    return np.array([pose for pose, _ in frames]), np.array([upper for _, upper in frames])


def player(style: Style = STYLE, seed: int = 0) -> StylePlayer:
    made = StylePlayer(np.random.default_rng(seed))
    made.follow(style, 0.0)
    return made


def speech(frames: int, seed: int = 3) -> Float:
    """Loudness of syllables and pauses."""
    random = np.random.default_rng(seed)
    syllables = np.abs(np.sin(np.arange(frames) * 0.5)) * np.repeat(random.random(frames // 20 + 1), 20)[:frames]
    return syllables * (np.repeat(random.random(frames // 60 + 1) > 0.3, 60)[:frames])


@pytest.mark.parametrize("parts", [1, 6])
def test_range_is_that_of_the_clip(parts: int) -> None:
    style = Style((database(1, parts=parts),), base=BASE)
    pose, upper = played(player(style), speech(4000))
    true = style.clips[0].motion.std(axis=0)
    assert 0.75 < np.median(pose.std(axis=0) / true[:POSE]) < 1.25
    assert 0.75 < np.median(upper.std(axis=0) / true[POSE:]) < 1.25


def test_neither_position_nor_speed_jumps() -> None:
    pose, upper = played(player(), speech(4000))
    for shown, true in ((pose, STYLE.clips[0].motion[:, :POSE]), (upper, STYLE.clips[0].motion[:, POSE:])):
        assert np.abs(np.diff(shown, axis=0)).max() < 1.7 * np.abs(np.diff(true, axis=0)).max()
        assert np.abs(np.diff(shown, 2, axis=0)).max() < 3 * np.abs(np.diff(true, 2, axis=0)).max()


def test_motion_goes_on_and_does_not_repeat() -> None:
    pose, _ = played(player(), STEADY)
    yaw = pose[500:, 1] - pose[500:, 1].mean()
    lagged = [np.corrcoef(yaw[:-lag], yaw[lag:])[0, 1] for lag in range(60, 900, 10)]
    assert max(lagged) < 0.6
    assert min(np.ptp(part) for part in np.split(pose[:, 1], 40)) > 0.01


def test_the_head_moves_faster_while_the_voice_is_loud() -> None:
    energy = speech(6000)
    pose, _ = played(player(), energy)
    window = np.ones(15) / 15
    speed = np.convolve(np.linalg.norm(np.diff(pose[:, :3], axis=0), axis=1), window, mode="same")
    level = np.convolve(energy[1:], window, mode="same")
    shuffled = [np.corrcoef(speed, np.roll(level, 500 * step))[0, 1] for step in range(1, 11)]
    assert np.corrcoef(speed, level)[0, 1] > 0.15 + np.mean(shuffled)


def test_a_listener_moves_less_than_a_speaker() -> None:
    speaking, _ = played(player(), STEADY)
    listening, _ = played(player(), np.zeros(4000), speaking=0.0)
    assert np.abs(np.diff(listening, axis=0)).mean() < 0.6 * np.abs(np.diff(speaking, axis=0)).mean()
    assert listening[:, 1].std() > 0.01


def test_the_same_seed_moves_alike_and_another_does_not() -> None:
    one, again, other = (played(player(seed=seed), speech(300))[0] for seed in (1, 1, 2))
    assert (one == again).all() and not np.allclose(one, other)


@pytest.mark.parametrize("fade_s", [0.0, 0.3, 2.0])
def test_switching_styles_does_not_jump(fade_s: float) -> None:
    lively = Style((database(2, size=0.1),), posture=np.full(POSE, 0.05, np.float32), base=BASE, borrowing=1.0)
    moving = player()
    steps = []
    for style in (lively, STYLE, replace(lively, gain=1.5), STYLE):
        pose, upper = played(moving, STEADY[:100])
        steps.append(np.concatenate([pose, 0.1 * upper], axis=1))
        moving.follow(style, fade_s)
    shown = np.concatenate(steps)
    recorded = np.abs(np.diff(1.5 * lively.clips[0].motion[:, :POSE], axis=0)).max()
    assert np.abs(np.diff(shown, axis=0)).max() < 1.3 * recorded


def test_a_switch_takes_effect_at_once() -> None:
    moving = player(Style((database(1, size=0.01),), base=BASE))
    before = played(moving, STEADY[:300])[0]
    moving.follow(Style((database(2, size=0.1),), base=BASE), 0.2)
    after = played(moving, STEADY[:120])[0]
    assert after[30:].std(axis=0)[:3].min() > 2 * before.std(axis=0)[:3].max()


def test_a_blend_plays_every_clip_by_its_share() -> None:
    still, moved = database(1, size=1e-6), database(2)
    shares = {0.25: 0.0, 0.75: 0.0}
    for share in shares:
        pose, _ = played(player(Style((still, moved), (1 - share, share), base=BASE)), np.tile(STEADY, 3))
        shares[share] = float((np.abs(np.diff(pose[:, 1])) > 1e-4).mean())
    assert 0.1 < shares[0.25] < 0.5 < shares[0.75] < 0.95


def test_a_style_whose_head_is_still_borrows_a_conversation() -> None:
    still = Style((database(1, size=1e-6),), base=BASE, borrowing=1.0)
    pose, _ = played(player(still), speech(4000))
    assert 0.7 < np.median(pose.std(axis=0) / BASE.motion.std(axis=0)) < 1.3
    alone, _ = played(player(replace(still, borrowing=0.0)), speech(400))
    assert np.abs(alone[100:]).max() < 1e-3


def test_intensity_widens_and_posture_moves_the_mean() -> None:
    usual, _ = played(player(), STEADY)
    sunk = replace(STYLE, gain=1.5, posture=np.array([0.1, 0, 0, 0, 0, 0], np.float32))
    strong, _ = played(player(sunk), STEADY)
    assert 1.2 < strong[:, 2].std() / usual[:, 2].std() < 1.7
    assert strong[300:, 0].mean() == pytest.approx(usual[300:, 0].mean() + 0.1, abs=0.03)


def test_the_head_stays_within_what_a_picture_can_show() -> None:
    wild = Style((database(1, size=1.0),), base=BASE)
    pose, _ = played(player(wild), speech(1000))
    assert np.abs(pose[:, :3]).max() < 0.33 and np.abs(pose[:, 3:5]).max() < 0.23


def test_a_clip_of_two_seconds_is_enough() -> None:
    whole = database(1)
    short = Database(whole.motion[:60], whole.left[-60:], whole.key[:60], whole.key_scale)
    pose, _ = played(player(Style((short,), base=BASE)), speech(2000))
    assert np.isfinite(pose).all() and pose[:, 1].std() > 0.3 * short.motion[:, 1].std()


def test_a_frame_costs_less_than_a_tenth_of_a_millisecond() -> None:
    moving, energy = player(), speech(3000)
    played(moving, energy[:100])
    quickest = []
    for begin, end in pairwise(range(100, 3000, 400)):
        began = thread_time()
        played(moving, energy[begin:end])
        quickest.append((thread_time() - began) / (end - begin))
    assert min(quickest) < 2e-4, "with room for a slow machine"
