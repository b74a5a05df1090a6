"""Networks of windows: images are mirrored at their sides to whole windows, and cut back."""

import torch

from models.networks.parts.exposure_pairs import PairNetwork


def mirrored(images: torch.Tensor, margins: tuple[tuple[int, int], tuple[int, int]]) -> torch.Tensor:
    """Images (..., H, W) with px before and after their rows and columns, mirrored at the outermost px.

    The outermost px is not repeated, unless it is the only one; margins may be wider than the image.
    """
    for dim, (before, after) in zip((-2, -1), margins, strict=True):
        if not before and not after:
            continue
        size = images.shape[dim]
        place = torch.arange(-before, size + after, device=images.device) % max(1, 2 * size - 2)
        place = torch.minimum(place, (2 * size - 2 - place).clamp(min=0))
        first, last = (images.index_select(dim, end) for end in (place[:before], place[before + size :]))
        images = torch.cat((first, images, last), dim)
    return images


def cut(images: torch.Tensor, margins: tuple[tuple[int, int], tuple[int, int]], scale: int) -> torch.Tensor:
    """What `mirrored` had added, `scale` times as large, taken away."""
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

    def margins(self, images: torch.Tensor) -> tuple[tuple[int, int], tuple[int, int]]:
        """Px to add before and after the rows and the columns of images (..., H, W)."""
        missing = [self.window - side % self.window for side in images.shape[-2:]]
        if self.training:
            missing = [number % self.window for number in missing]
        rows, columns = ((number // 2, number - number // 2) for number in missing)
        return rows, columns
