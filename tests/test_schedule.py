"""The learning rate of every policy, in numbers."""

import argparse
import itertools
import math

import pytest

from options.train_options import TrainOptions
from util.schedule import POLICIES, learning_rate

TESTED = ("cosine", "cosine_warmup", "step", "halves", "milestones", "linear", "plateau")


def rates(policy: str, epochs: int, scores: tuple = (), **changes: float) -> list[float]:
    """Learning rates of epochs 1 ... `epochs`."""
    settings = {"lr": 1e-3, "niter": 10, "niter_decay": 0, "lr_decay_iters": 3}
    settings |= {"lr_milestone_factor": 0.2, "lr_min": 1e-6} | changes
    opt = argparse.Namespace(lr_policy=policy, **settings)
    return [learning_rate(opt, epoch, scores) for epoch in range(1, epochs + 1)]


def test_cosine():
    found = rates("cosine", 10)
    assert found[0] == 1e-3
    assert found[5] == pytest.approx((1e-3 + 1e-6) / 2)  # half-way
    assert found[9] == pytest.approx(1e-6 + 0.5 * (1e-3 - 1e-6) * (1 + math.cos(0.9 * math.pi)))
    assert found == sorted(found, reverse=True)


def test_cosine_ends_at_its_floor():
    """Epochs beyond niter stay there instead of rising again."""
    assert rates("cosine", 14, niter_decay=4)[10:] == pytest.approx([1e-6] * 4)
    assert rates("cosine", 14, niter_decay=4, lr_min=1e-7)[10:] == pytest.approx([1e-7] * 4)


def test_cosine_warmup():
    found = rates("cosine_warmup", 10)
    assert found[:5] == pytest.approx([1e-4, 2.8e-4, 4.6e-4, 6.4e-4, 8.2e-4])
    assert found[5:] == rates("cosine", 10)[5:]  # the warm-up does not shift the cosine


def test_step():
    assert rates("step", 8) == pytest.approx([1e-3] * 3 + [5e-4] * 3 + [2.5e-4] * 2)


def test_linear():
    found = rates("linear", 14, niter_decay=4)
    assert found[:10] == [1e-3] * 10
    assert found[10:] == pytest.approx([1e-3, 7.5e-4, 5e-4, 2.5e-4])
    assert rates("linear", 10) == [1e-3] * 10


def test_halves():
    """ExposureDiffusion: half of it from the middle on, a tenth from nine tenths on."""
    found = rates("halves", 20, niter=20)
    assert found == pytest.approx([1e-3] * 10 + [5e-4] * 8 + [1e-4] * 2)


@pytest.mark.parametrize(
    "milestones, epochs",
    [([300, 400], 500), ([15, 30], 40), ([150, 250], 300), ([100], 150), ([100, 200], 250), ([40, 80], 100)],
)
def test_milestones(milestones, epochs):
    """Deep-Rep and DBSR: a fifth of it after each of the published epochs."""
    found = rates("milestones", epochs, niter=epochs, lr=1e-4, lr_milestones=milestones)
    ends = [0, *milestones, epochs]
    expected = []
    for number, (first, last) in enumerate(itertools.pairwise(ends)):
        expected += [1e-4 * 0.2**number] * (last - first)
    assert found == pytest.approx(expected)


def test_milestones_that_halve():
    """SVEHDRI: halved after 100, 180, 240 and 280 thousand of 300 thousand steps."""
    found = rates("milestones", 60, lr=2e-4, lr_milestones=[20, 36, 48, 56], lr_milestone_factor=0.5)
    assert found == pytest.approx([2e-4] * 20 + [1e-4] * 16 + [5e-5] * 12 + [2.5e-5] * 8 + [1.25e-5] * 4)


def test_milestones_of_the_strategy():
    """--model deeprep begins with those of super-resolution."""
    words = "--name x --dataroot /data --model deeprep --dataset_name synburst_train --gpu_ids -1"
    opt = TrainOptions().parse(words.split())
    found = [learning_rate(opt, epoch) for epoch in (1, 300, 301, 400, 401, 500)]
    assert found == pytest.approx([1e-4, 1e-4, 2e-5, 2e-5, 4e-6, 4e-6])
    assert (opt.niter, opt.niter_decay, opt.epoch_iters, opt.batch_size) == (500, 0, 1000, 16)
    assert (opt.weight_decay, opt.frame_num, opt.patch_size, opt.val_freq) == (0, 14, 54, 5)


@pytest.mark.parametrize(
    "scores, factor",
    [
        ((), 1),
        ((30, 29, 29, 29, 29, 29), 1),  # five without a new best
        ((30, 29, 29, 29, 29, 29, 29), 0.2),  # six
        ((30, 29, 29, 29, 29, 31, 29), 1),  # a new best in between
        ((30, *[30] * 6), 0.2),  # equal is not better
        ((30, *[29] * 11), 0.2),  # the count starts anew
        ((30, *[29] * 12), 0.04),
        ((30, *[29] * 6, 31, 32), 0.2),  # a lowered rate stays
    ],
)
def test_plateau(scores, factor):
    assert rates("plateau", 1, scores) == pytest.approx([1e-3 * factor])


def test_every_policy_is_tested():
    assert set(POLICIES) == set(TESTED)
