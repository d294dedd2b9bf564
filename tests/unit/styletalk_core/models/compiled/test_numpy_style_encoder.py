"""The style encoder in NumPy gives the same codes as the network and rejects the same clips."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from styletalk_core.errors import InputError
from styletalk_core.models import checkpoint
from styletalk_core.models.checkpoint import weights_of
from styletalk_core.models.compiled.numpy_style_encoder import encode_style, style_windows
from styletalk_core.models.compiled.numpy_transformer import sinusoid_positions
from styletalk_core.models.dimensions import Dimensions
from styletalk_core.models.styletalk import StyleTalk
from styletalk_core.models.transformer import sinusoid_positions as torch_positions
from styletalk_core.weights import MOTION, packaged_weights

SMALL = Dimensions(width=64, heads=4, feed_forward=128, layers=2, style_frames=48)


@pytest.mark.parametrize("frames", [30, 48, 49, 200])
@pytest.mark.parametrize(("statistics", "calibrated"), [(False, False), (True, False), (True, True)])
def test_a_code_is_that_of_the_network(frames: int, statistics: bool, calibrated: bool) -> None:
    torch.manual_seed(frames)
    model = StyleTalk(replace(SMALL, statistics=statistics, calibrated=calibrated)).eval()
    if calibrated:
        model.lip_articulators.normal_()
    clip = np.random.default_rng(frames).normal(size=(frames, 64)).astype(np.float32)
    expected = model.encode_style(torch.from_numpy(clip)).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(encode_style(clip, weights_of(model)), expected, rtol=0, atol=1e-4)


def test_a_code_of_the_packaged_network_is_the_same() -> None:
    model = checkpoint.load(packaged_weights(MOTION)).model
    clip = np.random.default_rng(0).normal(size=(200, 64)).astype(np.float32)
    expected = model.encode_style(torch.from_numpy(clip)).numpy()
    np.testing.assert_allclose(encode_style(clip, weights_of(model)), expected, rtol=0, atol=1e-4)


def test_windows_are_spread_evenly_over_a_long_clip() -> None:
    clip = np.repeat(np.arange(100, dtype=np.float32)[:, None], 64, axis=1)
    windows = style_windows(clip, SMALL)
    assert windows[:, 0, 0].tolist() == [0, 26, 52] and windows[:, -1, 0].tolist() == [47, 73, 99]


@pytest.mark.parametrize(
    ("clip", "sentence"),
    [(np.zeros((29, 64)), "at least 30"), (np.zeros((30, 63)), "shape"), (np.full((30, 64), np.nan), "not finite")],
    ids=["short", "narrow", "nan"],
)
def test_a_clip_that_is_no_style_is_refused(clip: np.ndarray, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        style_windows(clip.astype(np.float32), SMALL)


def test_positions_are_those_of_the_network() -> None:
    np.testing.assert_allclose(sinusoid_positions(256, 64), torch_positions(256, 64).numpy(), rtol=0, atol=1e-6)
