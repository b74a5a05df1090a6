"""A convolution whose kernel depends on the place of a px in a pattern of exposures and colours."""

import torch
import torch.nn.functional as F
from torch import nn

PERIOD = (4, 2)  # rows and columns of the pattern
KERNEL = 5


class SpatiallyVaryingConv(nn.Module):
    """5x5 convolutions of one plane, of which each px takes that of its phase.

    As in the SVEHDRI specification, 4.1: phase p = 2 (row mod 4) + (column mod 2) takes `conv_first{p + 1}`.
    They are worked off as one matrix product of windows that reach over a whole cell of the pattern: kernels
    are filled with zeros for that, and it is still faster than convolutions with the pattern's stride.

    Args:
        channels: planes of the result.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        for phase in range(PERIOD[0] * PERIOD[1]):
            self.add_module(f"conv_first{phase + 1}", nn.Conv2d(1, channels, KERNEL, padding=KERNEL // 2))

    def forward(self, plane: torch.Tensor) -> torch.Tensor:
        """A plane (N, 1, H, W) -> (N, C, H, W), channels last in memory."""
        height, width = plane.shape[-2:]
        reach = KERNEL // 2
        padding = (reach, reach + -width % PERIOD[1], reach, reach + -height % PERIOD[0])
        weight, bias = self._merged()
        windows = F.pad(plane, padding)[:, 0]
        for axis, (step, side) in enumerate(zip(PERIOD, weight.shape[-2:], strict=True), 1):
            windows = windows.unfold(axis, side, step)
        maps = F.linear(windows.flatten(-2), weight.flatten(1), bias)  # (N, H/4, W/2, 8 C)
        maps = maps.unflatten(-1, (*PERIOD, -1)).transpose(2, 3)
        maps = maps.flatten(3, 4).flatten(1, 2)  # (N, H, W, C)
        return maps[:, :height, :width].permute(0, 3, 1, 2)

    def _merged(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Kernels (8 C, 8, 6) of all phases, each where it lies in the cell of its phase, and biases."""
        phases = list(self.children())
        rows, columns = PERIOD
        kernels = []
        for phase, conv in enumerate(phases):
            top, left = divmod(phase, columns)
            kernels.append(F.pad(conv.weight, (left, columns - 1 - left, top, rows - 1 - top)))
        return torch.cat(kernels)[:, 0], torch.cat([conv.bias for conv in phases])
