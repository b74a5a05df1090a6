"""3x3 convolutions of float32 maps on a CPU, by Winograd's minimal filtering along the columns.

Four rows of a result are made of six of the maps with 18 products per px and pair of channels in place of 36
(Lavin and Gray, CVPR 2016, F(4, 3), one-dimensional: in two dimensions transforms take what products save).
Rows are worked off as they are needed, so that what lies between two convolutions stays in the cache.
"""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import nn

ROWS = 4  # of a result that are made together
COLUMNS = 512  # of a block that stays in the cache
# Transforms of six rows of maps, of three rows of a kernel, and of six rows of products.
OF_MAPS = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
OF_KERNELS = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
OF_PRODUCTS = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)
ONES = 1  # the row of products of which every row of the result has one


def takes_rows(maps: torch.Tensor) -> bool:
    """Whether convolutions of such maps can be worked off here: float32, on a CPU, without gradients."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling() or maps.device.type != "cpu":
        return False
    return maps.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


class Bordered:
    """Maps of one image with a border of zeros, and rows of zeros up to a multiple of ROWS.

    Args:
        maps: (H, W, C).

    Attributes:
        values: (ROWS * bands + 2, W + 2, C). inside: its part that is no border, (H, W, C).
    """

    def __init__(self, maps: torch.Tensor) -> None:
        height, width, _ = maps.shape
        self.bands = -(-height // ROWS)
        self.values = F.pad(maps, (0, 0, 1, 1, 1, 1 + self.bands * ROWS - height))
        self.inside = self.values[1 : height + 1, 1 : width + 1]


class RowsConv:
    """A 3x3 convolution with a border of zeros, applied to four rows at a time.

    Args:
        conv: its weights are read now.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        transform = torch.tensor(OF_KERNELS, dtype=torch.float64)
        kernels = torch.einsum("kr,oirc->ckio", transform, conv.weight.double())
        self.kernels = kernels.float().contiguous()  # (3, 6, C, C')
        self.bias = conv.bias
        self.of_maps, self.of_products = torch.tensor(OF_MAPS).float(), torch.tensor(OF_PRODUCTS).float()

    def __call__(self, rows: torch.Tensor, into: torch.Tensor, adds: bool = False) -> None:
        """Rows (6, W + 2, C) -> `into` (4 or fewer, W, C'), or added to it."""
        for left in range(0, into.shape[1], COLUMNS):
            block = into[:, left : left + COLUMNS]
            width = block.shape[1]
            parts = self.of_maps @ rows[:, left : left + width + 2].flatten(1)
            parts = parts.view(len(OF_MAPS), width + 2, -1)
            products = parts[:, :width] @ self.kernels[0]
            for shift in (1, 2):
                products.baddbmm_(parts[:, shift : shift + width], self.kernels[shift])
            products[ONES] += self.bias
            transform = self.of_products[: len(block)]
            block.flatten(1).addmm_(transform, products.flatten(1), beta=float(adds))


def two_convolutions(
    maps: Bordered,
    first: nn.Conv2d,
    activation: Callable[[torch.Tensor], object],
    second: nn.Conv2d,
    into: torch.Tensor,
    adds: bool = False,
) -> Iterator[slice]:
    """`second(activation(first(maps)))` by rows from top to bottom; which rows are there is handed out.

    Args:
        activation: in place.
        into: (H, W, C'), where the result is written; it may be `maps.inside`.
        adds: the result is added to what is there.
    """
    height, width, _ = into.shape
    convolutions = RowsConv(first), RowsConv(second)
    hidden = maps.values.new_zeros(2 * ROWS + 1, width + 2, first.out_channels)  # a row, and two bands
    for band in range(maps.bands + 1):
        hidden[0] = hidden[ROWS]
        hidden[1 : ROWS + 1] = hidden[ROWS + 1 :]
        top = band * ROWS
        own = max(min(ROWS, height - top), 0)
        below = hidden[ROWS + 1 :, 1:-1]
        below[own:] = 0
        if own:
            convolutions[0](maps.values[top : top + ROWS + 2], below[:own])
            activation(below[:own])
        if band:
            rows = slice(top - ROWS, min(top, height))
            convolutions[1](hidden[: ROWS + 2], into[rows], adds)
            yield rows
