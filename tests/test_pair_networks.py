"""Networks that are given each frame linear and gamma-coded: what `PairNetwork` promises of all of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from models.networks import create_network, network_class, network_names
from models.networks.parts.exposure_pairs import PairNetwork, conv_of_parts, exposure_pairs
from tests.checks.selfhdr_networks import are_consistent, golden_pairs
from tests.golden.published_weights import fill_value
from tests.test_networks import GAINS, random_frames
from util import checkpoint, tiling
from util.scores.complexity import parameter_count

EXPOSURE = torch.tensor([[1.0, 4.0, 16.0]])
CONVOLUTIONAL = ("ahdrnet", "fshdr")
PAIR_NETWORKS = [name for name in network_names() if issubclass(network_class(name), PairNetwork)]

every_pair_network = pytest.mark.parametrize("name", PAIR_NETWORKS)
every_convolutional = pytest.mark.parametrize("name", CONVOLUTIONAL)


def make(name: str, size: str = "tiny", **arguments) -> nn.Module:
    network = create_network(name, **network_class(name).sizes[size] | arguments)
    for key, parameter in network.named_parameters():
        value = fill_value(key, tuple(parameter.shape), GAINS.get(name, 1.0))
        parameter.data = torch.from_numpy(value)
    return network.eval()


def triple(*size: int) -> torch.Tensor:
    """Frames (1, 3, 3, H, W) divided by `EXPOSURE`, of which the longer clip."""
    exposure = EXPOSURE[..., None, None, None]
    return (random_frames(1, 1, 3, *size).clamp(0) * exposure).clamp(max=1) / exposure


def test_there_are_some() -> None:
    assert set(CONVOLUTIONAL) <= set(PAIR_NETWORKS)


def test_pairs() -> None:
    """Light first, then what was measured, in the code of the specification, 1.1."""
    light, exposure = torch.tensor([0.25, 0.5, 0.0625]), torch.tensor([[1.0, 4.0, 16.0]])
    pairs = exposure_pairs(light.view(1, 3, 1, 1, 1), exposure)
    assert pairs.shape == (1, 3, 2, 1, 1)
    assert_allclose(pairs.flatten(), [0.25, 0.25 ** (1 / 2.2), 0.5, 1.0, 0.0625, 1.0], rtol=1e-6)


def test_convolution_of_parts_is_that_of_the_whole() -> None:
    x = torch.rand(2, 7, 9, 11)
    conv = nn.Conv2d(7, 4, 3, padding=2, dilation=2)
    assert_allclose(conv_of_parts(conv, x.split((3, 1, 3), 1)).detach(), conv(x).detach(), atol=1e-6)


@every_pair_network
@torch.no_grad()
def test_raw_brackets_are_enlarged(name: str) -> None:
    """Five frames of four planes in the place of the first; light reaches 16, where the shortest clips."""
    task = {"num_frames": 5, "in_channels": 4, "out_channels": 4, "scale": 4, "reference": 0}
    network = make(name, **task)
    frames = random_frames(1, 5, 4, 24, 40)
    output = network(frames, 4.0 ** torch.arange(-2, 3)[None])
    assert output.shape == (1, 4, 96, 160)
    assert output.min() > 0 and 1 < output.max() < 16


@every_pair_network
@torch.no_grad()
def test_the_common_scale_of_exposures_is_that_of_the_result(name: str) -> None:
    network, frames = make(name), triple(24, 40)
    plain, scaled = network(frames, EXPOSURE), network(frames * 8, EXPOSURE / 8)
    assert_allclose(scaled, 8 * plain, rtol=1e-5)


@every_pair_network
@pytest.mark.parametrize("bgr", [False, True])
@torch.no_grad()
def test_what_is_restored_and_the_way_back(name: str, bgr: bool) -> None:
    """Pairs made by hand of stored values u, in [0, 1] and gamma-coded; the shortest exposure is 1/8."""
    network = make(name, bgr=bgr)
    sides, seen = (20, 28), []
    stored = random_frames(2, 3, 3, *sides).clamp(0, 1)
    exposure = torch.tensor([[0.125, 0.5, 2.0], [0.125, 0.25, 4.0]])
    pairs = torch.empty(2, 3, 6, *sides)
    for n in range(2):
        for t in range(3):
            for c in range(3):
                place = 2 - c if bgr else c
                pairs[n, t, place] = stored[n, t, c] ** 2.2 / (exposure[n, t] / 0.125)
                pairs[n, t, 3 + place] = stored[n, t, c]
    restored = getattr(network, "restore_padded", network.restore_pairs)(pairs)
    light = torch.stack([restored[:, 2 - c if bgr else c] for c in range(3)], 1) / 0.125
    network.restore_pairs = lambda given: seen.append(given) or type(network).restore_pairs(network, given)
    output = network(stored**2.2 / exposure[..., None, None, None], exposure)
    top, left = ((given - side) // 2 for given, side in zip(seen[0].shape[-2:], sides, strict=True))
    assert_allclose(seen[0][..., top : top + sides[0], left : left + sides[1]], pairs, atol=1e-6)
    assert_allclose(output, light, atol=2e-5)


@every_pair_network
def test_golden_frames_are_restored_by_forward_too(name: str) -> None:
    """The golden check leaves out `forward` for files that no frames could give: not all are such files."""
    with np.load(Path(__file__).parent / f"golden/selfhdr_{name}_gain.npz") as data:
        assert are_consistent(golden_pairs(data))


@every_pair_network
@torch.no_grad()
def test_bgr_is_the_order_inside(name: str) -> None:
    network, frames = make(name), triple(24, 40)
    other = make(name, bgr=True)
    assert torch.equal(other(frames.flip(2), EXPOSURE), network(frames, EXPOSURE).flip(1))
    assert not torch.equal(other(frames, EXPOSURE), network(frames, EXPOSURE))


@every_pair_network
@pytest.mark.parametrize("scale", [1, 4])
@torch.no_grad()
def test_bright_results_of_half_precision(name: str, scale: int) -> None:
    """A sigmoid in bfloat16 has steps of 1/256 there, and is exactly 1 from 0.998 on."""
    network = make(name, scale=scale)
    for last in network.modules():  # FSHDR adds two results if it enlarges
        if isinstance(last, nn.Conv2d) and last.out_channels == 3:
            last.weight *= 0.2
            last.bias.zero_()
            shown = last
    shown.bias += 4
    frames = triple(24, 40)
    exact = network(frames, EXPOSURE)
    with torch.autocast("cpu", torch.bfloat16):
        half = network(frames, EXPOSURE)
    assert abs(exact.mean() - 0.98) < 0.01
    assert (half - exact).abs().max() < 1e-3
    shown.bias += 4
    with torch.autocast("cpu", torch.bfloat16):
        assert network(frames, EXPOSURE).max() < 1


@every_pair_network
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"reference": 3}, "of 3 frames, frame 3 cannot be the reference"),
        ({"num_frames": 1, "reference": 0}, "it merges 2 frames or more"),
        ({"scale": 3}, "scale must be a power of 2, not 3"),
        ({"scale": 0}, "scale must be a power of 2, not 0"),
        ({"in_channels": 4, "bgr": True}, "bgr is the order of 3 colours, not of 4 planes"),
    ],
)
def test_what_it_cannot_be_built_with(name: str, arguments: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        create_network(name, **arguments)


@pytest.mark.parametrize("arguments", [{"dense_layers": 0}, {"blocks": 0}])
def test_ahdrnet_needs_a_dense_layer(arguments: dict) -> None:
    with pytest.raises(ValueError, match="1 dense block or more, of 1 layer or more"):
        create_network("ahdrnet", **arguments)


@pytest.mark.parametrize(("name", "count"), [("ahdrnet", 1_241_507), ("fshdr", 1_833_603)])
def test_published_number_of_parameters(name: str, count: int) -> None:
    assert parameter_count(create_network(name)) == count


def test_names_follow_the_frames() -> None:
    attention = {key[:5] for key in create_network("ahdrnet", num_frames=4, reference=2).state_dict()}
    assert {key for key in attention if key.startswith("att")} == {
        f"att{i}{k}" for i in (1, 2, 4) for k in (1, 2)
    }
    state = make("fshdr", num_frames=4, reference=0).state_dict()
    inputs = [state[f"conv{number}.weight"].shape[1] for number in range(1, 23)]
    assert inputs == 4 * [6] + 3 * [16] + 2 * (4 * [8] + 3 * [24]) + [4 * 8 + 2 * 24]


@every_pair_network
def test_a_network_starts_from_one_without_upsampling(name: str, tmp_path: Path) -> None:
    """All but the upsampling comes from it; FSHDR's result is at first that of the other, enlarged."""
    torch.manual_seed(0)
    small, large = make(name), create_network(name, **network_class(name).sizes["tiny"], scale=4).eval()
    lacking = checkpoint.fit(large, small.state_dict(), tmp_path, large.optional_keys)
    assert lacking and all(key.startswith("upsampl") for key in lacking)
    if name == "fshdr":
        frames = triple(24, 40)
        with torch.no_grad():
            logits = nn.functional.interpolate(
                small(frames, EXPOSURE).logit(), scale_factor=4, mode="bilinear"
            )
            assert_allclose(large(frames, EXPOSURE), logits.sigmoid(), atol=1e-6)


