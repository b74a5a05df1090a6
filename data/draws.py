"""What is random about a training sample, as pure functions of seed, epoch and position in the epoch."""

import argparse
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np


class Draw(NamedTuple):
    """Names one sample of one epoch: its index in the data set and what its random numbers derive from."""

    index: int
    seed: int
    epoch: int
    position: int  # in the epoch, over all processes
    batch: int  # step of the epoch, from 0

    def generator(self) -> np.random.Generator:
        """Random numbers of this sample alone."""
        return np.random.default_rng((self.seed, self.epoch, self.position))

    def batch_generator(self) -> np.random.Generator:
        """Random numbers that all samples of the batch share."""
        return np.random.default_rng((self.seed, self.epoch, self.batch, 1))


def random_corner(
    rng: np.random.Generator, room: Sequence[int], period: tuple[int, int] = (1, 1)
) -> tuple[int, int]:
    """Row and column that a random crop begins at: below `room`, and multiples of the task's `period`."""
    top, left = (
        step * int(rng.integers(-(-places // step))) for places, step in zip(room, period, strict=True)
    )
    return top, left


class EpochBatches:
    """Batch sampler of one process: for each step of `epoch` from `first` on, the draws of its share.

    An epoch is `steps` batches whatever the size of the data set: positions are shuffled and taken modulo the
    number of samples. A step's share comes in `--accumulate` batches.
    """

    def __init__(self, samples: int, opt: argparse.Namespace, rank: int = 0, world: int = 1) -> None:
        self.samples, self.rank, self.world = samples, rank, world
        self.batch_size, self.steps, self.parts = opt.batch_size, opt.epoch_iters, opt.accumulate
        self.seed = opt.seed
        self.epoch, self.first = 1, 0

    def __len__(self) -> int:
        return (self.steps - self.first) * self.parts

    def __iter__(self) -> Iterator[list[Draw]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.steps * self.batch_size)
        for step in range(self.first, self.steps):
            positions = range(step * self.batch_size, (step + 1) * self.batch_size)[self.rank :: self.world]
            draws = [Draw(int(order[p]) % self.samples, self.seed, self.epoch, p, step) for p in positions]
            for part in range(self.parts):
                yield draws[part :: self.parts]
