"""Networks of windows: images are mirrored at their sides to whole windows, and cut back."""

import torch

from models.networks.parts.exposure_pairs import PairNetwork

Margins = tuple[tuple[int, int], tuple[int, int]]  # px before and after the rows, and the columns


def mirrored(images: torch.Tensor, margins: Margins) -> torch.Tensor:
    """Images (..., H, W) with px before and after their rows and columns, mirrored at the outermost px.

    The outermost px is not repeated, unless it is the only one; margins may be wider than the image.
    """
    for dim, (before, after) in zip((-2, -1), margins, strict=True):
        if not before and not after:
            continue
        ends = _mirrored_places(images.shape[dim], before, after, images.device)
        first, last = (images.index_select(dim, end) for end in ends)
        images = torch.cat((first, images, last), dim)
    return images


def fill_margins(canvas: torch.Tensor, margins: Margins) -> None:
    """Fill the margins of a canvas (..., H, W) as `mirrored` would: what is inside them is there already."""
    for dim, (before, after) in zip((-2, -1), margins, strict=True):
        size = canvas.shape[dim] - before - after
        first, last = _mirrored_places(size, before, after, canvas.device)
        canvas.narrow(dim, 0, before).copy_(canvas.index_select(dim, before + first))
        canvas.narrow(dim, before + size, after).copy_(canvas.index_select(dim, before + last))


def _mirrored_places(
    size: int, before: int, after: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Which of `size` px are seen before and after them."""
    place = torch.arange(-before, size + after, device=device) % max(1, 2 * size - 2)
    place = torch.minimum(place, (2 * size - 2 - place).clamp(min=0))
    return place[:before], place[before + size :]


def cut(images: torch.Tensor, margins: Margins, scale: int = 1) -> torch.Tensor:
    """Images without their margins, `scale` times as large, as a view."""
    (top, bottom), (left, right) = margins
    height, width = images.shape[-2:]
    return images[..., scale * top : height - scale * bottom, scale * left : width - scale * right]


class PaddedPairNetwork(PairNetwork):
    """A `PairNetwork` whose `restore_pairs` takes sides that are multiples of `window` only.

    Otherwise than in training, each side grows by 1 to `window` px, as published results were computed: 8 px
    too where it is a multiple of 8 already (SelfHDR specification, 7.5).
    """

    # Means of the whole frame enter; and each tile has margins and a grid of windows of its own, counted from
    # its own corner.
    is_global = True
    window = 8
    optional_buffers = ("attn.relative_position_index", "attn_mask")
    optional_keys = ("upsampling",)

    def forward(self, frames: torch.Tensor, exposure: torch.Tensor) -> torch.Tensor:
        """Frames (N, T, C, H, W), divided by their exposures (N, T) -> (N, C', sH, sW) on the same scale."""
        margins = self.margins(frames)
        return cut(super().forward(mirrored(frames, margins), exposure), margins, self.scale)

    def restore_padded(self, pairs: torch.Tensor) -> torch.Tensor:
        """`restore_pairs` for pairs (N, T, 2C, H, W) of any size."""
        margins = self.margins(pairs)
        return cut(self.restore_pairs(mirrored(pairs, margins)), margins, self.scale)

    def margins(self, images: torch.Tensor) -> Margins:
        """Px to add before and after the rows and the columns of images (..., H, W)."""
        missing = [self.window - side % self.window for side in images.shape[-2:]]
        if self.training:
            missing = [number % self.window for number in missing]
        rows, columns = ((number // 2, number - number // 2) for number in missing)
        return rows, columns
