"""Networks for bursts: their published sizes, frames in any order and number, settings of use, brackets."""

import itertools
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from models.networks import create_network, network_class
from models.networks.flow.pwcnet import PWCNet
from models.networks.parts import deeprep_network
from tests.golden.published_weights import fill_value
from util.scores.complexity import parameter_count

NETWORKS = {"deeprep_sr": 4, "deeprep_denoise": 3, "dbsr": 4}  # planes
FRAMES = 4
# Under the weights below the flow that is found must not be hundreds of px, nor a last ReLU dead.
CALM, BRIGHT = 0.4, {"hr_decoder.predictor.0.bias": 1.0, "decoder.predictor.0.bias": 1.0}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# Published sizes


@pytest.mark.parametrize(
    ("name", "arguments", "count"),
    [
        ("deeprep_sr", {}, 12_131_686 - 1),  # feat_reg_w is a buffer where it is idle
        ("deeprep_denoise", {}, 10_239_470 - 1),
        ("deeprep_denoise", {"in_channels": 1, "out_channels": 1}, 10_237_612 - 1),
        ("deeprep_denoise", {"alignment": "pyramid"}, 1_433_840),
        ("deeprep_denoise", {"alignment": "pyramid", "in_channels": 1, "out_channels": 1}, 1_431_406),
        ("dbsr", {}, 13_011_237),
    ],
)
def test_published_number_of_parameters(name: str, arguments: dict, count: int) -> None:
    with torch.device("meta"):
        network = create_network(name, **arguments)
    frozen = 9_374_274 if network.part("pwcnet") else 0
    assert parameter_count(network) == count
    state = sum(value.numel() for value in network.state_dict().values())
    assert state == count + (name != "dbsr" and frozen > 0)
    trained = sum(value.numel() for value in network.parameters() if value.requires_grad)
    assert trained == count - frozen


PARTS = {
    "deeprep_sr": {
        "lr_encoder": 519_360,
        "hr_initializer": 65_536,
        "optimizer.degradation_operator": 147_456,
        "optimizer.weight_predictor": 1_493_504,
        "hr_decoder": 531_555,
        "alignment_net": 9_374_274,
    },
    "deeprep_denoise": {
        "lr_encoder": 94_240,
        "hr_initializer": 9_216,
        "optimizer.degradation_operator": 9_216,
        "optimizer.weight_predictor": 78_344,
        "hr_decoder": 674_179,
    },
    "dbsr": {"merging": 1_805_056, "decoder": 869_411, "encoder.alignment_net": 9_374_274},
}


@pytest.mark.parametrize("name", PARTS)
def test_published_number_of_parameters_of_each_part(name: str) -> None:
    with torch.device("meta"):
        network = create_network(name)
    for part, count in PARTS[name].items():
        assert parameter_count(network.get_submodule(part)) == count, part


# Whole networks


def make(name: str, **arguments: object) -> nn.Module:
    """The smallest preset of a network, with weights under which every part of it matters."""
    kind, planes = network_class(name), NETWORKS[name]
    shape = {"in_channels": planes, "out_channels": 3}
    network = create_network(name, **kind.sizes["tiny"] | shape | arguments).eval()
    for key, parameter in network.named_parameters():
        parameter.data = torch.from_numpy(fill_value(key, tuple(parameter.shape), 1.0))
        parameter.data *= CALM if "offset_predictors" in key else 1.0
        parameter.data += BRIGHT.get(key, 0.0)
    return network


