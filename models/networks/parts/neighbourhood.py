"""What is around each px of an image."""

import torch


def local_mean(image: torch.Tensor) -> torch.Tensor:
    """Mean of (C, H, W) over 3 x 3 px, of those of them that are in the image."""
    for dim in (-2, -1):
        last = image.shape[dim] - 1
        total = image.clone()
        total.narrow(dim, 0, last).add_(image.narrow(dim, 1, last))
        total.narrow(dim, 1, last).add_(image.narrow(dim, 0, last))
        image = total.div_(3)
        for border in {0, last}:
            image.select(dim, border).mul_(1.5 if last else 3)
    return image


def widened(mask: torch.Tensor) -> torch.Tensor:
    """A mask (..., H, W) and the px around each of its own."""
    for dim in (-2, -1):
        last = mask.shape[dim] - 1
        wide = mask.clone()
        wide.narrow(dim, 0, last).logical_or_(mask.narrow(dim, 1, last))
        wide.narrow(dim, 1, last).logical_or_(mask.narrow(dim, 0, last))
        mask = wide
    return mask
