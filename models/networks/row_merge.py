"""Classical HDR from one raw shot whose row pairs are exposed in turn: what a network must beat."""

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.parts.precision import full_precision
from models.networks.parts.row_frames import by_rows
from models.networks.parts.row_merges import LEAST_WIDTH, bilinear_merge, edge_aware_merge
from models.networks.parts.spatially_varying import PERIOD

SUPPORT = 32  # px around a px on which its result depends


class RowMerge(nn.Module):
    """Both exposures interpolated to whole frames, and merged by how far each is trusted.

    SVEHDRI specification, section 8: baselines (a), bilinear, and (b), along edges.

    Args:
        edge_aware: along edges, else bilinear.
    """

    trained = False
    planes, scales, period = (1,), (1,), PERIOD

    def __init__(self, edge_aware: bool = True) -> None:
        super().__init__()
        self.merge = edge_aware_merge if edge_aware else bilinear_merge

    @staticmethod
    def halo() -> int:
        """Px around a tile that merging it asks for."""
        return SUPPORT

    def forward(self, frames: torch.Tensor, exposure: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Rows of each exposure -> camera RGB at the size of the mosaic.

        Args:
            frames: (N, T, 1, H, W), divided by their exposures (N, T), the first the short one, the last
                the long one; 0 in the rows of others. The mosaic begins with R and with a whole pattern of
                four rows.
            mask: (N, 1, H, W), how far values are trusted, 0 to 1.

        Returns:
            (N, 3, H, W), not negative.
        """
        height, width = frames.shape[-2:]
        if frames.is_meta:  # counted for what it costs
            return frames.new_empty(len(frames), 3, height, width)
        order = row_order(frames)
        radiance, trust = (self._whole_patterns(plane.float()) for plane in (frames.sum(1), mask))
        exposures = torch.stack((exposure[:, 0], exposure[:, -1]), dim=1).to(radiance)
        with full_precision(frames):
            merged = self.merge(by_rows(radiance, order), exposures, trust, order)
        return merged[..., :height, :width].clamp(min=0)

    @staticmethod
    def _whole_patterns(plane: torch.Tensor) -> torch.Tensor:
        """A plane (N, 1, H, W) with rows and columns repeated from a pattern before, up to whole ones."""
        for dim, period, least in ((-2, PERIOD[0], 2 * PERIOD[0]), (-1, PERIOD[1], LEAST_WIDTH)):
            side = plane.shape[dim]
            wanted = max(side + -side % period, least)
            if side < period:  # there is nothing to repeat
                missing = (0, 0, 0, wanted - side) if dim == -2 else (0, wanted - side)
                plane = F.pad(plane, missing)
                continue
            places = torch.arange(wanted, device=plane.device)
            over = (places - side).clamp(min=-1) // period + 1
            plane = plane.index_select(dim, places - over * period)
        return plane


def row_order(frames: torch.Tensor) -> str:
    """Which rows come first, "short_first" or "long_first", by where frames (N, T, 1, H, W) are 0."""
    pairs = frames[..., : frames.shape[-2] // 4 * 4, :].unflatten(-2, (-1, 2, 2))  # row pairs of patterns
    others = pairs[:, 0, ..., 0, :, :].any() or pairs[:, -1, ..., 1, :, :].any()
    return "short_first" if others or not pairs.any() else "long_first"
