"""Parts of networks for bursts: motion and its adjoint, steps of the descent, certainty, sub-pixels."""

import itertools
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from models.networks.parts.burst_blocks import SubpixelUpsampler
from models.networks.parts.certainty import CertaintyPredictor
from models.networks.parts.descent import DegradationOperator, Evidence, SteepestDescent
from models.networks.parts.motion import Motion
from models.networks.parts.splat import splat
from models.networks.parts.warp import warp

FLOWS = {"near": 1.5, "across the border": 9.0, "far outside": 400.0}  # px


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(4)


def dot(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first.double() * second.double()).sum())


def assert_adjoint(moved: torch.Tensor, b: torch.Tensor, a: torch.Tensor, back: torch.Tensor) -> None:
    """<moved, b> = <a, back> to 1e-5 of the lengths that the products are made of."""
    assert back.shape == a.shape
    length = max(float(moved.norm() * b.norm()), 1e-6)
    assert abs(dot(moved, b) - dot(a, back)) < 1e-5 * length


# Motion and the operator


@pytest.mark.parametrize("reach", FLOWS.values(), ids=FLOWS)
def test_splat_is_the_adjoint_of_warp(reach: float, generator: torch.Generator) -> None:
    images = torch.randn(2, 5, 13, 17, generator=generator)
    values = torch.randn(2, 5, 9, 11, generator=generator)
    flow = reach * torch.randn(2, 2, 9, 11, generator=generator)
    assert_adjoint(warp(images, flow), values, images, splat(values, flow, (13, 17)))


@pytest.mark.parametrize("reach", FLOWS.values(), ids=FLOWS)
def test_motion_is_warp_and_splat(reach: float, generator: torch.Generator) -> None:
    """Values, and gradients by images and values, are those of `warp` and `splat`."""
    images, values = (torch.randn(2, 5, 13, 17, generator=generator).requires_grad_() for _ in range(2))
    flow = reach * torch.randn(2, 2, 13, 17, generator=generator)
    motion = Motion(flow)
    assert motion.bags is not None
    pairs = (
        (motion.warp, lambda given: warp(given, flow), images),
        (motion.splat, lambda given: splat(given, flow, (13, 17)), values),
    )
    for ours, plain, given in pairs:
        made, expected = ours(given), plain(given)
        torch.testing.assert_close(made, expected, atol=2e-5, rtol=1e-5)
        probe = torch.randn(made.shape, generator=generator)
        found = torch.autograd.grad((made * probe).sum(), given)[0]
        torch.testing.assert_close(
            found, torch.autograd.grad((expected * probe).sum(), given)[0], atol=2e-5, rtol=1e-5
        )
    moved, back = motion.warp(images).detach(), motion.splat(values).detach()
    assert_adjoint(moved, values.detach(), images.detach(), back)


def test_a_learnt_flow_has_the_true_gradient_through_both(generator: torch.Generator) -> None:
    """Of the flow: that of warping, with what is scattered as what comes back (specification, 1.5)."""
    images, values = (torch.randn(1, 3, 9, 12, generator=generator) for _ in range(2))
    flow = (2 * torch.randn(1, 2, 9, 12, generator=generator)).requires_grad_()
    motion = Motion(flow)
    assert motion.bags is None
    by_splat = torch.autograd.grad((motion.splat(values) * images).sum(), flow)[0]
    by_warp = torch.autograd.grad((motion.warp(images) * values).sum(), flow)[0]
    assert by_warp.abs().max() > 0.1
    torch.testing.assert_close(by_splat, by_warp, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(7, 9), (8, 5)])
def test_the_operator_has_its_transpose(
    stride: int, size: tuple[int, int], generator: torch.Generator
) -> None:
    operator = DegradationOperator(6, 10, stride)
    z = torch.randn(2, 6, *(stride * side for side in size), generator=generator)
    values = torch.randn(2, 10, *size, generator=generator)
    assert_adjoint(operator(z).detach(), values, z, operator.transposed(values).detach())


# The descent


def problem(
    stride: int, prior: bool, generator: torch.Generator, reach: float = 2.0
) -> tuple[SteepestDescent, torch.Tensor, list[Evidence]]:
    """An optimiser, z0, and what three frames of 7x9 px say."""
    optimizer = SteepestDescent(6, 10, stride, nn.Identity(), prior)
    z0 = torch.randn(2, 6, 7 * stride, 9 * stride, generator=generator)
    evidence = []
    for number in range(3):
        features, weights = (torch.randn(2, 10, 7, 9, generator=generator) for _ in range(2))
        flow = reach * torch.randn(2, 2, 7 * stride, 9 * stride, generator=generator)
        evidence.append(Evidence(features, weights.square(), Motion(flow) if number else None))
    return optimizer, z0, evidence