def burst(planes: int, count: int = FRAMES, size: tuple[int, int] = (21, 26)) -> torch.Tensor:
    """Smooth frames with some noise, (1, T, C, h, w) in [0, 1]."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, planes, 5, 6, generator=generator)
    smooth = F.interpolate(coarse, size=size, mode="bilinear")[None]
    return (smooth + 0.02 * torch.randn(smooth.shape, generator=generator)).clamp(0, 1)


def given(name: str, frames: torch.Tensor) -> dict[str, torch.Tensor]:
    """What a network asks for besides the frames."""
    return {"noise_map": 0.02 + 0.05 * frames} if name == "deeprep_denoise" else {}


every_network = pytest.mark.parametrize("name", NETWORKS)
every_descent = pytest.mark.parametrize("name", ["deeprep_sr", "deeprep_denoise"])


@every_network
@torch.no_grad()
def test_the_order_of_the_other_frames_does_not_matter(name: str) -> None:
    network, frames = make(name), burst(NETWORKS[name])
    known, flow = given(name, frames), network.flow_of(frames)
    assert flow.abs().max() > 0.1
    order = [0, 3, 1, 2]
    turned = {key: value[:, order] for key, value in known.items()}
    result = network(frames, flow=flow, **known)
    by_flow = network(frames[:, order], flow=flow[:, [2, 0, 1]], **turned)
    torch.testing.assert_close(by_flow, result, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(network(frames[:, order], **turned), result, atol=2e-4, rtol=1e-3)
    assert (network(frames[:, [1, 0, 2, 3]], **known) - result).abs().max() > 0.01


@every_network
@pytest.mark.parametrize("count", [1, 2, 6])
@torch.no_grad()
def test_any_number_of_frames(name: str, count: int) -> None:
    network, frames = make(name), burst(NETWORKS[name], count)
    known, scale = given(name, frames), getattr(network, "scale", 1)
    result = network(frames, **known)
    assert result.shape == (1, 3, scale * 21, scale * 26) and torch.isfinite(result).all()
    assert network.flow_of(frames).shape == (1, count - 1, 2, 21, 26)
    torch.testing.assert_close(network(frames, **known), result, rtol=0, atol=0)  # nothing is drawn
    whole = network.whole_frame(frames, **known)
    torch.testing.assert_close(network(frames, **known, **whole), result, atol=1e-4, rtol=1e-4)


@every_network
@torch.no_grad()
def test_another_frame_may_be_the_reference(name: str) -> None:
    frames, order = burst(NETWORKS[name]), [2, 0, 1, 3]
    known = given(name, frames)
    result = make(name, reference=2)(frames, **known)
    turned = {key: value[:, order] for key, value in known.items()}
    torch.testing.assert_close(result, make(name)(frames[:, order], **turned), atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="the reference, frame 2, is not among 2 frames"):
        make(name, reference=2)(frames[:, :2], **{key: value[:, :2] for key, value in known.items()})


@every_network
@torch.no_grad()
def test_flow_far_outside_leaves_the_base_alone(name: str) -> None:
    """Where other frames are led out of the image, nothing of them comes back; the result is finite."""
    network, frames = make(name), burst(NETWORKS[name])
    known, far = given(name, frames), torch.full((1, FRAMES - 1, 2, 21, 26), 1e4)
    result = network(frames, flow=far, **known)
    assert torch.isfinite(result).all()
    if name != "dbsr":  # the others' weight on 0 is not 0 there
        alone = network(frames[:, :1], **{key: value[:, :1] for key, value in known.items()})
        torch.testing.assert_close(result, alone, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_noise_map_for_all_frames_is_repeated() -> None:
    network, frames = make("deeprep_denoise"), burst(3)
    noise = 0.02 + 0.05 * frames[:, 0]
    repeated = noise[:, None].expand_as(frames)
    torch.testing.assert_close(
        network(frames, noise_map=noise), network(frames, noise_map=repeated), rtol=0, atol=0
    )
    with pytest.raises(ValueError, match=r"noise of the frames must be known: noise_map \(N, T, C, H, W\)"):
        network(frames)


@torch.no_grad()
def test_a_noise_map_is_no_matter_to_who_does_not_ask_for_it() -> None:
    """As samples of bursts for denoising, and files with their noise, have it."""
    network, frames = make("deeprep_sr"), burst(4)
    result = network(frames, noise_map=0.1 * frames)
    torch.testing.assert_close(result, network(frames), rtol=0, atol=0)


@every_descent
@torch.no_grad()
def test_any_number_of_steps(name: str) -> None:
    """K is a setting of use; with 0 the decoder is given z0."""
    network, frames = make(name), burst(NETWORKS[name])
    known, results = given(name, frames), []
    for network.descent_steps in (0, 1, 3, 5):
        results.append(network(frames, **known))
    noise = network.noise_of(frames, None, known.get("noise_map"))
    z0, _ = network.evidence(frames, noise, noise, network.flow_of(frames))
    torch.testing.assert_close(results[0], network.decode(z0, frames[:, 0]))
    assert min((one - other).abs().max() for one, other in itertools.pairwise(results)) > 1e-4


@pytest.mark.parametrize("name", ["deeprep_sr", "dbsr"])
def test_no_colour_begins_behind_its_last_relu(name: str) -> None:
    """Else it would have no gradient, and stay black for ever."""
    frames = burst(4, 2, (10, 12)) * 0.3
    for seed in range(8):
        torch.manual_seed(seed)
        network = create_network(name, **network_class(name).sizes["tiny"] | {"alignment": "dis"})
        (network(frames) - 0.1).abs().mean().backward()
        last = network.get_submodule("decoder" if name == "dbsr" else "hr_decoder").predictor[0]
        assert (last.bias.grad != 0).all()


# Brackets


@every_network
@torch.no_grad()
def test_brackets_tell_the_certainty_of_noise_and_clipping(name: str) -> None:
    """Exposures that clip other px, or more noise, change the result of the same normalised frames."""
    one_to_one = {} if name == "deeprep_denoise" else {"scale": 1}
    network = make(name, bracketed=True, in_channels=4, out_channels=4, **one_to_one)
    frames = 0.2 + burst(4, 3)
    flow = network.flow_of(frames)
    short, long = torch.tensor([[0.01, 0.02, 0.04]]), torch.tensor([[0.01, 1.0, 4.0]])
    told = network.told(frames, long, network.noise_of(frames, long, None))
    assert told.shape == (1, 3, 8, 21, 26)
    torch.testing.assert_close(told[:, 1, 4:], (frames[:, 1] >= 0.98).float())
    results = [network(frames, exposure=exposure, flow=flow) for exposure in (short, long)]
    assert (results[0] - results[1]).abs().max() > 1e-4
    if name == "dbsr":
        return
    measured = network.noise_of(frames, short, None)
    again = [
        network(frames, exposure=short, noise_map=noise, flow=flow) for noise in (measured, 4 * measured)
    ]
    torch.testing.assert_close(again[0], results[0])
    assert (again[0] - again[1]).abs().max() > 1e-4


def test_assumed_noise_of_brackets_falls_with_exposure() -> None:
    network = make("deeprep_sr", bracketed=True)
    frames, exposure = torch.full((1, 2, 4, 3, 3), 0.5), torch.tensor([[0.25, 4.0]])
    noise = network.noise_of(frames, exposure, None)
    expected = [(0.0024 * 0.5 * time + 1.8e-5) ** 0.5 / time for time in (0.25, 4.0)]
    assert noise[0, :, 0, 0, 0].tolist() == pytest.approx(expected, rel=1e-5)
    assert make("deeprep_sr").noise_of(frames, exposure, None) is None


# Alignment


def test_pwcnet_is_found_only_where_it_aligns() -> None:
    with torch.device("meta"):
        assert isinstance(create_network("dbsr").part("pwcnet"), PWCNet)
        assert create_network("dbsr", alignment="dis").part("pwcnet") is None
    with pytest.raises(ValueError, match="unknown alignment 'raft'; known: pwcnet, "):
        create_network("dbsr", alignment="raft")
    with pytest.raises(ValueError, match="scale must be a power of 2, not 6"):
        create_network("deeprep_sr", scale=6)


# Large frames


@pytest.mark.parametrize("size", [(100, 130), (20, 700), (700, 17)])
def test_windows_are_spread_over_large_frames(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deeprep_network, "WINDOW", 16)
    monkeypatch.setattr(deeprep_network, "WINDOWS", 12)
    windows = list(deeprep_network._windows(torch.Size(size)))
    assert 4 <= len(windows) <= 18
    for axis, length in enumerate(size):
        middles = [(window[axis].start + window[axis].stop) / 2 for window in windows]
        assert min(window[axis].start for window in windows) >= 0
        assert max(window[axis].stop for window in windows) <= length
        if length >= 100:  # of two parts one is taken
            assert abs(sum(middles) / len(middles) / length - 0.5) < 0.12


@torch.no_grad()
def test_steps_of_large_frames_are_nearly_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    network, frames = make("deeprep_denoise", alignment="dis"), burst(3, count=2, size=(96, 128))
    known = given("deeprep_denoise", frames)
    exact = network.whole_frame(frames, **known)["lengths"][0, :, 0, 0]
    monkeypatch.setattr(deeprep_network, "WINDOW", 16)
    monkeypatch.setattr(deeprep_network, "WINDOWS", 24)
    sampled = network.whole_frame(frames, **known)["lengths"][0, :, 0, 0]
    torch.testing.assert_close(sampled, exact, rtol=0.1, atol=0)
    assert not torch.equal(sampled, exact)
