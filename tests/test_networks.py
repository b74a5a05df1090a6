"""Every network of models/networks: adding a file enrols it. Then the parts that networks share."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torchvision.ops import deform_conv2d

from models.networks import create_network, needs_weights, network_class, network_names, takes
from models.networks.flow import spynet
from models.networks.flow.spynet import SPyNet
from models.networks.parts import warp as sampling
from models.networks.parts.blocks import upsample
from models.networks.parts.warp import modulated_deform_conv, warp
from tests.golden.published_weights import fill_value
from util import checkpoint, tiling
from util.scores.complexity import parameter_count

FRAMES = 3  # that the networks under test are built for
# Of weights, where those of 0.5 damp what depends on the frames.
GAINS = {"ahdrnet": 1.0, "fshdr": 1.5, "unet": 1.5, "deeprep_sr": 1.0, "deeprep_denoise": 1.0, "dbsr": 1.0}
GAINS |= {"svenet": 1.0}
# Of last layers with a ReLU, which these weights would leave dead.
CALM = 0.4  # of what predicts flow: a few px, not hundreds
BRIGHT = {"hr_decoder.predictor.0.bias": 1.0, "decoder.predictor.0.bias": 1.0}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny networks: threads would wait for each other longer than they work where cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


RGB_ONLY = ("row_merge", "sve_residual")  # whatever planes are asked for


def planes_out(name: str) -> int:
    """Planes of the result of a network under test."""
    return 3 if name in RGB_ONLY else planes_of(name)


def planes_of(name: str) -> int:
    """Planes of the frames that a network is tested with: 4 if it can."""
    planes = getattr(network_class(name), "planes", (4,))
    return 4 if 4 in planes else planes[0]


def make(name: str, channels: int | None = None, scale: int = 1) -> nn.Module:
    """The smallest preset of a network, with weights under which every part of it matters."""
    sizes, channels = getattr(network_class(name), "sizes", {}), channels or planes_of(name)
    network = create_network(
        name,
        num_frames=FRAMES,
        in_channels=channels,
        out_channels=channels,
        scale=scale,
        **sizes.get("tiny", {}),
    )
    for key, parameter in network.named_parameters():
        parameter.data = torch.from_numpy(fill_value(key, tuple(parameter.shape), GAINS.get(name, 0.5)))
        parameter.data += BRIGHT.get(key, 0.0)
        if "offset_predictors" in key:
            parameter.data *= CALM
    return network.eval()


def random_frames(*shape: int, seed: int = 0) -> torch.Tensor:
    """Smooth images with some noise, (N, T, C, H, W), values as of normalised frames."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(*shape[:-2], shape[-2] // 8 + 2, shape[-1] // 8 + 2, generator=generator)
    smooth = nn.functional.interpolate(coarse.flatten(0, 1), size=shape[-2:], mode="bicubic")
    return smooth.view(shape) + 0.02 * torch.rand(shape, generator=generator)


def given(network: nn.Module, frames: torch.Tensor) -> dict[str, torch.Tensor]:
    """What a network asks for besides the frames (N, T, ...): exposures that hardly clip anything."""
    exposure = 4.0 ** torch.arange(-2, frames.shape[1] - 2).repeat(len(frames), 1)
    known = {"exposure": exposure} if takes(network, "exposure") else {}
    if "noise_map" in getattr(network, "needs", ()):
        known["noise_map"] = 0.02 + 0.05 * frames.clamp(min=0)
    if takes(network, "mask"):
        known["mask"] = (frames[:, 0] > 0.4).float()
    return known


def restored(network: nn.Module, frames: torch.Tensor) -> torch.Tensor:
    return network(frames, **given(network, frames))


every_network = pytest.mark.parametrize("name", network_names())
every_trained_network = pytest.mark.parametrize("name", list(filter(needs_weights, network_names())))


def pairs(names: Iterable[str]) -> list[tuple[str, int]]:
    """Each network with the scales of 1 and 4 that it can have."""
    return [
        (name, scale)
        for name in names
        for scale in (1, 4)
        if scale in (getattr(network_class(name), "scales", None) or (scale,))
    ]


every_network_and_scale = pytest.mark.parametrize(("name", "scale"), pairs(network_names()))
every_trained_network_and_scale = pytest.mark.parametrize(
    ("name", "scale"), pairs(filter(needs_weights, network_names()))
)