def fresh(evidence: list[Evidence]) -> list[Evidence]:
    """The same, of which the descent may change what it likes."""
    return [frame._replace(features=frame.features.clone()) for frame in evidence]


def plain_objective(
    optimizer: SteepestDescent, z: torch.Tensor, z0: torch.Tensor, evidence: list[Evidence]
) -> torch.Tensor:
    """What is minimised, (N,), as the specification (1) writes it."""
    total = float(optimizer.prior) / 8 * (z - z0).double().square().sum((1, 2, 3))
    for frame in evidence:
        seen = optimizer.degradation_operator(z if frame.motion is None else frame.motion.warp(z))
        off = frame.squares.sqrt() * (seen - frame.features)
        total = total + off.double().square().sum((1, 2, 3))
    return total


@pytest.mark.parametrize("prior", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@torch.no_grad()
def test_every_step_ends_at_the_lowest_point_of_its_line(
    stride: int, prior: bool, generator: torch.Generator
) -> None:
    optimizer, z0, evidence = problem(stride, prior, generator)
    heights, begun = [plain_objective(optimizer, z0, z0, evidence)], fresh(evidence)
    state = optimizer.begin(z0, begun)
    for _ in range(6):
        before = [one.clone() for one in state]
        direction = optimizer.gradient(z0, before, begun)
        state, length = optimizer.step(z0, state, begun, None)
        torch.testing.assert_close(state[0], before[0] - length.view(-1, 1, 1, 1) * direction)
        heights.append(plain_objective(optimizer, state[0], z0, evidence))
        known = optimizer.objective(z0, state, begun).double()
        torch.testing.assert_close(known, heights[-1], atol=0, rtol=1e-5)  # what it keeps stays true
        for factor in (0.99, 1.01):
            near = before[0] - factor * length.view(-1, 1, 1, 1) * direction
            assert (plain_objective(optimizer, near, z0, evidence) > heights[-1]).all()
    assert all((after < before).all() for before, after in itertools.pairwise(heights))


@torch.no_grad()
def test_the_direction_is_half_the_gradient(generator: torch.Generator) -> None:
    optimizer, z0, evidence = problem(2, True, generator)
    z = z0 + torch.randn(z0.shape, generator=generator)
    state = [z, *(optimizer.seen(z, frame) - frame.features for frame in evidence)]
    with torch.enable_grad():
        variable = z.clone().requires_grad_()
        height = plain_objective(optimizer, variable, z0, evidence).sum()
        expected = torch.autograd.grad(height, variable)[0] / 2
    torch.testing.assert_close(optimizer.gradient(z0, state, evidence), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_frames_that_say_nothing_leave_z_where_it_begins(generator: torch.Generator) -> None:
    """Weights of 0: the step is not 0 / 0."""
    optimizer, z0, evidence = problem(2, False, generator)
    silent = [frame._replace(squares=torch.zeros_like(frame.squares)) for frame in evidence]
    z, lengths = optimizer(z0, silent, 3)
    assert torch.equal(z, z0) and torch.isfinite(torch.stack(lengths)).all()


@torch.no_grad()
def test_known_lengths_make_the_same_steps(generator: torch.Generator) -> None:
    optimizer, z0, evidence = problem(1, True, generator)
    z, lengths = optimizer(z0, fresh(evidence), 4)
    again, same = optimizer(z0, fresh(evidence), 4, lengths[:2])
    torch.testing.assert_close(again, z)
    torch.testing.assert_close(same, lengths)


# Certainty


@torch.no_grad()
def test_certainty_looks_at_the_fraction_of_a_flow(generator: torch.Generator) -> None:
    """Whole px more or fewer, also below 0, are the same phase; weights are not negative."""
    predictor = CertaintyPredictor(12, 6, 4, 1, 0, 1)
    own, base = torch.randn(2, 1, 6, 8, 9, generator=generator).unbind(0)
    flow = torch.randint(-8, 8, (1, 2, 8, 9), generator=generator) / 8
    weights = predictor(own, base, flow)
    assert weights.shape == (1, 12, 8, 9) and weights.min() >= 0
    torch.testing.assert_close(predictor(own, base, flow - 3), weights)
    assert (predictor(own, base, flow + 0.5) - weights).abs().max() > 1e-4
    torch.testing.assert_close(predictor(own, base, None), predictor(own, base, torch.zeros_like(flow)))


# Sub-pixels


def test_all_sub_pixels_begin_alike(generator: torch.Generator) -> None:
    upsampler = SubpixelUpsampler(6, 4, 4, blur=False)
    made = upsampler(torch.randn(1, 6, 5, 7, generator=generator))
    cells = made.unflatten(3, (7, 4)).unflatten(2, (5, 4))
    assert made.std() > 0.1
    torch.testing.assert_close(cells, cells[:, :, :, :1, :, :1].expand_as(cells), atol=1e-6, rtol=0)
