"""The motion training learns, resumes exactly, and stops with a clear error."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from styletalk_core.errors import InputError
from styletalk_core.face.face_model import FaceModel
from styletalk_core.lab.training import config as settings
from styletalk_core.lab.training.alignment import estimate_offsets
from styletalk_core.lab.training.batches import STRETCH, Batches, people_balanced
from styletalk_core.lab.training.clips import MotionClip, shift, windows
from styletalk_core.lab.training.evaluation import best_correlation, closure_scores, judge
from styletalk_core.lab.training.lips import CLOSED, LipMap
from styletalk_core.lab.training.mirror import mirror_map
from styletalk_core.lab.training.model_card import model_card
from styletalk_core.lab.training.posing import Pose, Posing
from styletalk_core.lab.training.trainer import DivergenceError, MotionTraining, dropped
from styletalk_core.phones import CONTEXT, INDEX, PHONES, SIL_INDEX

CONFIG = replace(
    settings.Config(),
    network=settings.NetworkConfig(width=16, heads=2, feed_forward=32, layers=2, phone_embedding=8),
    data=settings.DataConfig(clips=3, frames=40, style_frames=40),
    optimisation=settings.OptimisationConfig(rate=5e-3, dropout=0.1, warmup=1),
)


@pytest.fixture(scope="module")
def lips() -> LipMap:
    return LipMap.of(FaceModel.load())


def talking(name: str, lips: LipMap, source: str = "GRID", frames: int = 90, lag: int = 0) -> MotionClip:
    """A clip whose mouth opens ``lag`` frames after every AA."""
    random = np.random.default_rng(abs(hash_of(name)))
    voiced = np.repeat(random.random(frames // 6 + 1) < 0.5, 6)[:frames]
    ids = np.where(voiced, INDEX["AA"], SIL_INDEX)
    phones = np.eye(len(PHONES), dtype=np.float32)[ids]
    opening = np.convolve(np.roll(voiced, lag), np.ones(3) / 3, mode="same")
    direction = lips.gap / (lips.gap @ lips.gap)
    motion = (0.15 * opening[:, None] * direction + 0.02 * random.standard_normal((frames, 64))).astype(np.float32)
    return MotionClip(name, source, name.split("/")[0], "train", motion, phones)


def hash_of(name: str) -> int:
    return int.from_bytes(name.encode(), "big") % 2**32


@pytest.fixture(scope="module")
def clips(lips: LipMap) -> list[MotionClip]:
    return [talking(f"{person}/{index}", lips) for person in ("ann", "bob") for index in range(3)]


@pytest.fixture
def training(clips: list[MotionClip], lips: LipMap) -> MotionTraining:
    return make_training(clips, lips)


def make_training(clips: list[MotionClip], lips: LipMap) -> MotionTraining:
    batches = Batches(clips, CONFIG.data, CONFIG.augmentation, lips, mirror_map(FaceModel.load()))
    return MotionTraining(CONFIG, batches, lips, torch.device("cpu"))


def test_a_resumed_training_continues_exactly(
    training: MotionTraining, clips: list[MotionClip], lips: LipMap, tmp_path: Path
) -> None:
    training.train_step(0.1)
    training.save(tmp_path / "last.pt")
    straight = training.train_step(0.2)
    resumed = make_training(clips, lips)
    resumed.resume(tmp_path / "last.pt")
    assert resumed.train_step(0.2) == straight


def test_only_the_middle_of_a_bilabial_is_said_in_many_styles(lips: LipMap) -> None:
    clips = [talking(f"ann/{index}", lips) for index in range(3)]
    for clip in clips:
        assert clip.phones is not None
        clip.phones[::9] = np.eye(len(PHONES), dtype=np.float32)[INDEX["M"]]
    plain = replace(CONFIG.augmentation, speed=0.0, noise=0.0, hard=0.0, silence=0.0)
    with_bilabials = Batches(clips, CONFIG.data, plain, lips, mirror_map(FaceModel.load()))[0].contact_phones
    assert with_bilabials.shape[0] == CONFIG.data.foreign and with_bilabials.shape[1] > 0
    assert (with_bilabials[:, :, CONTEXT, INDEX["M"]] == 1).all()
    assert (with_bilabials[:, :, CONTEXT - 1, INDEX["M"]] == 0).all()


def test_the_loss_falls(training: MotionTraining) -> None:
    terms = [training.train_step(0.0)["reconstruction"] for _ in range(40)]
    assert np.mean(terms[-10:]) < 0.9 * np.mean(terms[:10])


@pytest.mark.parametrize("part", ["lower", "lower.tail"])
def test_only_the_named_part_is_trained(part: str, clips: list[MotionClip], lips: LipMap) -> None:
    config = replace(
        CONFIG,
        objective=settings.ObjectiveConfig(style=0, temporal=0, triplet=0),
        optimisation=replace(CONFIG.optimisation, part=part),
    )
    batches = Batches(clips, CONFIG.data, CONFIG.augmentation, lips, mirror_map(FaceModel.load()))
    training = MotionTraining(config, batches, lips, torch.device("cpu"))
    before = {name: weight.clone() for name, weight in training.model.named_parameters()}
    training.train_step(0.0)
    changed = {name for name, weight in training.model.named_parameters() if not torch.equal(weight, before[name])}
    assert changed and all(name.startswith(f"{part}.") for name in changed)


def test_the_lower_face_alone_moves_as_in_the_whole_network(clips: list[MotionClip], lips: LipMap) -> None:
    whole = make_training(clips, lips)
    whole.model.eval()
    batch, still = whole.batches[0], replace(CONFIG.optimisation, part="lower", dropout=0.0)
    code = whole.model.style_encoder(batch.style)
    whole.config = replace(CONFIG, optimisation=still)
    alone = whole._decode(batch.phones, code)
    expected = whole.model.decode(batch.phones, whole.model.mix_style(code))
    assert torch.allclose(alone[..., :13], expected[..., :13], atol=1e-5)


def test_dropout_keeps_the_mean_and_depends_on_the_seed() -> None:
    torch.manual_seed(1)
    first = dropped(torch.ones(333, 301), 0.3)
    torch.manual_seed(1)
    assert torch.equal(first, dropped(torch.ones(333, 301), 0.3))
    assert float((first == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert float(first.mean()) == pytest.approx(1, abs=0.01)
    assert torch.equal(dropped(first, 0.0), first)


def test_known_words_are_mixed_into_what_is_heard(clips: list[MotionClip], lips: LipMap) -> None:
    aligned = [replace(clip, aligned=np.roll(clip.phones, 1, axis=1)) for clip in clips]
    plain = settings.AugmentationConfig(transfer=0.0, mirror=0.0, speed=0.0, silence=0.0, noise=0.0, hard=0.0)
    mirror = mirror_map(FaceModel.load())

    def certainty(share: float) -> torch.Tensor:
        batch = Batches(aligned, CONFIG.data, replace(plain, aligned=share), lips, mirror)[0]
        return batch.phones[:, :, CONTEXT].amax(dim=-1)

    assert certainty(0.0).min() > 0.99
    assert 0.5 <= certainty(1.0).mean() < 0.9


def test_a_batch_depends_on_its_number_alone(training: MotionTraining) -> None:
    first, again, other = training.batches[5], training.batches[5], training.batches[6]
    assert torch.equal(first.target, again.target) and torch.equal(first.phones, again.phones)
    assert first.names != other.names or not torch.equal(first.target, other.target)


def test_a_loss_that_is_not_finite_names_the_clips(clips: list[MotionClip], lips: LipMap) -> None:
    broken = [replace(clip, coefficients=clip.coefficients * np.nan) for clip in clips]
    training = make_training(clips, lips)
    training.batches._spoken = training.batches._long = broken
    with pytest.raises(DivergenceError, match=r"step 0, clips (ann|bob)/"):
        training.train_step(0.0)


def test_resuming_with_other_settings_is_refused(training: MotionTraining, tmp_path: Path) -> None:
    training.save(tmp_path / "last.pt")
    training.config = replace(CONFIG, data=replace(CONFIG.data, seed=9))
    with pytest.raises(InputError, match=r"\[data\]"):
        training.resume(tmp_path / "last.pt")


def test_the_lag_of_a_wild_clip_is_found_and_removed(lips: LipMap) -> None:
    clips = [talking(f"grid/{index}", lips) for index in range(20)]
    clips += [talking(f"wild/{index}", lips, source="wild", lag=3) for index in range(4)]
    offsets = estimate_offsets(clips, {clip.name: lips.opening(clip.coefficients) for clip in clips})
    assert {offsets[f"wild/{index}"].frames for index in range(4)} == {4}
    assert offsets["grid/0"].frames == 1


def test_lips_that_do_not_move_with_the_sound_do_not_agree(lips: LipMap) -> None:
    clips = [talking(f"grid/{index}", lips) for index in range(20)]
    clips += [talking(f"wild/{index}", lips, source="wild") for index in range(4)]
    noise = np.random.default_rng(5).standard_normal((90, 64)).astype(np.float32)
    clips[-1] = replace(clips[-1], coefficients=noise)
    offsets = estimate_offsets(clips, {clip.name: lips.opening(clip.coefficients) for clip in clips})
    assert offsets["wild/3"].agreement < 0.5 < 0.7 < offsets["wild/0"].agreement


def test_a_person_of_whom_there_is_much_counts_no_more_and_a_network_half(lips: LipMap) -> None:
    much = [replace(talking(f"ann/{index}", lips, source="wild"), person="ann") for index in range(40)]
    little = replace(talking("bob/1", lips, source="wild"), person="bob")
    made = replace(talking("eve/1", lips, source="generated: by a network"), person="eve")
    weight = people_balanced([*much, little, made])
    assert sum(weight[clip.name] for clip in much) == pytest.approx(900)
    assert weight["bob/1"] == 90 and weight["eve/1"] == 45


def test_stretches_of_speech_are_successive_frames(clips: list[MotionClip], lips: LipMap) -> None:
    batch = Batches(clips, CONFIG.data, CONFIG.augmentation, lips, mirror_map(FaceModel.load()))[0]
    stretches = batch.foreign_phones.unflatten(1, (-1, STRETCH))
    past = stretches[:, :, 1:, : CONTEXT - 1].argmax(dim=-1)
    assert torch.equal(past, stretches[:, :, :-1, 1:CONTEXT].argmax(dim=-1))


def test_unknown_future_columns_are_silent() -> None:
    phones = np.eye(len(PHONES), dtype=np.float32)[np.arange(20)]
    cut = windows(phones, future=2)
    assert cut.shape == (20, 11, 41)
    assert np.array_equal(cut[10, : CONTEXT + 3], phones[5:13])
    assert (cut[10, CONTEXT + 3 :].argmax(axis=1) == SIL_INDEX).all()
    assert cut[0, 0, SIL_INDEX] == 1


def test_shifted_columns_fill_with_silence() -> None:
    phones = np.eye(len(PHONES), dtype=np.float32)[np.arange(6)]
    assert shift(phones, 2).argmax(axis=1).tolist() == [SIL_INDEX, SIL_INDEX, 0, 1, 2, 3]
    assert shift(phones, -2).argmax(axis=1).tolist() == [2, 3, 4, 5, SIL_INDEX, SIL_INDEX]


def test_mirroring_keeps_the_mouth_opening(lips: LipMap) -> None:
    motion = np.random.default_rng(0).standard_normal((50, 64)).astype(np.float32)
    mirrored = motion @ mirror_map(FaceModel.load())
    assert np.corrcoef(lips.opening(motion), lips.opening(mirrored))[0, 1] > 0.98


def test_a_late_mouth_has_a_positive_lag() -> None:
    true = np.random.default_rng(0).standard_normal(100).astype(np.float32)
    correlation, lag = best_correlation(np.roll(true, 2), true)
    assert lag == 2 and correlation > 0.95


def test_closure_counts_bilabials_and_closures_amid_speech() -> None:
    heard = np.full(30, INDEX["AA"])
    heard[[5, 20]] = INDEX["M"]
    opening = np.full(30, 0.1, dtype=np.float32)
    opening[[6, 12]] = 0.0
    assert closure_scores(opening, heard) == (0.5, 0.5)


def test_the_truth_judged_by_itself_is_perfect(clips: list[MotionClip], lips: LipMap) -> None:
    figures = judge(clips[0].coefficients, clips[0], lips)
    assert figures.opening_correlation == pytest.approx(1, abs=1e-5)
    assert figures.lip_error_px == 0 and figures.opening_std_ratio == pytest.approx(1, abs=1e-3)
    assert min(figures.lip_error_still_px, figures.lip_error_mean_mouth_px) > 1


def test_added_silence_closes_the_lips(clips: list[MotionClip], lips: LipMap) -> None:
    silent = replace(CONFIG.augmentation, transfer=0.0, speed=0.0, silence=1.0, mirror=0.0)
    batches = Batches(clips, CONFIG.data, silent, lips, mirror_map(FaceModel.load()))
    random = np.random.default_rng(0)
    motion, columns = batches._with_silence(random, clips[0].coefficients + lips.gap, np.roll(clips[0].phones, 0))
    calm = np.flatnonzero((columns == np.eye(41)[SIL_INDEX]).all(axis=1) & (clips[0].phones[:, SIL_INDEX] < 1))
    assert len(calm) > 8
    assert (lips.opening(motion)[calm[4:-4]] < CLOSED).mean() > 0.8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[netwrok]\nwidth = 3", r"unknown table \[netwrok\]"),
        ("[network]\nwitdh = 3", r"unknown key witdh in \[network\]"),
        ('[network]\nwidth = "big"', "network.width must be int"),
        ("[network", "cannot be read"),
        ('[data]\nlicence = "any"', "must be all or free"),
        ("[data]\nstride = 3", "data.stride must be 1 or 2, not 3"),
        ('[optimisation]\npart = "upper"', "optimisation.part must be one of all, lower, lower.tail, not 'upper'"),
        ('[optimisation]\npart = "lower"', "needs style = temporal = triplet = 0"),
    ],
)
def test_wrong_settings_are_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        settings.read(tmp_path / "c.toml")


def test_the_card_says_what_went_in(clips: list[MotionClip]) -> None:
    card = model_card(CONFIG, [*clips, replace(clips[0], phones=None)], 7, {"unseen people": {"lip_error_px": 1.0}})
    assert card["trained_on"] == {"GRID": "7 clips, 0.3 min, 1 without audio"}
    assert card["steps"] == 7 and "research use" in card["terms"]


def test_the_default_file_holds_every_setting() -> None:
    assert settings.read(settings.DEFAULT) == settings.Config()


def test_the_settings_of_the_lower_face_and_of_free_material_can_be_used() -> None:
    assert settings.read(settings.DEFAULT.with_name("lower_face.toml")).optimisation.part == "lower"
    assert settings.read(settings.DEFAULT.with_name("free.toml")).data.licence == "free"


def test_a_posed_clip_holds_its_expression_moves_more_and_still_closes_its_lips(lips: LipMap) -> None:
    posing, clip = Posing(FaceModel.load(), lips), talking("ann/1", lips)
    smile = posing.expression({"mouthSmile": 0.8})
    closed = clip.coefficients - np.minimum(lips.opening(clip.coefficients), 0)[:, None] * lips.gap / (
        lips.gap @ lips.gap
    )
    posed = posing.apply(closed, Pose(smile, np.full(64, 2.0, np.float32)))
    corners = (lips.articulated(posed) - lips.articulated(closed)).mean(axis=0)[2]
    assert corners > 0.3 * lips.articulated(smile)[2] > 0
    assert posed[:, 13:].std() > 1.9 * closed[:, 13:].std()
    shut = lips.opening(closed) < 1e-4
    assert shut.any() and lips.opening(posed)[shut].max() < CLOSED


def test_a_style_and_what_is_said_in_it_are_posed_alike(clips: list[MotionClip], lips: LipMap) -> None:
    face, plain = FaceModel.load(), settings.AugmentationConfig(transfer=0, mirror=0, silence=0, speed=0)
    batches = [
        Batches(clips, CONFIG.data, replace(plain, posed=share), lips, mirror_map(face), Posing(face, lips))[0]
        for share in (0.0, 1.0)
    ]
    distances = [(batch.target.mean(dim=1) - batch.style.mean(dim=1)).abs().mean() for batch in batches]
    sizes = [batch.style.mean(dim=1).abs().mean() for batch in batches]
    assert sizes[1] > 5 * sizes[0]
    assert distances[1] < 0.3 * sizes[1]
    assert (batches[1].label == -1).all() and (batches[0].label >= 0).all()