def test_names() -> None:
    assert {"tmrnet", "exposure_merge"} <= set(network_names())
    assert not {"blocks", "demosaic_net", "windows"} & set(network_names())
    assert needs_weights("tmrnet") and not needs_weights("exposure_merge")


@every_network
def test_needs_weights_if_it_has_any(name: str) -> None:
    assert needs_weights(name) == (parameter_count(make(name)) > 0)


def test_arguments_of_the_task_that_a_network_does_not_take_are_left_out() -> None:
    network = create_network("exposure_merge", num_frames=7, in_channels=3, out_channels=3, scale=2)
    assert network.arguments == {
        "name": "exposure_merge",
        "scale": 2,
        "reference": 0,
        "shot_noise": 0.0024,
        "read_noise": 1.8e-5,
        "mosaic": True,
    }


@every_network
def test_unknown_argument_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="takes no 'frames_per_second'"):
        create_network(name, frames_per_second=3)


@every_trained_network
def test_gradient_checkpointing_changes_no_gradient(name: str) -> None:
    network, gradients = make(name).train(), []
    frames = random_frames(1, FRAMES, planes_of(name), 24, 32)
    for network.gradient_checkpointing in (False, True):
        network.zero_grad()
        torch.manual_seed(0)  # of what it draws
        restored(network, frames).square().mean().backward()
        gradients.append([parameter.grad.clone() for parameter in network.parameters()])
    for kept, recomputed in zip(*gradients, strict=True):
        assert torch.equal(kept, recomputed)


@every_trained_network_and_scale
def test_gradients_are_finite_and_reach_every_parameter(name: str, scale: int) -> None:
    network = make(name, scale=scale).train()
    output = restored(network, random_frames(1, FRAMES, planes_of(name), 37, 45))
    assert output.shape == (1, planes_out(name), 37 * scale, 45 * scale) and output.dtype == torch.float32
    assert output.isfinite().all()
    output.square().mean().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.abs().max() > 0, key


@every_network_and_scale
@pytest.mark.parametrize("channels", [1, 3, 4])
@torch.no_grad()
def test_any_number_of_frames_and_any_size(name: str, scale: int, channels: int) -> None:
    if channels not in getattr(network_class(name), "planes", (3, 4)):
        pytest.skip("it takes other planes")
    network = make(name, channels, scale)
    exact = getattr(network, "exact_frames", False)
    for number, size in ((1, (37, 45)), (2, (16, 50)), (FRAMES, (33, 32))):
        if exact and number < FRAMES:
            with pytest.raises(ValueError, match=f"{number} frames"):
                restored(network, random_frames(1, number, channels, *size))
        taken = FRAMES if exact else number
        output = restored(network, random_frames(1, taken, channels, *size))
        assert output.shape == (1, 3 if name in RGB_ONLY else channels, size[0] * scale, size[1] * scale)
        assert output.isfinite().all()


@every_network
@torch.no_grad()
def test_every_frame_matters(name: str) -> None:
    network = make(name)
    one = random_frames(1, 1, planes_of(name), 24, 32)  # a merge leaves out what shows something else
    frames = one + 0.02 * random_frames(1, FRAMES, planes_of(name), 24, 32, seed=1)
    plain = restored(network, frames)
    for number in range(FRAMES):
        other = frames.clone()
        other[:, number] += 0.1
        assert not torch.equal(restored(network, other), plain), f"frame {number}"


@every_network
@torch.no_grad()
def test_more_frames_are_taken_or_refused(name: str) -> None:
    network, frames = make(name), random_frames(1, FRAMES + 1, planes_of(name), 24, 24)
    if getattr(network, "max_frames", None):
        assert network.max_frames == FRAMES
        with pytest.raises(ValueError, match=f"{FRAMES + 1} frames"):
            restored(network, frames)
    else:
        assert restored(network, frames).shape == (1, planes_out(name), 24, 24)


@every_network_and_scale
@torch.no_grad()
def test_samples_of_a_batch_are_independent(name: str, scale: int) -> None:
    network = make(name, scale=scale)
    frames = random_frames(2, FRAMES, planes_of(name), 24, 37)
    together = restored(network, frames)
    apart = torch.cat([restored(network, frame[None]) for frame in frames])
    assert_allclose(together, apart, atol=1e-5 * float(together.std()), rtol=5e-6)
    assert (together[0] - together[1]).abs().max() > 0.1 * together.std()


