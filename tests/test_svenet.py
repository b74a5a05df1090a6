"""SVENet: its convolution by phases, the pattern that it keeps, published files; and its loss."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose
from torch import nn

from models.colour_angle import ANGLE_WEIGHT, colour_angle_loss
from models.networks import create_network
from models.networks.parts import winograd
from models.networks.parts.row_frames import by_rows
from models.networks.parts.spatially_varying import SpatiallyVaryingConv
from models.networks.parts.winograd import Bordered, two_convolutions
from models.networks.svenet import SVENet
from tests.bench.published_sve import published_forward
from tests.golden.published_weights import fill_value
from util import checkpoint, tiling
from util.scores.complexity import multiply_adds, parameter_count

SIZES = [(64, 48), (45, 51), (46, 50), (1, 1), (3, 2)]


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def filled(module: nn.Module, gain: float = 1.0) -> nn.Module:
    """The module with reproducible weights under which every part matters."""
    for name, parameter in module.named_parameters():
        parameter.data = torch.from_numpy(fill_value(name, tuple(parameter.shape), gain))
    return module.eval()


@pytest.fixture
def network() -> SVENet:
    network = filled(create_network("svenet", mid_channels=8, blocks=2))
    for block in network.sft_branch:
        block.beta.data.fill_(1.0)  # as it is at first
    return network


# The convolution


@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_each_px_takes_the_convolution_of_its_phase(size: tuple[int, int]) -> None:
    layer, plane = filled(SpatiallyVaryingConv(6)), random(2, 1, *size)
    result = layer(plane)
    assert result.shape == (2, 6, *size)
    for phase, conv in enumerate(layer.children()):
        row, column = divmod(phase, 2)
        whole = conv(plane)
        assert_allclose(result[..., row::4, column::2], whole[..., row::4, column::2], atol=1e-6)


def test_gradients_of_the_convolution_are_those_of_the_select() -> None:
    layer, plane = filled(SpatiallyVaryingConv(3)), random(1, 1, 9, 7).requires_grad_()
    chosen = torch.zeros(1, 3, 9, 7)
    for phase, conv in enumerate(layer.children()):
        own = torch.zeros(9, 7)
        own[phase // 2 :: 4, phase % 2 :: 2] = 1
        chosen = chosen + conv(plane) * own
    inputs, upstream = (plane, *layer.parameters()), random(1, 3, 9, 7, seed=1)
    expected = torch.autograd.grad(chosen, inputs, upstream)
    for own, reference in zip(torch.autograd.grad(layer(plane), inputs, upstream), expected, strict=True):
        assert_allclose(own, reference, atol=1e-5)


# Rows by minimal filtering


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (4, 5), (9, 21)])
@torch.no_grad()
def test_rows_are_those_of_both_convolutions(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "COLUMNS", 8)  # several blocks
    first, second = filled(nn.Conv2d(5, 7, 3, padding=1)), filled(nn.Conv2d(7, 5, 3, padding=1))
    maps = random(1, 5, *size) - 0.5
    exact = second.double()(F.relu(first.double()(maps.double())))[0].permute(1, 2, 0)
    first.float(), second.float()
    for adds in (False, True):
        bordered = Bordered(maps[0].permute(1, 2, 0))
        rows: list[int] = []
        for part in two_convolutions(bordered, first, torch.relu_, second, bordered.inside, adds):
            rows.extend(range(size[0])[part])
        assert rows == list(range(size[0]))
        expected = exact + adds * maps[0].permute(1, 2, 0)
        assert_allclose(bordered.inside, expected, atol=2e-6 * max(1, float(exact.abs().max())))
        assert bordered.values.sum() == pytest.approx(float(bordered.inside.sum()), abs=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_every_way_gives_the_published_result(size: tuple[int, int], network: SVENet) -> None:
    """By rows, as without gradients on a CPU, and by whole maps."""
    radiance, mask = random(2, 1, *size), random(2, 1, *size, seed=1)
    with torch.no_grad():
        expected = published_forward(dict(network.state_dict()), radiance, mask)
        by_rows = network(radiance[:, None], mask)
    whole = network(radiance[:, None], mask)
    assert whole.requires_grad
    scale = float(expected.abs().max())
    assert_allclose(by_rows, expected, atol=1e-5 * scale)
    assert_allclose(whole.detach(), expected, atol=1e-5 * scale)


# The network


def test_published_numbers_of_parameters_and_operations() -> None:
    with torch.device("meta"):
        network = create_network("svenet")
        counts = [parameter_count(part) for part in (network.conv_first_Com, network.sft_branch)]
        work = multiply_adds(network, (1, 2, 1, 128, 128), mask=torch.empty(1, 1, 128, 128))
    assert parameter_count(network) == 1_912_211 and len(network.state_dict()) == 184
    assert counts == [87_168, 1_773_072]
    assert 2 * work == pytest.approx(61.8e9, rel=0.01)
    assert all(block.beta.shape == (1,) and block.beta.item() == 1 for block in SVENet(blocks=2).sft_branch)


def test_small_weights_are_small() -> None:
    with torch.device("meta"):
        network = create_network("svenet", **SVENet.sizes["small"])
    assert 4 * parameter_count(network) < 4e6


@pytest.mark.parametrize("arguments", [{"mid_channels": 7}, {"mid_channels": 0}, {"blocks": 0}])
def test_what_cannot_be_built_is_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="even number of channels, and 1 block or more"):
        create_network("svenet", **arguments)


@torch.no_grad()
def test_a_residual_starts_from_the_merge_and_is_tiled_with_it() -> None:
    network = create_network("sve_residual", mid_channels=4, blocks=1).eval()
    radiance, mask = random(1, 1, 128, 130), (random(1, 1, 128, 130, seed=1) > 0.3).float()
    frames, exposure = by_rows(radiance, "short_first"), torch.tensor([[1.0, 8.0]])
    merged = create_network("row_merge")(frames, exposure, mask)
    torch.testing.assert_close(network(frames, mask, exposure), merged, atol=2e-6, rtol=2e-5)
    network.conv_last[2].weight.data.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    whole = network(frames, mask, exposure)
    assert (whole - merged).abs().max() > 0.01
    tiled = tiling.restore(network, frames, 112, 8, network.period, mask=mask, exposure=exposure)
    assert_allclose(tiled, whole, atol=1e-4 * float(whole.max()))


@torch.no_grad()
def test_a_shift_by_the_pattern_shifts_the_result(network: SVENet) -> None:
    radiance, mask = random(1, 1, 1, 60, 52), (random(1, 1, 60, 52, seed=1) > 0.3).float()
    plain, reach = network(radiance, mask), network.halo()
    for rows, columns in ((4, 2), (2, 0), (0, 1)):
        moved = network(radiance[..., rows:, columns:], mask[..., rows:, columns:])
        inside = (..., slice(reach, -reach), slice(reach, -reach))
        difference = float((moved - plain[..., rows:, columns:])[inside].abs().max() / plain.std())
        assert difference < 1e-5 if (rows, columns) == (4, 2) else difference > 0.1


@torch.no_grad()
def test_the_halo_is_the_reach(network: SVENet) -> None:
    radiance, mask = random(1, 1, 1, 48, 48), torch.ones(1, 1, 48, 48)
    other = radiance.clone()
    other[..., 20, 24] += 5
    rows, columns = (network(other, mask) - network(radiance, mask)).abs().amax((0, 1)).gt(1e-5).nonzero().T
    assert network.halo() == 10
    assert (20 - rows.min(), rows.max() - 20) == (10, 10)
    assert (24 - columns.min(), columns.max() - 24) == (10, 10)


@torch.no_grad()
def test_the_mask_guides(network: SVENet) -> None:
    radiance = random(1, 1, 1, 20, 22)
    trusted, not_trusted = (network(radiance, torch.full((1, 1, 20, 22), value)) for value in (1.0, 0.0))
    assert (trusted - not_trusted).abs().mean() > 0.1 * trusted.std()


@pytest.mark.parametrize("overlap", [0, 8])
def test_tiles_are_the_whole_to_rounding(network: SVENet, overlap: int) -> None:
    frames, mask = random(1, 2, 1, 94, 131), (random(1, 1, 94, 131, seed=1) > 0.3).float()
    whole = tiling.restore(network, frames, 0, overlap, network.period, mask=mask)
    tiled = tiling.restore(network, frames, 48, overlap, network.period, mask=mask)
    assert_allclose(tiled, whole, atol=1e-5 * float(whole.std()), rtol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@torch.no_grad()
def test_any_dtype(network: SVENet, dtype: torch.dtype) -> None:
    frames, mask = random(1, 2, 1, 21, 19), random(1, 1, 21, 19, seed=1)
    expected = network(frames, mask)
    result = network.to(dtype)(frames.to(dtype), mask.to(dtype))
    assert result.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float64 else 0.1
    assert (result - expected).abs().max() < tolerance * expected.abs().max()


def test_a_published_file_loads_and_is_saved_with_the_same_names(network: SVENet, tmp_path: Path) -> None:
    path = tmp_path / "published.pth"
    torch.save({"state_dict": network.state_dict()}, path)
    state, made = checkpoint.load_weights(path)
    assert made is None
    again = create_network("svenet", **SVENet.arguments_of(state))
    assert checkpoint.fit(again, state, path) == []
    assert list(again.state_dict()) == list(state)
    assert again.state_dict()["sft_branch.1.beta"].shape == (1,)
    assert SVENet.arguments_of({"conv1.weight": torch.zeros(1)}) == {}


# The loss


def total(output: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None) -> torch.Tensor:
    l1, angle = colour_angle_loss(output, target, valid)
    return l1 + ANGLE_WEIGHT * angle


def test_loss_of_known_colours() -> None:
    target = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1).expand(1, 3, 1, 2)
    output = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.5]]).view(1, 3, 1, 2)
    l1, angle = colour_angle_loss(output, target)
    assert l1.item() == pytest.approx((1 + 1.5) / 6)
    assert angle.item() == pytest.approx((1 - 0.5**0.5 + 1) / 2, abs=1e-6)


def test_equal_images_cost_nothing_and_brightness_has_no_angle() -> None:
    image = 0.01 + random(2, 3, 8, 6)
    assert total(image, image) < 1e-6
    assert colour_angle_loss(3 * image, image)[1] < 1e-6


@pytest.mark.parametrize("black", ["output", "target", "both"])
def test_black_gives_finite_gradients(black: str) -> None:
    output, target = random(1, 3, 5, 4), random(1, 3, 5, 4, seed=1)
    output, target = (
        torch.zeros_like(image) if black in (name, "both") else image
        for name, image in (("output", output), ("target", target))
    )
    output.requires_grad_()
    l1, angle = colour_angle_loss(output, target)
    (l1 + ANGLE_WEIGHT * angle).backward()
    assert l1.isfinite() and output.grad.isfinite().all()
    assert angle.item() == pytest.approx(1.0 if black == "output" else 0.0)


def test_px_that_are_not_valid_count_nowhere() -> None:
    output, target = random(1, 3, 6, 4).requires_grad_(), random(1, 3, 6, 4, seed=1)
    valid = torch.zeros(1, 1, 6, 4)
    valid[..., :3, :] = 1
    found = total(output, target, valid)
    assert found.item() == pytest.approx(total(output[..., :3, :], target[..., :3, :]).item(), rel=1e-6)
    found.backward()
    assert output.grad[..., :3, :].abs().min() > 0 and output.grad[..., 3:, :].abs().max() == 0
    assert total(output, target, torch.zeros_like(valid)) == 0
