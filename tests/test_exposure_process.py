"""The simulated exposure: schedules, photons between evaluations, step weights, illumination correction."""

import numpy as np
import pytest
import torch
from torch import nn

from models.exposure_diffusion_model import total_loss
from models.exposure_process import (
    ExposureProcess,
    check_steps,
    drawn_schedule,
    drawn_schedule_published,
    even_schedule,
    poisson,
    roll_out,
)
from models.networks.parts.estimator import Estimate
from util.errors import UserError
from util.imaging.illumination import corrected

GAIN = torch.tensor([[2e-4]])


def image(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_even_schedule():
    """In even steps, real-valued, for each sample by itself."""
    found = even_schedule(torch.tensor([300.0, 99.9]), 3)
    assert found[0].tolist() == [1, 75.75, 150.5, 225.25, 300]
    assert found[1].tolist() == pytest.approx([1, 25.725, 50.45, 75.175, 99.9])
    assert even_schedule(torch.tensor([100.0]), 0).tolist() == [[1, 100]]


def test_drawn_schedule():
    """Distinct whole numbers between frame and target, in rising order, a function of the generator alone."""
    ratio = torch.tensor([6.5, 250.0])
    for seed in range(50):
        found = drawn_schedule(ratio, 3, np.random.default_rng(seed))
        assert found.equal(drawn_schedule(ratio, 3, np.random.default_rng(seed)))
        assert (found.diff() > 0).all()
        assert found[:, 0].tolist() == [1, 1]
        assert found[:, -1].tolist() == [6.5, 250]
        assert found[:, 1:-1].equal(found[:, 1:-1].round())
    assert found.shape == (2, 5)


def test_published_schedule():
    """A batch of one: the ratio is cut to a whole number, and a draw of 1 makes a step less."""
    lengths = set()
    for seed in range(100):
        found = drawn_schedule_published(torch.tensor([5.9]), 2, np.random.default_rng(seed))[0].tolist()
        assert found == sorted(set(found))
        assert (found[0], found[-1]) == (1, 5)
        lengths.add(len(found))
    assert lengths == {3, 4}
    pair = torch.tensor([50.5, 60.0])
    first, second = (
        schedule(pair, 2, np.random.default_rng(3)) for schedule in (drawn_schedule, drawn_schedule_published)
    )
    assert first.equal(second)


@pytest.mark.parametrize(
    ("iter_num", "ratio", "message"),
    [
        (3, 4.9, "--iter_num 3: a ratio of 4.9 has room for 2 exposures"),
        (0, 0.9, "a ratio of 0.9: a target is exposed as long as its frame or longer"),
        (0, float("inf"), "a ratio of inf: a target is exposed"),
    ],
)
def test_impossible_steps(iter_num, ratio, message):
    with pytest.raises(UserError, match=message):
        check_steps(iter_num, ratio)


def test_perfect_estimates_keep_the_image():
    """With the truth measured and estimated, and the mean of photons, every step sees the truth."""
    truth, seen = image(1, 4, 6, 5), []

    def perfect(given: torch.Tensor, reached: torch.Tensor) -> Estimate:
        seen.append((given, reached.item()))
        return Estimate(truth, None, None, None)

    exposures = even_schedule(torch.tensor([300.0]), 3)
    list(roll_out(perfect, truth, GAIN, exposures, torch.Tensor.float))
    assert [reached for _, reached in seen] == [1, 75.75, 150.5, 225.25]
    for given, _ in seen:
        torch.testing.assert_close(given, truth, atol=1e-6, rtol=0)


def test_photons_are_drawn_between_evaluations_only():
    """A draw less than evaluations, each of all electrons since exposure 1."""
    truth, means = image(1, 4, 3, 3), []

    def count(expected: torch.Tensor) -> torch.Tensor:
        means.append(expected)
        return expected

    exposures = torch.tensor([[1.0, 30.0, 77.0, 100.0]])
    list(roll_out(lambda *_: Estimate(truth, None, None, None), truth, GAIN, exposures, count))
    assert len(means) == 2
    for expected, reached in zip(means, (30, 77), strict=True):
        torch.testing.assert_close(expected, truth * (reached - 1) / (100 * 2e-4))


def test_gradient_passes_straight_through():
    """The gradient of a drawn image with respect to the estimate before it is that of the mean."""
    start = image(1, 4, 5, 5)
    estimate = (0.1 + 0.8 * image(1, 4, 5, 5, seed=1)).requires_grad_()
    images = []

    def network(given: torch.Tensor, reached: torch.Tensor) -> Estimate:
        images.append(given)
        return Estimate(estimate, None, None, None)

    torch.manual_seed(0)
    list(roll_out(network, start, GAIN, torch.tensor([[1.0, 40.0, 100.0]])))
    images[1].mean().backward()
    torch.testing.assert_close(estimate.grad, torch.full_like(estimate, 39 / 40 / estimate.numel()))


def test_poisson_statistics():
    """Mean and variance of the draws, which a generator decides."""
    mean = torch.full((200_000,), 7.5)
    drawn = poisson(mean, torch.Generator().manual_seed(1))
    assert drawn.equal(poisson(mean, torch.Generator().manual_seed(1)))
    assert drawn.mean().item() == pytest.approx(7.5, rel=0.01)
    assert drawn.var().item() == pytest.approx(7.5, rel=0.02)


def test_any_network_takes_part():
    """One without the conditions is given the image alone."""

    class Halves(nn.Module):
        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            return frames[:, 0] / 2

    start, exposures = image(2, 4, 4, 4), even_schedule(torch.tensor([100.0, 200.0]), 1)
    process = ExposureProcess(Halves())
    made = process(start, {}, exposures, GAIN.expand(2, 1), photons=torch.Tensor.float)
    reached = exposures[:, 1, None, None, None]
    second = (start + start / 2 * (reached - 1)) / reached
    torch.testing.assert_close(made.estimates[1].image, second / 2)


def test_step_weights():
    """What the weights leave of 1 is that of the last evaluation that there is, or as published."""
    losses, weight = torch.tensor([3.0, 2.0, 1.0]), torch.tensor([0.2, 0.5])
    assert total_loss(losses, None, published=False) == 6
    for published in (False, True):
        assert total_loss(losses, weight, published).item() == pytest.approx(0.6 + 1.0 + 0.3)
    assert total_loss(losses[:2], weight, published=True).item() == pytest.approx(0.6 + 1.0)
    assert total_loss(losses[:2], weight, published=False).item() == pytest.approx(0.6 + 1.6)
    over = torch.tensor([0.9, 0.6])
    assert total_loss(losses, over, published=True).item() == pytest.approx(2.7 + 1.2 - 0.5)


def test_illumination_correction():
    """The result does not depend on the brightness of the image, nor on saturated parts of the target."""
    target = image(2, 4, 8, 8)
    target[:, :, :2] = 1.0
    output = (target * 0.5 + 0.01 * image(2, 4, 8, 8, seed=2)).clamp(0, 0.5)
    found = corrected(output, target)
    torch.testing.assert_close(corrected(0.37 * output, target), found)
    np.testing.assert_allclose(corrected(output.numpy(), target.numpy()), found, rtol=1e-5)
    output[:, :, :2] = 0.9
    torch.testing.assert_close(corrected(output, target)[:, :, 2:], found[:, :, 2:])


@pytest.mark.parametrize(("level", "target"), [(0.0, 0.5), (0.5, 1.0)])
def test_illumination_that_nothing_decides(level, target):
    """A black image, and a target that is white everywhere: left as it is, not NaN."""
    output = torch.full((1, 4, 3, 3), level)
    assert corrected(output, torch.full_like(output, target)).equal(output)


def test_estimates_that_are_no_numbers_stay_so():
    """They end a step or a run by what looks at losses and results, not inside the draw."""
    drawn = poisson(torch.tensor([float("nan"), 5.0]))
    assert drawn[0].isnan() and drawn[1] >= 0
