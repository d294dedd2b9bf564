"""The compiled decoder gives the same frames as the plain one, in any batch, and rejects the same bad input."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from styletalk_core.errors import InputError
from styletalk_core.library.styles import StyleLibrary
from styletalk_core.models import checkpoint, weight_file
from styletalk_core.models.checkpoint import weights_of
from styletalk_core.models.compiled.compiled_decoder import CompiledStyleTalk
from styletalk_core.models.compiled.kernel_choice import candidates, fastest_kernel
from styletalk_core.models.compiled.tile_kernel import Kernel, Storage
from styletalk_core.models.dimensions import Dimensions
from styletalk_core.models.style_decoder import make_decoder
from styletalk_core.models.styletalk import StyleTalk
from styletalk_core.phones import PHONES, WINDOW
from styletalk_core.weights import MOTION, packaged_weights

SMALL = Dimensions(width=64, heads=4, feed_forward=128, phone_embedding=16, temperature=1.0)
KERNELS = candidates(SMALL)
MAX_ERROR = {Storage.FLOAT32: 1e-5, Storage.FLOAT16: 1e-3, Storage.INT16: 5e-4}
"""Of coefficients whose standard deviation is about 0.1 to 1."""


def plain_model(dimensions: Dimensions) -> StyleTalk:
    torch.manual_seed(0)
    model = StyleTalk(dimensions).eval()
    model.content_encoder.project.weight.data.mul_(3)
    if dimensions.calibrated:
        model.lip_articulators.normal_(std=0.2)
        model.lip_back.normal_(std=0.2)
    return model


@pytest.fixture(scope="module")
def model() -> StyleTalk:
    return plain_model(SMALL)


@pytest.fixture(scope="module", params=KERNELS, ids=str)
def compiled(model: StyleTalk, request: pytest.FixtureRequest) -> CompiledStyleTalk:
    return CompiledStyleTalk(weights_of(model), request.param)


def columns(batch: int) -> NDArray[np.float32]:
    generator = torch.Generator().manual_seed(batch)
    return torch.randn(batch, WINDOW, len(PHONES), generator=generator).mul(3).softmax(-1).numpy()


def codes_of(batch: int, width: int = SMALL.width) -> NDArray[np.float32]:
    return np.random.default_rng(batch).normal(size=(batch, width)).astype(np.float32)


@torch.inference_mode()
def plain_frames(model: StyleTalk, phones: NDArray[np.float32], codes: NDArray[np.float32]) -> NDArray[np.float32]:
    return model.decode(torch.from_numpy(phones), model.mix_style(torch.from_numpy(codes))).numpy()


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize(
    "dimensions",
    [
        SMALL,
        replace(SMALL, layers=1),
        replace(SMALL, layers=2, own_rest=True),
        replace(SMALL, statistics=True),
        replace(SMALL, statistics=True, calibrated=True),
    ],
    ids=["3", "1", "2, rest", "statistics", "calibrated"],
)
def test_compiled_frames_equal_plain_ones(dimensions: Dimensions, kernel: Kernel) -> None:
    model = plain_model(dimensions)
    compiled = CompiledStyleTalk(weights_of(model), kernel)
    phones, codes = columns(3), codes_of(3, dimensions.code_width)
    expected = plain_frames(model, phones, codes)
    assert expected.std() > 0.05
    found = compiled.decode(phones, compiled.mix_style(codes))
    np.testing.assert_allclose(found, expected, rtol=0, atol=MAX_ERROR[kernel.storage])


def test_the_packaged_network_keeps_its_frames() -> None:
    """In every preset, within a thousandth of a coefficient's deviation."""
    found, plain = (
        make_decoder(weight_file.read(packaged_weights(MOTION))),
        checkpoint.load(packaged_weights(MOTION)).model,
    )
    library = StyleLibrary(None)
    codes = np.stack([found.encode_style(library.get(name).coefficients) for name in library.builtin_names()])
    phones = columns(len(codes))
    np.testing.assert_allclose(
        found.decode(phones, found.mix_style(codes)), plain_frames(plain, phones, codes), rtol=0, atol=1e-3
    )


def test_a_session_decodes_in_a_batch_as_it_does_alone(compiled: CompiledStyleTalk) -> None:
    phones, codes = columns(5), codes_of(5)
    states = [compiled.mix_style(code[None]) for code in codes]
    together = compiled.decode(phones, compiled.join(states))
    for row, state in enumerate(states):
        np.testing.assert_allclose(compiled.decode(phones[row : row + 1], state)[0], together[row], rtol=0, atol=1e-6)


def test_ids_decode_as_their_one_hot_columns(compiled: CompiledStyleTalk) -> None:
    phones, state = np.random.default_rng(0).integers(0, len(PHONES), (1, WINDOW)), compiled.mix_style(codes_of(1))
    one_hot = np.eye(len(PHONES), dtype=np.float32)[phones]
    np.testing.assert_array_equal(compiled.decode(phones, state), compiled.decode(one_hot, state))


def test_a_joined_state_keeps_the_weights_it_points_to(compiled: CompiledStyleTalk) -> None:
    phones, codes = columns(2), codes_of(2)
    expected = compiled.decode(phones, compiled.mix_style(codes))
    joined = compiled.join([compiled.mix_style(code[None]) for code in codes])
    for _ in range(50):
        compiled.mix_style(codes_of(1))
    np.testing.assert_allclose(compiled.decode(phones, joined), expected, rtol=0, atol=1e-6)


def test_bad_input_is_refused(compiled: CompiledStyleTalk) -> None:
    state = compiled.mix_style(np.zeros((1, SMALL.width), np.float32))
    with pytest.raises(InputError, match="2 rows of phones do not match 1 styles"):
        compiled.decode(columns(2), state)
    with pytest.raises(InputError, match="not finite"):
        compiled.decode(columns(1) * np.float32(np.nan), state)
    with pytest.raises(InputError, match="not finite"):
        compiled.mix_style(np.full((1, SMALL.width), np.inf, np.float32))


@pytest.mark.parametrize("change", [{"feed_forward": 100}, {"width": 24, "heads": 1}, {"heads": 8}])
def test_a_network_that_fills_no_tile_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(InputError, match="multiples"):
        fastest_kernel(replace(SMALL, **change))


WITHOUT_TORCH = """
import sys
import numpy as np
from styletalk_core.library.style_codes import StyleCodes
from styletalk_core.models import weight_file
from styletalk_core.models.style_decoder import make_decoder
from styletalk_core.library.styles import StyleLibrary
from styletalk_core.weights import MOTION, packaged_weights
from pathlib import Path

decoder = make_decoder(weight_file.read(packaged_weights(MOTION)))
codes = StyleCodes(StyleLibrary(Path(sys.argv[1])), decoder.encode_style)
frame = decoder.decode(np.zeros((1, 11), int), decoder.mix_style(codes.blend("happy", 1.0)))
assert frame.shape == (1, 64) and np.isfinite(frame).all()
print(sorted({"torch", "matplotlib", "mediapipe", "scipy.optimize"} & set(sys.modules)))
"""


def test_a_processor_decodes_without_a_network_library(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "[]"
