"""Steepest descent with exact line search, unrolled, in the space of features.

What is minimised (Deep-Rep specification, 1): sum_i || w_i (G phi_i z - e_i) ||^2 + lambda || z - z0 ||^2 of
frames i with features e_i and weights w_i, phi_i the warp of z from the base to the frame, G a convolution.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.parts.burst_blocks import ConvBlock
from models.networks.parts.motion import Motion

BURST = 8.0  # frames by which the published networks divide the weight of the prior, however many there are
SMALLEST = 1e-8  # of what a step is divided by


class Evidence(NamedTuple):
    """What a frame says: features (N, F, h, w), the squares of their weights, and where the base went.

    `motion` is None for the base itself.
    """

    features: torch.Tensor
    squares: torch.Tensor
    motion: Motion | None


class Powers(NamedTuple):
    """Of a direction g: ||g||^2, and what the objective rises by along it, (N,) each."""

    direction: torch.Tensor
    rise: torch.Tensor

    @property
    def step(self) -> torch.Tensor:
        """How far along the direction the minimum lies, (N,)."""
        return self.direction / self.rise.clamp(min=SMALLEST)


def _now(part: Callable[..., Any], *inputs: torch.Tensor) -> Any:
    return part(*inputs)


class DegradationOperator(nn.Module):
    """G: a 3x3 convolution without bias from the latent image to features, and its transpose."""

    def __init__(self, latent: int, features: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.ds = nn.Sequential(ConvBlock(latent, features, stride=stride, bias=False, relu=False))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """(N, C, s h, s w) -> (N, F, h, w)."""
        return self.ds(z)

    def transposed(self, values: torch.Tensor) -> torch.Tensor:
        """(N, F, h, w) -> (N, C, s h, s w)."""
        return F.conv_transpose2d(
            values, self.ds[0][0].weight, None, self.stride, padding=1, output_padding=self.stride - 1
        )


class SteepestDescent(nn.Module):
    """The optimiser of a burst network.

    Args:
        latent, features: channels of z and e. stride: of G: z is so many times as large as e.
        weight_predictor: that the published optimiser owns.
        prior: whether lambda is learnt: |feat_reg_w| / 8; else it is 0.
    """

    def __init__(
        self, latent: int, features: int, stride: int, weight_predictor: nn.Module, prior: bool
    ) -> None:
        super().__init__()
        self.degradation_operator = DegradationOperator(latent, features, stride)
        self.weight_predictor, self.prior = weight_predictor, prior
        if prior:
            self.feat_reg_w = nn.Parameter(torch.ones(1))
        else:
            self.register_buffer("feat_reg_w", torch.ones(1))  # published weights hold it, idle

    def forward(
        self,
        z0: torch.Tensor,
        evidence: Sequence[Evidence],
        steps: int,
        lengths: Sequence[torch.Tensor] = (),
        run: Callable[..., Any] = _now,
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """z (N, C, s h, s w) after so many steps from z0, and their lengths (N,).

        Args:
            lengths: of the first steps, where they are known; the others are found.
            run: calls a part of the work, its first argument, with the others: as `run_part` does.
        """
        state, found = run(lambda z: self.begin(z, evidence), z0), []
        for number in range(steps):
            known, is_last = lengths[number] if number < len(lengths) else None, number == steps - 1

            def part(z0, *state, known=known, is_last=is_last):
                return self.step(z0, state, evidence, known, is_last)

            state, length = run(part, z0, *state)
            found.append(length)
        return state[0], found

    def begin(self, z0: torch.Tensor, evidence: Sequence[Evidence]) -> list[torch.Tensor]:
        """z, and of each frame by how much what it predicts is off.

        Without gradients that is where the features were: evidence is begun with once.
        """
        return [z0, *(_off(self.seen(z0, frame), frame.features) for frame in evidence)]

    def step(
        self,
        z0: torch.Tensor,
        state: Sequence[torch.Tensor],
        evidence: Sequence[Evidence],
        length: torch.Tensor | None,
        is_last: bool = False,
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """The state after a step, and the length of that. After the last one only z counts."""
        direction = self.gradient(z0, state, evidence)
        rises: list[torch.Tensor] = []
        if length is None or not is_last:
            rises = [self.seen(direction, frame) for frame in evidence]
        if length is None:
            length = self.powers(direction, rises, evidence).step
        scale, off = length.view(-1, 1, 1, 1), []
        if not is_last:  # G phi_i is linear: what was found for the length tells the rest
            off = [_stepped(old, rise, scale) for old, rise in zip(state[1:], rises, strict=True)]
        return [torch.addcmul(state[0], direction, scale, value=-1), *off], length

    def gradient(
        self, z0: torch.Tensor, state: Sequence[torch.Tensor], evidence: Sequence[Evidence]
    ) -> torch.Tensor:
        """Half the gradient of the objective, (N, C, s h, s w), frame by frame."""
        total = self._prior * (state[0] - z0) if self.prior else torch.zeros_like(z0)
        for off, frame in zip(state[1:], evidence, strict=True):
            back = self.degradation_operator.transposed(frame.squares * off)
            total = total + (back if frame.motion is None else frame.motion.splat(back))
        return total

    def powers(
        self,
        direction: torch.Tensor,
        rises: Sequence[torch.Tensor],
        evidence: Sequence[Evidence],
        inner: tuple[slice, slice] = (slice(None), slice(None)),
    ) -> Powers:
        """Of a direction, as far as it lies within rows and columns of the features."""
        stride = self.degradation_operator.stride
        fine = (slice(*(stride * end for end in (side.start or 0, side.stop or 0))) for side in inner)
        power = direction[..., *fine] if inner[0].stop else direction
        power = _sum(power.square())
        rise = self._prior * power if self.prior else 0.0
        for seen, frame in zip(rises, evidence, strict=True):
            rise = rise + _sum(frame.squares[..., *inner] * seen[..., *inner].square())
        return Powers(power, rise)

    def objective(
        self, z0: torch.Tensor, state: Sequence[torch.Tensor], evidence: Sequence[Evidence]
    ) -> torch.Tensor:
        """What is minimised, (N,)."""
        total = self._prior * _sum((state[0] - z0).square()) if self.prior else 0.0
        for off, frame in zip(state[1:], evidence, strict=True):
            total = total + _sum(frame.squares * off.square())
        return total

    @property
    def _prior(self) -> torch.Tensor:
        """lambda"""
        return self.feat_reg_w.abs() / BURST

    def seen(self, z: torch.Tensor, frame: Evidence) -> torch.Tensor:
        """G phi_i z: what a frame would show of z, (N, F, h, w)."""
        return self.degradation_operator(z if frame.motion is None else frame.motion.warp(z))


def _off(seen: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """What is seen without the features; in their place where no gradient asks for them."""
    return seen - features if torch.is_grad_enabled() else torch.sub(seen, features, out=features)


def _stepped(old: torch.Tensor, rise: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """old - scale rise; in place where no gradient asks for the old."""
    if torch.is_grad_enabled():
        return torch.addcmul(old, rise, scale, value=-1)
    return old.addcmul_(rise, scale, value=-1)


def _sum(values: torch.Tensor) -> torch.Tensor:
    """Sums (N,) of (N, C, H, W)."""
    return values.sum((1, 2, 3))