@every_trained_network_and_scale
@torch.no_grad()
def test_checkpoint_reproduces_the_output(name: str, scale: int, tmp_path: Path) -> None:
    network = make(name, scale=scale)
    frames = random_frames(1, FRAMES, planes_of(name), 24, 37)
    path = checkpoint.weights_path(tmp_path, type(network), 3)
    checkpoint.save_weights(path, network.state_dict(), network.arguments)
    state, arguments = checkpoint.load_weights(path)
    again = create_network(arguments.pop("name"), **arguments)
    assert checkpoint.fit(again, state, path) == []
    assert torch.equal(restored(again.eval(), frames), restored(network, frames))
    assert path.name == f"{type(network).__name__}_model_3.pth"
    assert set(torch.load(path, weights_only=True)) == {"state_dict", "network"}


@every_network_and_scale
def test_tiles_equal_the_whole_frame(name: str, scale: int) -> None:
    network, (size, tile) = make(name, scale=scale), {1: ((150, 203), 128), 4: ((100, 110), 96)}[scale]
    if getattr(network, "is_global", False):
        pytest.skip("tiles of a network with global statistics are an approximation")
    frames = random_frames(1, FRAMES, planes_of(name), *size)
    period, known = getattr(network, "period", (1, 1)), given(network, frames)
    whole = tiling.restore(network, frames, 0, 32, period, **known)
    overlaps = (32, 0) if hasattr(network, "halo") else (32,)
    for overlap in overlaps[-1:] if hasattr(network, "usual_tile") else overlaps:  # these take long
        tiled = tiling.restore(network, frames, tile, overlap, period, **known)
        assert_allclose(tiled, whole, atol=1e-4 * float(whole.std()), rtol=1e-5)


@every_trained_network
@torch.no_grad()
def test_half_precision_is_near(name: str) -> None:
    network = make(name)
    frames = random_frames(1, FRAMES, planes_of(name), 48, 64)
    exact = restored(network, frames)
    with torch.autocast("cpu", torch.bfloat16):
        half = restored(network, frames)
    assert half.dtype == torch.float32 and not torch.equal(half, exact)
    assert 10 * torch.log10(exact.max() ** 2 / (half - exact).square().mean()) > 45


@pytest.mark.parametrize("name", [name for name in network_names() if not needs_weights(name)])
@torch.inference_mode()
def test_merges_are_of_full_precision(name: str) -> None:
    """The whole frame and in tiles."""
    network = make(name)
    frames = random_frames(1, FRAMES, planes_of(name), 48, 64)
    known = given(network, frames)
    for tile in (0, 40):
        exact = tiling.restore(network, frames, tile, 8, **known)
        with torch.autocast("cpu", torch.bfloat16):
            half = tiling.restore(network, frames, tile, 8, **known)
        assert torch.equal(half, exact)


@pytest.mark.parametrize(("scale", "count"), [(1, 13_285_704), (4, 13_581_192)])
def test_tmrnet_has_the_published_number_of_parameters(scale: int, count: int) -> None:
    with torch.device("meta"):
        network = create_network("tmrnet", scale=scale)
    assert parameter_count(network) == count


@pytest.mark.parametrize("scale", [1, 4])
@torch.no_grad()
def test_tmrnet_outputs_of_fewer_frames(scale: int) -> None:
    """They are what the network makes of these frames alone; asking for some leaves them as they are."""
    network = make("tmrnet", scale=scale)
    frames = random_frames(2, FRAMES, 4, 24, 29)
    outputs = network(frames, outputs=range(1, FRAMES + 1))
    assert outputs.shape == (2, FRAMES, 4, 24 * scale, 29 * scale)
    for number in range(1, FRAMES + 1):
        assert torch.equal(outputs[:, number - 1], network(frames[:, :number]))
    assert torch.equal(network(frames, outputs=(1, FRAMES)), outputs[:, [0, -1]])


@torch.no_grad()
def test_tmrnet_takes_the_flow_that_it_would_compute() -> None:
    network = make("tmrnet")
    frames = random_frames(1, FRAMES, 4, 24, 29)
    flow = network.whole_frame(frames)["flow"]
    assert flow.shape == (1, FRAMES - 1, 2, 24, 29)
    assert torch.equal(network(frames, flow=flow), network(frames))
    assert not torch.equal(network(frames, flow=flow + 1), network(frames))


# Parts


