"""Golden checks of TMRNet and SPyNet under the published weights' stand-ins."""

import json

import numpy as np
import torch

from models.networks import create_network
from models.networks.flow.spynet import SPyNet
from tests.golden.published_weights import fill_value


def published_state(data, key: str = "gain") -> dict[str, torch.Tensor]:
    """The checkpoint that a golden file describes: every parameter by its published name."""
    gain = float(data[key]) if key in data else 0.5
    shapes = json.loads(str(data["shapes"]))
    return {str(name): torch.from_numpy(fill_value(name, shapes[name], gain)) for name in data["names"]}


def load_published(network: torch.nn.Module, state: dict[str, torch.Tensor]) -> torch.nn.Module:
    """Strictly, but for the constant buffers that a golden file does not list."""
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected
    assert {name.rpartition(".")[2] for name in missing} <= {"mean", "std"}
    return network.eval()


def assert_close(result: torch.Tensor, expected: np.ndarray, tolerance: float = 1e-4) -> None:
    assert result.shape == expected.shape
    assert np.abs(result.numpy() - expected).max() < tolerance * expected.std()


def _frames(data) -> torch.Tensor:
    return torch.from_numpy(data["input"] * data["exposure_scale"].reshape(1, -1, 1, 1, 1))


@torch.no_grad()
def _check(data, scale: int, every_output: bool) -> None:
    frames = _frames(data)
    network = create_network("tmrnet", num_frames=frames.shape[1], in_channels=frames.shape[2], scale=scale)
    load_published(network, published_state(data))
    flow = network.whole_frame(frames)["flow"]
    expected_flow = data["flow"].reshape(-1, flow.shape[1], *flow.shape[2:])
    assert_close(flow, expected_flow)
    if every_output:
        output = network(frames, outputs=range(1, frames.shape[1] + 1)).transpose(0, 1)
    else:
        output = network(frames)
    assert_close(output, data["output"])


@torch.no_grad()
def check_spynet(data) -> None:
    reference, support = (torch.from_numpy(data[key]) for key in ("reference", "support"))
    for expected, gain in (("flow", "gain"), ("flow_gain10", "gain_gain10")):
        network = load_published(SPyNet(), published_state(data, gain))
        assert_close(network(reference, support), data[expected])


CHECKS = {
    "tmrnet_syn": lambda data: _check(data, 1, False),
    "tmrnet_synplus": lambda data: _check(data, 4, False),
    "tmrnet_real": lambda data: _check(data, 1, True),
    "tmrnet_realplus": lambda data: _check(data, 4, True),
    "tmrnet_spynet": check_spynet,
}
