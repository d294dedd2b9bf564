"""The paper's renderer can replace the mesh renderer; without matching weights it reports what is missing."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from styletalk_core.engine import ModelEngine
from styletalk_core.errors import InputError
from styletalk_core.library.avatars import AvatarLibrary
from styletalk_core.library.styles import StyleLibrary
from styletalk_core.models.pirenderer import RADIUS, PIRenderer
from styletalk_core.rendering.motion_window import MotionWindow
from styletalk_core.rendering.window_renderer import WindowRenderer, network_for, render_windows
from tests.equivalence.make_golden import TINY_RENDERER, seeded

SHAPES = Path(__file__).parents[5] / "shared" / "golden" / "official_state_dict_shapes.json"
REST, STILL = np.zeros(64, np.float32), np.zeros(6, np.float32)


@pytest.fixture(scope="module")
def network() -> PIRenderer:
    model = PIRenderer(TINY_RENDERER).eval()
    seeded(model, seed=1)
    return model


@pytest.fixture(scope="module")
def engine(network: PIRenderer, tmp_path_factory: pytest.TempPathFactory) -> ModelEngine:
    home = tmp_path_factory.mktemp("home")
    return ModelEngine(AvatarLibrary(home), StyleLibrary(home), size=512, pirenderer=network)


def test_the_window_ends_with_the_newest_motion_and_begins_with_the_oldest_known() -> None:
    window = MotionWindow()
    first = window.push(np.full(73, 1, np.float32))
    assert first.shape == (73, 2 * RADIUS + 1) and np.all(first == 1)
    for value in range(2, 31):
        newest = window.push(np.full(73, value, np.float32))
    assert newest[0].tolist() == [*range(30 - RADIUS, 31), *[30] * RADIUS]


def test_awaited_frames_are_in_the_window_and_the_rest_of_the_future_is_repeated() -> None:
    window = MotionWindow(future_frames=4)
    for value in range(31):
        newest = window.push(np.full(73, value, np.float32))
    assert newest[0].tolist() == [*range(13, 31), *[30] * (RADIUS - 4)]


def test_at_a_lower_rate_the_window_keeps_its_thirty_frames_a_second() -> None:
    window = MotionWindow(future_frames=2)
    for frame in range(0, 40, 2):
        newest = window.push(np.full(73, frame, np.float32), frame * 1600)
    assert newest[0].tolist() == [*range(36 - RADIUS, 39), *[38] * (RADIUS - 2)]


def test_the_window_starts_again_when_time_does() -> None:
    window = MotionWindow()
    window.push(np.full(73, 1, np.float32), 1600)
    assert np.all(window.push(np.full(73, 2, np.float32), 0) == 2)


def test_motion_follows_expression_and_head_with_the_published_signs(network: PIRenderer) -> None:
    renderer = WindowRenderer(AvatarLibrary(Path("does-not-exist")).get("kenji"), network, 256)
    rest = renderer.motion(REST, STILL)
    assert np.abs(rest[64:67]).max() < 0.25, "a presenter looks into the camera"
    opened = np.linspace(-2, 2, 64).astype(np.float32)
    assert np.array_equal(renderer.motion(opened, STILL)[:64], opened)
    pitch, yaw, roll = (renderer.motion(REST, 0.2 * np.eye(6, dtype=np.float32)[k]) - rest for k in range(3))
    assert pitch[64] > 0.1 and yaw[65] > 0.1 and roll[66] < -0.1
    nearer = renderer.motion(REST, 2 * np.eye(6, dtype=np.float32)[5]) - rest
    assert nearer[70] < 0, "a larger face is scaled less to the crop"
    right = renderer.motion(REST, 0.1 * np.eye(6, dtype=np.float32)[3]) - rest
    assert right[71] > 2 and abs(right[72]) < 0.1


def test_sessions_are_drawn_each_from_its_own_past(engine: ModelEngine) -> None:
    def drawn(pushes: list[float], slot: int = 1) -> np.ndarray:
        engine.open(slot, "kenji", "neutral", 1.0)
        for value in pushes:
            still = [np.zeros((1, n), np.float32) for n in (6, 2)]
            expression = np.full((1, 64), value, np.float32)
            image = engine.render([slot], expression, *still, np.zeros(1, np.float32))[0]
        engine.close(slot)
        return image

    alone = drawn([0.0, 1.0])
    assert alone.shape == (768, 512) and alone.dtype == np.uint8
    assert np.array_equal(alone, drawn([0.0, 1.0]))
    assert not np.array_equal(alone, drawn([2.0, 1.0])), "the past counts"


def test_a_batch_draws_each_portrait_with_its_own_motion(network: PIRenderer) -> None:
    library = AvatarLibrary(Path("does-not-exist"))
    renderers = [WindowRenderer(library.get(name), network, size) for name, size in (("kenji", 256), ("clara", 384))]
    windows = [MotionWindow().push(one.motion(REST + k, STILL)) for k, one in enumerate(renderers)]
    together = render_windows(renderers, windows)
    assert [image.shape for image in together] == [(384, 256), (576, 384)]
    for image, *one in zip(together, renderers, windows, strict=True):
        alone = render_windows([one[0]], [one[1]])[0]
        assert np.abs(image.astype(int) - alone).max() <= 1


def test_another_background_is_refused(engine: ModelEngine) -> None:
    with pytest.raises(InputError, match="own background"):
        engine.open(2, "kenji", "neutral", 1.0, "blur")


def test_missing_and_wrong_weights_are_named(tmp_path: Path) -> None:
    assert network_for("mesh", None) is None
    with pytest.raises(InputError, match="--renderer-weights"):
        network_for("pirenderer", None)
    with pytest.raises(InputError, match="mesh or pirenderer"):
        network_for("gan", None)
    with pytest.raises(InputError, match=r"nowhere\.pt"):
        network_for("pirenderer", tmp_path / "nowhere.pt")
    other = tmp_path / "other.pt"
    torch.save({"net_G_ema": {"mapping_net.first.0.weight": torch.zeros(3)}}, other)
    with pytest.raises(InputError, match=r"other\.pt: tensor mapping\.first\.weight has shape \(3,\)"):
        network_for("pirenderer", other)


@pytest.mark.skipif(not SHAPES.is_file(), reason="../shared/golden is not here")
def test_a_file_shaped_as_the_published_one_draws(tmp_path: Path) -> None:
    shapes = json.loads(SHAPES.read_text())["renderer"]
    torch.manual_seed(0)
    path = tmp_path / "checkpoint.pt"
    torch.save({"net_G_ema": {name: 0.02 * torch.randn(shape) for name, shape in shapes.items()}}, path)
    network = network_for("pirenderer", path)
    assert network is not None
    renderer = WindowRenderer(AvatarLibrary(Path("does-not-exist")).get("clara"), network, 256)
    (image,) = render_windows([renderer], [MotionWindow().push(renderer.motion(REST, STILL))])
    assert image.shape == (384, 256)
