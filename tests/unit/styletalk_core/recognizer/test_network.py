"""The training network and the live network compute the same causal function."""

import numpy as np
import pytest
import torch

from styletalk_core.errors import CheckpointError
from styletalk_core.recognizer.dimensions import RecognizerConfig
from styletalk_core.recognizer.network import RecognizerNetwork, load_network, save_network
from styletalk_core.recognizer.step_network import StepNetwork
from styletalk_core.recognizer.weights import load_weights

CONFIG = RecognizerConfig(width=32, dilations=(1, 2, 4, 1))


@pytest.fixture(scope="module")
def network() -> RecognizerNetwork:
    torch.manual_seed(0)
    return RecognizerNetwork(CONFIG).eval()


@pytest.mark.parametrize("head", range(len(CONFIG.delays)))
def test_live_and_training_forms_agree(network: RecognizerNetwork, head: int) -> None:
    tensors = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    live = StepNetwork(tensors, CONFIG, head)
    features = np.random.default_rng(0).standard_normal((2, 60, 80)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(features))[:, :, head].softmax(dim=-1).numpy()
    memory, columns = np.zeros((2, *live.memory_shape), np.float32), []
    for step in range(30):
        columns.append(live.advance(features[:, 2 * step : 2 * step + 2], memory, np.array([step, step])))
    np.testing.assert_allclose(np.concatenate(columns, axis=1), expected, atol=1e-5)


def test_16_bits_change_no_posterior_of_the_packaged_network_by_a_thousandth() -> None:
    weights, trained = load_weights(), load_network()
    live = StepNetwork(weights.tensors, weights.config, 2)
    features = np.random.default_rng(1).standard_normal((2, 200, 80)).astype(np.float32)
    with torch.no_grad():
        expected = trained(torch.from_numpy(features))[:, :, 2].softmax(dim=-1).numpy()
    heard = live.advance(features, np.zeros((2, *live.memory_shape), np.float32), np.zeros(2, np.int64))
    assert expected.max() > 0.5
    np.testing.assert_allclose(heard, expected, atol=1e-3)


def test_a_width_that_the_kernel_cannot_take_is_refused() -> None:
    with pytest.raises(ValueError, match="width 30 is not a multiple of 4"):
        RecognizerConfig(width=30)


def test_later_features_change_no_earlier_logit(network: RecognizerNetwork) -> None:
    features = torch.randn(1, 40, 80)
    changed = features.clone()
    changed[:, 20:] += 1
    with torch.no_grad():
        assert torch.equal(network(features)[:, :10], network(changed)[:, :10])


def test_weights_survive_the_file(network: RecognizerNetwork, tmp_path) -> None:
    save_network(network, tmp_path / "w.safetensors", {"licence": "free"})
    loaded = load_network(tmp_path / "w.safetensors")
    assert loaded.config == CONFIG
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)


def test_a_file_that_holds_no_recognizer_is_refused(tmp_path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match="is not a recognizer weight file"):
        load_network(path)
