"""Restoration as a simulated exposure: each estimate of the scene gives the photons that the next one sees.

ExposureDiffusion (Wang et al., ICCV 2023); specification, section 2. Exposures are in units of that of the
measured frame: 1 is what was measured, the ratio r what the target was exposed with. Images are on the scale
of the target, (N, C, H, W) in [0, 1]; `gain` is what a photoelectron adds to a value of the measured frame,
before it is amplified.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from models.networks import takes
from models.networks.parts.estimator import Estimate, Estimator
from util.errors import UserError

# Of an image and the exposure (N,) that it has reached.
Network = Callable[[torch.Tensor, torch.Tensor], Estimate]
Photons = Callable[[torch.Tensor], torch.Tensor]  # from expected to counted electrons
Settle = Callable[[torch.Tensor], torch.Tensor]  # what is done to the image of each estimate


def check_steps(iter_num: int, ratio: float, sample: str = "") -> None:
    """Raise a UserError, about a `sample`, if there are not `iter_num` exposures between 1 and the ratio."""
    if not 1 <= ratio < math.inf:
        raise UserError(f"{sample}a ratio of {ratio:g}: a target is exposed as long as its frame or longer")
    most = max(int(ratio) - 2, 0)
    if iter_num > most:
        room = f"a ratio of {ratio:g} has room for {most} exposures between"
        raise UserError(f"{sample}--iter_num {iter_num}: {room}")


def even_schedule(ratio: torch.Tensor, iter_num: int) -> torch.Tensor:
    """Exposures (N, iter_num + 2) in even steps from 1 to the ratio (N,), as in restoring; float32."""
    steps = torch.linspace(0, 1, iter_num + 2, dtype=torch.float64, device=ratio.device)
    return (1 + steps * (ratio.double()[:, None] - 1)).float()


def drawn_schedule(ratio: torch.Tensor, iter_num: int, rng: np.random.Generator) -> torch.Tensor:
    """Exposures (N, iter_num + 2) for training: 1, distinct random whole numbers, the ratio (N,).

    The numbers lie between 2 and below the whole part of the ratio: the published rule of batches.

    Raises:
        UserError: there are not enough of them.
    """
    rows = []
    for end in ratio.tolist():
        check_steps(iter_num, end)
        drawn = 2 + rng.choice(int(end) - 2, iter_num, replace=False) if iter_num else []
        rows.append([1.0, *sorted(float(one) for one in drawn), end])
    return torch.tensor(rows, device=ratio.device)


def drawn_schedule_published(ratio: torch.Tensor, iter_num: int, rng: np.random.Generator) -> torch.Tensor:
    """The published rule of a batch of one: numbers between 1 and below the ratio, which is cut to a whole.

    One of them may be 1; then there is a step less. A larger batch follows `drawn_schedule`.
    """
    if len(ratio) > 1:
        return drawn_schedule(ratio, iter_num, rng)
    end = int(ratio[0])
    check_steps(iter_num, end)
    drawn = (1 + rng.choice(end - 1, iter_num, replace=False)).tolist()
    return torch.tensor([sorted({1.0, *map(float, drawn), float(end)})], device=ratio.device)


SCHEDULES = {"distinct": drawn_schedule, "published": drawn_schedule_published}


def poisson(expected: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
    """A draw of the law of this mean, float32, whose gradient is that of the mean (straight-through)."""
    expected = expected.float()
    drawn = torch.poisson(expected.detach().nan_to_num(), generator)  # what is no number is met elsewhere
    return expected + (drawn - expected.detach())


def roll_out(
    estimate: Network,
    start: torch.Tensor,
    gain: torch.Tensor | None,
    exposures: torch.Tensor,
    photons: Photons = poisson,
    settle: Settle | None = None,
) -> Iterator[Estimate]:
    """The estimates of a simulated exposure, one for each step of `exposures` (N, steps + 1).

    Between two of them the electrons that the last estimate lets expect since exposure 1 are drawn, and added
    to those that were measured. After the last nothing is drawn.

    Args:
        start: the measured frame, amplified. gain: (N, 1); needed for several steps.
        settle: applied to the image of each estimate (the oracle's illumination correction).
    """
    image, measured, steps = start, start.float().clamp(0, 1), exposures.shape[1] - 1
    for step in range(steps):
        found = estimate(image, exposures[:, step])
        if settle:
            found = found._replace(image=settle(found.image))
        yield found
        if step + 1 < steps:
            electron = (gain * exposures[:, -1:]).float()[..., None, None]  # as seen in an amplified image
            reached = exposures[:, step + 1, None, None, None]
            expected = found.image.float().clamp(0, 1) * ((reached - 1) / electron)
            image = (measured + photons(expected) * electron) / reached


def estimate_of(
    network: nn.Module,
    image: torch.Tensor,
    origin: torch.Tensor,
    reached: torch.Tensor,
    given: Mapping[str, torch.Tensor],
) -> Estimate:
    """What a network says of an image that has reached an exposure; `origin` is the measured one."""
    known = {key: value for key, value in given.items() if takes(network, key)}
    if isinstance(network, Estimator):
        return network.estimate(image[:, None], **known, reached=reached, origin=origin[:, None])
    return Estimate(network(image[:, None], **known), None, None, None)


class RollOut(NamedTuple):
    """All estimates of a process, and the weights of their losses, if they are learnt."""

    estimates: list[Estimate]
    step_weight: torch.Tensor | None


class ExposureProcess(nn.Module):
    """A network in the process that it is trained in, so that its gradients are shared between processes.

    Args:
        weights: number of learnable weights, of all steps but the last, which has the rest to 1; 0 = none.
    """

    def __init__(self, network: nn.Module, weights: int = 0) -> None:
        super().__init__()
        self.network = network
        self.step_weight = nn.Parameter(torch.full((weights,), 1 / (weights + 1))) if weights else None

    def forward(
        self,
        start: torch.Tensor,
        given: Mapping[str, torch.Tensor],
        exposures: torch.Tensor,
        gain: torch.Tensor | None = None,
        photons: Photons = poisson,
        settle: Settle | None = None,
    ) -> RollOut:
        """All estimates, as `roll_out`; `given` goes to the network."""
        if gain is not None:
            given = {**given, "gain": gain, "ratio": exposures[:, -1:]}

        def estimate(image: torch.Tensor, reached: torch.Tensor) -> Estimate:
            return estimate_of(self.network, image, start, reached, given)

        estimates = list(roll_out(estimate, start, gain, exposures, photons, settle))
        # A product, and of this pass: processes share gradients of what a pass has made.
        return RollOut(estimates, None if self.step_weight is None else 1 * self.step_weight)
