"""With the authors' weights the engine speaks Basel coefficients: their formulas from the phones to the picture."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from official_checkpoints import motion_checkpoint
from scipy.io import savemat

from streaming.offline import render
from streaming.session import Settings
from streaming.units import FRAME_TICKS
from styletalk_core.engine import ModelEngine
from styletalk_core.face.basel import converted, packaged_map
from styletalk_core.face.spaces import BFM64, MESH64
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.enrollment import enroll_style
from styletalk_core.library.styles import StyleLibrary
from styletalk_core.models.pirenderer import RADIUS, PIRenderer
from styletalk_core.models.styletalk import StyleTalk
from styletalk_core.models.weight_file import read_motion_weights
from styletalk_core.phones import PHONES, WINDOW
from styletalk_core.rendering.motion_window import FRAME_TICKS as WINDOW_TICKS
from styletalk_core.rendering.window_renderer import aligned
from tests.equivalence.make_golden import TINY_RENDERER, seeded

SLOT = 2
Float = NDArray[np.float32]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def authors(home: Path) -> StyleTalk:
    return motion_checkpoint(home / "motion.pth")


@pytest.fixture(scope="module")
def styles(home: Path) -> StyleLibrary:
    """A library with the styles "one" and "two" from coefficient files."""
    library, random = StyleLibrary(home / "styles"), np.random.default_rng(0)
    for name in ("one", "two"):
        coefficients = random.standard_normal((300, 257)).astype(np.float32)
        savemat(home / f"{name}.mat", {"coeff": coefficients})
        enroll_style(library, name, home / f"{name}.mat")
    return library


class Recorder(ModelEngine):
    """Keeps what was decoded and drawn."""

    windows: list[Float]
    drawn: list[tuple[Float, Float]]

    def decode(self, slots: Sequence[int], posteriors: Float) -> Float:
        self.windows.append(posteriors[0].copy())
        return super().decode(slots, posteriors)

    def render(
        self, slots: Sequence[int], expression: Float, pose: Float, gaze: Float, blink: Float, ticks: Sequence[int] = ()
    ) -> list[NDArray[np.uint8]]:
        self.drawn.append((expression[0].copy(), pose[0].copy()))
        return super().render(slots, expression, pose, gaze, blink, ticks)


def made(home: Path, styles: StyleLibrary, network: PIRenderer | None, frames: int = 0) -> Recorder:
    weights = read_motion_weights(home / "motion.pth")
    engine = Recorder(AvatarLibrary(home), styles, size=256, motion=weights, pirenderer=network, renderer_frames=frames)
    engine.windows, engine.drawn = [], []
    return engine


@pytest.fixture(scope="module")
def engine(home: Path, authors: StyleTalk, styles: StyleLibrary) -> Recorder:
    return made(home, styles, None)


@pytest.fixture(autouse=True)
def slot(engine: Recorder) -> Iterator[None]:
    engine.open(SLOT, "clara", "one", 1.0)
    yield
    engine.close(SLOT)


def official(authors: StyleTalk, style: Float, windows: Float) -> Float:
    """Coefficients (N, 64) of phone windows (N, 11, 41) by the plain network, in the style of a clip."""
    with torch.inference_mode():
        code = authors.encode_style(torch.from_numpy(style))
        state = authors.mix_style(code[None])
        return np.asarray(authors.decode(torch.from_numpy(windows)[None], state)[0].numpy(), np.float32)


def spoken(count: int) -> Float:
    """Phone windows (count, 11, 41)."""
    phones = np.random.default_rng(1).integers(0, len(PHONES), (count, WINDOW))
    return np.eye(len(PHONES), dtype=np.float32)[phones]


def test_decoded_coefficients_are_those_of_the_official_formulas(
    engine: Recorder, authors: StyleTalk, styles: StyleLibrary
) -> None:
    assert engine.space == BFM64
    windows = spoken(6)
    found = np.concatenate([engine.decode([SLOT], window[None]) for window in windows])
    expected = official(authors, styles.get("one").coefficients, windows)
    assert np.abs(found - expected).max() < 2e-3 * np.abs(expected).max()


def test_a_style_is_faded_in(engine: Recorder, authors: StyleTalk, styles: StyleLibrary) -> None:
    window = spoken(1)
    before = engine.decode([SLOT], window)[0]
    after = official(authors, styles.get("two").coefficients, window)[0]
    engine.set_style(SLOT, "two", 1.0, 0.5)
    faces = np.stack([before, *(engine.decode([SLOT], window)[0] for _ in range(20))])
    steps = np.linalg.norm(np.diff(faces, axis=0), axis=1)
    assert np.linalg.norm(after - before) > 0.05 * np.linalg.norm(before), "the styles differ"
    assert steps[:15].max() < 0.35 * np.linalg.norm(after - before)
    assert steps[16:].max() == 0 and np.abs(faces[-1] - after).max() < 2e-3 * np.abs(after).max()


def test_without_the_paper_s_renderer_the_mesh_moves_by_the_fitted_map(engine: Recorder, home: Path) -> None:
    own = ModelEngine(AvatarLibrary(home), StyleLibrary(home / "none"), size=256)
    own.open(SLOT, "clara", "neutral", 1.0)
    basel = packaged_map().rest + 0.4 * np.random.default_rng(0).standard_normal(64).astype(np.float32)
    still = [np.zeros((1, *shape), np.float32) for shape in ((6,), (2,), ())]
    mesh = converted(basel[None], BFM64, MESH64)
    np.testing.assert_array_equal(
        engine.render([SLOT], basel[None], *still)[0], ModelEngine.render(own, [SLOT], mesh, *still)[0]
    )


def test_packaged_styles_are_converted_and_the_face_is_left_to_the_decoder(engine: Recorder) -> None:
    engine.set_style(SLOT, "happy", 1.0, 0.0)
    assert np.isfinite(engine.decode([SLOT], spoken(1))).all()
    motion = engine.style_motion({"one": 0.5, "happy": 0.5}, 1.0)
    assert motion.opening is None
    assert not any(clip.motion[:, 6:].any() for clip in motion.clips)
    assert any(clip.motion[:, :6].any() for clip in motion.clips)


def test_the_window_of_the_paper_has_the_frame_rate_of_sessions() -> None:
    assert WINDOW_TICKS == FRAME_TICKS


def test_a_session_draws_what_the_official_code_computes_offline(
    home: Path, authors: StyleTalk, styles: StyleLibrary
) -> None:
    """With all 13 future frames awaited, from phones and poses of the session."""
    network = seeded(PIRenderer(TINY_RENDERER), seed=1)
    engine = made(home, styles, network, frames=RADIUS)
    samples = (8000 * np.sin(np.arange(48_000) * 2 * np.pi * 200 / 48_000)).astype(np.int16)
    frames = [frame.yuv for frame in render(engine, samples, Settings("kenji", "one"), renderer_frames=RADIUS)]
    assert len(frames) == 30
    expressions, poses = (np.stack(part) for part in zip(*engine.drawn, strict=True))
    expected = official(authors, styles.get("one").coefficients, np.stack(engine.windows))
    assert np.abs(expressions - expected).max() < 2e-3 * np.abs(expected).max(), "nothing is added to the decoder's"

    portrait = AvatarLibrary(home).get("kenji")
    renderer = engine._renderers["kenji", 256]
    motion = torch.from_numpy(np.stack([renderer.motion(*row) for row in zip(expressions, poses, strict=True)]))
    assert torch.equal(motion[:, :64], torch.from_numpy(expressions))
    image = torch.from_numpy(aligned(portrait)[0]).permute(2, 0, 1) / 255 * 2 - 1
    for frame in (13, 16, 20):
        row = frame - RADIUS  # the first motion of the session is that of frame 13
        indices = [min(max(row + k, 0), len(motion) - 1) for k in range(-RADIUS, RADIUS + 1)]
        with torch.inference_mode():
            drawn = network.render(network.prepare(image), motion[indices].T[None])[0]
        rgb = ((drawn.clamp(-1, 1) + 1) / 2 * 255).to(torch.uint8).permute(1, 2, 0).numpy()
        wanted = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
        assert np.abs(frames[frame].astype(int) - wanted).max() <= 1
