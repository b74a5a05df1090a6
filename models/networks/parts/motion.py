"""Many warps along one flow: where they sample, and with what weights, is worked out once.

What `warp` and `splat` do for one image is here a sum of rows of features, px by px with all their channels,
which on a CPU is several times as fast. Where the flow is learnt, or on a GPU, it is done by these two.
"""

import torch
import torch.nn.functional as F

from models.networks.parts.splat import splat
from models.networks.parts.warp import warp


class Motion:
    """Warps images of `size` towards the grid of a flow (N, 2, h, w) in px, x first, and back.

    The grid has the size of the images (Deep-Rep specification, 1.1 and 1.3).
    """

    def __init__(self, flow: torch.Tensor) -> None:
        self.flow, self.size = flow, tuple(flow.shape[-2:])
        self.bags = None
        if flow.device.type == "cpu" and not flow.requires_grad:
            self.bags = _Bags.sampling(flow)

    def warp(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, C, H, W) at p + flow(p), 0 outside."""
        if self.bags is None:
            return warp(images, self.flow)
        return _Summed.apply(images.float(), *self.bags)

    def splat(self, values: torch.Tensor) -> torch.Tensor:
        """The adjoint of `warp`, of values (N, C, H, W)."""
        if self.bags is None:
            return splat(values, self.flow, self.size)
        return _Summed.apply(values.float(), *reversed(self.bags))


class _Bags:
    """For each px a bag of others, whose weighted sum it is: `index` and `weight` of all, `start` of each."""

    def __init__(self, index: torch.Tensor, weight: torch.Tensor, start: torch.Tensor) -> None:
        self.index, self.weight, self.start = index, weight, start

    @classmethod
    @torch.no_grad()
    def sampling(cls, flow: torch.Tensor) -> tuple["_Bags", "_Bags"]:
        """The bags of bilinear sampling along a flow (N, 2, H, W), and those of its adjoint."""
        number, _, height, width = flow.shape
        x = flow[:, 0] + torch.arange(width, dtype=torch.float32)
        y = flow[:, 1] + torch.arange(height, dtype=torch.float32)[:, None]
        first = torch.arange(number).view(-1, 1, 1) * (height * width)
        left, top = x.floor(), y.floor()
        right_share, lower_share = x - left, y - top
        index, weight = [], []
        for row, row_share in ((top, 1 - lower_share), (top + 1, lower_share)):
            for column, share in ((left, 1 - right_share), (left + 1, right_share)):
                inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
                place = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
                index.append(first + place.long())
                weight.append(row_share * share * inside)
        sources = torch.stack(index, dim=-1).view(-1)
        weights = torch.stack(weight, dim=-1).view(-1)
        forward = cls(sources, weights, torch.arange(0, len(sources), 4))
        return forward, forward._transposed(number * height * width)

    def _transposed(self, number: int) -> "_Bags":
        """The bags of the adjoint, one for each of `number` px."""
        order = torch.argsort(self.index)
        counts = torch.bincount(self.index, minlength=number)
        start = counts.cumsum(0) - counts
        return _Bags(order // 4, self.weight[order], start)

    def sums(self, images: torch.Tensor) -> torch.Tensor:
        """The bags of px of images (N, C, H, W), summed: (N, C, H, W), channels last in memory."""
        number, channels, height, width = images.shape
        rows = images.permute(0, 2, 3, 1).reshape(-1, channels)
        summed = F.embedding_bag(self.index, rows, self.start, mode="sum", per_sample_weights=self.weight)
        return summed.view(number, height, width, channels).permute(0, 3, 1, 2)


class _Summed(torch.autograd.Function):
    """Sums over bags, whose derivative are the sums over those of the adjoint, to any order."""

    @staticmethod
    def forward(ctx, images: torch.Tensor, bags: _Bags, adjoint: _Bags) -> torch.Tensor:
        ctx.bags = bags, adjoint
        return bags.sums(images.detach())

    @staticmethod
    def backward(ctx, upstream: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        bags, adjoint = ctx.bags
        return _Summed.apply(upstream, adjoint, bags), None, None