@pytest.mark.parametrize("reach", [2.0, 60.0])  # the second: most samples lie far outside
@pytest.mark.parametrize(("groups", "weight_groups"), [(1, 1), (2, 1), (4, 2)])
def test_deformable_convolution_is_torchvisions(
    reach: float, groups: int, weight_groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "STRIP_PIXELS", 70)  # several strips
    generator = torch.Generator().manual_seed(1)
    x, weight, bias = (
        torch.randn(shape, generator=generator, requires_grad=True)
        for shape in ((2, 8, 21, 17), (6, 8 // weight_groups, 3, 3), (6,))
    )
    offset = (reach * torch.randn(2, 18 * groups, 21, 17, generator=generator)).requires_grad_()
    mask = torch.rand(2, 9 * groups, 21, 17, generator=generator).requires_grad_()
    ours = modulated_deform_conv(x, offset, mask, weight, bias)
    theirs = deform_conv2d(x, offset, weight, bias, padding=1, mask=mask)
    assert_allclose(ours.detach(), theirs.detach(), atol=2e-5 * max(1.0, float(theirs.detach().std())))
    upstream = torch.randn(ours.shape, generator=generator)
    inputs = (x, offset, mask, weight, bias)
    expected = torch.autograd.grad(theirs, inputs, upstream)
    for own, reference in zip(torch.autograd.grad(ours, inputs, upstream), expected, strict=True):
        assert_allclose(own, reference, atol=3e-5 * max(1.0, float(reference.abs().max())))


def test_warp_follows_the_flow() -> None:
    image = torch.arange(30.0).view(1, 1, 5, 6)
    flow = torch.zeros(1, 2, 5, 6)
    flow[:, 0], flow[:, 1] = 2, 1  # x, y
    moved = warp(image, flow)
    assert_allclose(moved[0, 0, :4, :4], image[0, 0, 1:, 2:], atol=1e-4)
    assert moved[0, 0, 4].abs().max() < 1e-4 and moved[0, 0, :, 4:].abs().max() < 1e-4
    border = warp(image, flow, "border")
    assert_allclose(border[0, 0, 4, :4], image[0, 0, 4, 2:], atol=1e-4)


@pytest.mark.parametrize("padding", ["zeros", "border"])
def test_warp_in_strips_is_the_whole(padding: str) -> None:
    generator = torch.Generator().manual_seed(2)
    image = torch.rand(2, 3, 20, 15, generator=generator)
    flow = 4 * torch.randn(2, 2, 20, 15, generator=generator)
    whole = warp(image, flow, padding)
    strips = [warp(image, flow[:, :, top : top + 7], padding, top=top) for top in range(0, 20, 7)]
    assert torch.equal(torch.cat(strips, dim=2), whole)


@torch.no_grad()
def test_spynet_in_strips_is_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    network = SPyNet(levels=3, width=8).eval()
    for key, parameter in network.named_parameters():
        parameter.data = torch.from_numpy(fill_value(key, tuple(parameter.shape), 1.0))
    reference, support = random_frames(1, 2, 3, 90, 70).clamp(0, 1).unbind(1)
    whole = network(reference, support)
    monkeypatch.setattr(spynet, "STRIP_PIXELS", 900)
    strips = network(reference, support)
    assert whole.std() > 0.05
    assert_allclose(strips, whole, atol=1e-4 * float(whole.std()))


@pytest.mark.parametrize("scale", [2, 4])
def test_upsampling_a_window_is_a_window_of_the_upsampled(scale: int) -> None:
    image = torch.rand(1, 3, 23, 31, generator=torch.Generator().manual_seed(3))
    whole = upsample(image, scale)
    assert whole.shape == (1, 3, 23 * scale, 31 * scale)
    for top, bottom, left, right in ((0, 23, 0, 31), (0, 10, 5, 20), (7, 19, 3, 31), (13, 23, 0, 9)):
        part = upsample(image[:, :, top:bottom, left:right], scale, (top, left, 23, 31))
        expected = whole[:, :, top * scale : bottom * scale, left * scale : right * scale]
        # The outermost rows and columns of a tile may ask for a neighbour outside of it.
        rows = slice(0 if top == 0 else scale, part.shape[2] - (0 if bottom == 23 else scale))
        columns = slice(0 if left == 0 else scale, part.shape[3] - (0 if right == 31 else scale))
        assert_allclose(part[:, :, rows, columns], expected[:, :, rows, columns], atol=2e-6)
