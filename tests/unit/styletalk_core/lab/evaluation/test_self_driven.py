"""Self-driven evaluation: its input, its baselines, and its metrics for motion with known answers."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from face_videos import talking_frames, write_video

from server.lab.composing import compose
from styletalk_core.audio import read_audio
from styletalk_core.errors import InputError
from styletalk_core.face.face_model import FaceModel
from styletalk_core.face.tracker import FaceTracker
from styletalk_core.lab.evaluation.articulators import Comparison
from styletalk_core.lab.evaluation.baselines import amplitude_jaw, mean_per_phone, still
from styletalk_core.lab.evaluation.clip import SelfDrivenClip, frame_loudness, read_clip
from styletalk_core.lab.evaluation.judgement import Judge, ShownMotion, shortened
from styletalk_core.lab.evaluation.rendered_frames import Reenactment
from styletalk_core.lab.evaluation.rendered_styles import RenderedStyles
from styletalk_core.lab.evaluation.style_classifier import StyleClassifier
from styletalk_core.lab.training.clips import shift
from styletalk_core.lab.training.evaluation import generate, judge, mean
from styletalk_core.lab.training.lips import LipMap
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.style_motion import StyleMotions
from styletalk_core.library.styles import EMOTIONS, StyleLibrary
from styletalk_core.models import checkpoint
from styletalk_core.phones import PHONES
from styletalk_core.recognizer.backends import open_backend
from styletalk_core.weights import MOTION, packaged_weights

SPEECH = Path(__file__).parents[4] / "data" / "speech" / "two_sentences.flac"
LIPS = LipMap.of(FaceModel.load())
MOTIONS = StyleMotions(StyleLibrary(None), FaceModel.load())


@cache
def speech(frames: int) -> np.ndarray:
    samples = read_audio(SPEECH)[: frames * 16_000 // 30]
    return (32767 * np.clip(samples, -1, 1)).astype(np.int16)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> SelfDrivenClip:
    path = tmp_path_factory.mktemp("clips") / "talk.mp4"
    write_video(path, talking_frames(), sound=speech(75))
    with FaceTracker() as tracker:
        return read_clip(path, tracker, open_backend("neural"), FaceModel.load(), every=25)


def test_a_clip_is_read_on_one_frame_grid(clip: SelfDrivenClip) -> None:
    frames = len(talking_frames())
    assert clip.motion.coefficients.shape == (frames, 64)
    assert clip.motion.phones is not None and clip.motion.phones.shape == (frames, len(PHONES))
    assert clip.loudness.shape == (frames,)
    assert clip.moments.tolist() == [0, 25, 50]
    assert [image.shape for image in clip.frames] == [(256, 256, 3)] * 3


def test_a_clip_without_a_face_for_long_is_refused(tmp_path: Path) -> None:
    frames = [*talking_frames()[:40], *[np.zeros((256, 256, 3), np.uint8)] * 35]
    path = write_video(tmp_path / "gone.mp4", frames, sound=speech(75))
    with FaceTracker() as tracker, pytest.raises(InputError, match="shows a face in 53% of 75 frames"):
        read_clip(path, tracker, open_backend("neural"), FaceModel.load(), every=25)


def test_loudness_is_in_decibels_of_full_scale() -> None:
    audio = np.concatenate([np.zeros(16_000, np.float32), np.full(16_000, 0.1, np.float32)])
    level = frame_loudness(audio, 75)
    assert level[:30].max() == -60 and level[30:60] == pytest.approx(-20, abs=0.01)
    assert level[60:].max() == -60, "frames beyond the sound are silent"


def test_baselines_do_what_their_names_say(clip: SelfDrivenClip) -> None:
    true = clip.motion.coefficients
    assert not still(clip, LIPS).any()
    jaw = LIPS.opening(amplitude_jaw(clip, LIPS))
    assert np.corrcoef(jaw, clip.loudness)[0, 1] == pytest.approx(1, abs=1e-3)
    assert jaw.std() == pytest.approx(LIPS.opening(true).std(), rel=1e-3)
    assert clip.motion.phones is not None
    heard = clip.motion.phones.argmax(axis=1)
    averaged = mean_per_phone(clip, LIPS)
    assert averaged.mean(axis=0) == pytest.approx(true.mean(axis=0), abs=1e-4)
    assert all(np.ptp(averaged[heard == phone], axis=0).max() == 0 for phone in np.unique(heard))


def test_the_true_motion_gives_the_best_image_metrics(clip: SelfDrivenClip) -> None:
    with FaceTracker() as tracker:
        reenactment = Reenactment(clip, tracker, FaceModel.load())
        true, unmoved = (reenactment.judge(m) for m in (clip.motion.coefficients, still(clip, LIPS)))
    assert true.m_lmd < 1.5 and true.m_lmd < 0.7 * unmoved.m_lmd and true.f_lmd < unmoved.f_lmd
    assert true.ssim > 0.8 and true.identity_similarity > 0.95


def test_rendered_motion_is_tracked_again(clip: SelfDrivenClip) -> None:
    with FaceTracker() as tracker:
        expression = clip.motion.coefficients
        still_ = np.zeros((len(expression), 2), np.float32)
        again = Reenactment(clip, tracker, FaceModel.load()).tracked(expression, clip.pose, still_, still_[:, 0])
    assert again is not None
    figures = Comparison(again, clip.seen, np.ones(len(again), np.bool_), 0).figures()
    assert figures["opening_correlation"] > 0.9 and 0.7 < figures["opening_range"] < 1.3


def test_a_style_is_recognized_on_a_portrait() -> None:
    """The real motion of the styles, drawn and tracked again; styles that are mistaken for each other are told."""
    library, model = StyleLibrary(None), FaceModel.load()
    styles = {name: library.get(name) for name in ("happy", "angry", "surprised")}
    with FaceTracker() as tracker:
        portrait = RenderedStyles(styles, AvatarLibrary(None).get("clara"), tracker, model)
        shown = {name: played(style.coefficients[:40]) for name, style in styles.items()}
        assert portrait.recognized(shown) == dict.fromkeys(styles, True)
        swapped = {"happy": shown["angry"], "angry": shown["happy"]}
        assert not any(portrait.recognized(swapped).values())


def played(expression: np.ndarray) -> ShownMotion:
    """A motion without head, gaze and blinks."""
    pose, gaze, blink = (np.zeros((len(expression), size), np.float32) for size in (6, 2, 1))
    return ShownMotion(expression, pose, gaze, blink[:, 0])


def test_the_classifier_knows_real_styles_that_it_has_not_seen() -> None:
    library = StyleLibrary(Path("none"))
    real = {name: library.get(name).coefficients for name in EMOTIONS}
    classifier = StyleClassifier({name: motion[: len(motion) // 2] for name, motion in real.items()})
    seen = [classifier.classify(motion[len(motion) // 2 :]) == name for name, motion in real.items()]
    assert np.mean(seen) >= 0.75


def test_a_figure_that_a_clip_lacks_does_not_count() -> None:
    assert mean([{"a": 1.0, "b": np.nan}, {"a": 3.0, "b": np.nan}])["a"] == 2
    assert np.isnan(mean([{"b": np.nan}])["b"])


def test_an_offset_of_the_audio_is_found_and_removed(clip: SelfDrivenClip) -> None:
    """The clip's video is the network's own motion, three frames ahead of the audio."""
    model = FaceModel.load()
    with FaceTracker() as tracker:
        judge_ = Judge(checkpoint.load(packaged_weights(MOTION)).model, model, LIPS, tracker, 2, compose, MOTIONS)
        assert clip.motion.phones is not None
        own = generate(judge_.network, clip.motion, clip.motion.coefficients, 2)
        late = replace(clip.motion, coefficients=own, phones=shift(clip.motion.phones, 3))
        moved, offset = judge_.in_step(replace(clip, motion=late))
    assert offset == 3
    assert moved.motion.phones is not None
    assert np.array_equal(moved.motion.phones[:-3], clip.motion.phones[:-3])
    assert np.array_equal(moved.loudness[:-3], clip.loudness[3:])


def test_a_shortened_clip_can_still_be_judged(clip: SelfDrivenClip) -> None:
    part = shortened(clip, 40)
    assert judge(part.motion.coefficients, part.motion, LIPS).lip_error_px == 0