@every_convolutional
@torch.no_grad()
def test_dense_and_plain_passes_agree(name: str) -> None:
    """Without gradients, some of the work takes another way."""
    network, frames = make(name, "small"), triple(24, 40)
    plain = network(frames, EXPOSURE)
    with torch.enable_grad():
        kept = network(frames, EXPOSURE)
    assert_allclose(kept.detach(), plain, atol=1e-6)


@every_convolutional
@pytest.mark.parametrize("scale", [1, 4])
def test_the_reach_is_how_far_a_px_matters(name: str, scale: int) -> None:
    """The published depth, narrow: the columns on which the middle one depends."""
    narrow = {"mid_channels": 4} | ({"growth": 4} if name == "ahdrnet" else {})
    network = make(name, "full", scale=scale, **narrow)
    reach = network.halo()
    assert reach == {"ahdrnet": 37, "fshdr": 11}[name] + (scale > 1)
    pairs = exposure_pairs(triple(9, 2 * reach + 11), EXPOSURE).requires_grad_()
    middle = pairs.shape[-1] // 2
    network.restore_pairs(pairs)[..., scale * middle : scale * (middle + 1)].sum().backward()
    columns = pairs.grad.abs().sum((0, 1, 2, 3)).nonzero().flatten()
    assert (columns.min(), columns.max()) == (middle - reach, middle + reach)


@every_convolutional
def test_tiles_of_a_deep_network_are_the_whole(name: str) -> None:
    """Though it sees farther than the usual overlap."""
    network, frames = make(name, "small"), triple(150, 203)
    whole = tiling.restore(network, frames, 0, 32, exposure=EXPOSURE)
    for overlap in (32, 0):
        tiled = tiling.restore(network, frames, 128, overlap, exposure=EXPOSURE)
        assert_allclose(tiled, whole, atol=1e-6)


@every_pair_network
@torch.no_grad()
def test_raw_brackets_start_dark(name: str) -> None:
    """Three planes start in the middle of (0, 1), as published."""
    torch.manual_seed(0)
    frames, exposure = torch.rand(1, 5, 4, 24, 24), torch.tensor([[1.0, 4, 16, 64, 256]]) / 16
    tiny = network_class(name).sizes["tiny"]
    raw = create_network(name, num_frames=5, in_channels=4, out_channels=4, reference=0, **tiny)
    assert 0.002 < float(raw(frames, exposure).mean()) / 16 < 0.02
    published = create_network(name, **tiny)(torch.rand(1, 3, 3, 24, 24), torch.tensor([[1.0, 4, 16]]))
    assert 0.2 < float(published.mean()) < 0.8
