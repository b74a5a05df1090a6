"""Pixelwise losses on linear images, without a border and where a mask says (Deep-Rep specification, 7)."""

import torch

from util.errors import UserError

CHARBONNIER = 1e-6  # added to the squared difference
METRICS = ("l1", "l2", "l2_sqrt", "charbonnier")
MASKED = ("l1", "l2")  # those that a mask may go with


def without_border(images: torch.Tensor, border: int) -> torch.Tensor:
    """Images (..., H, W) without `border` px on each side (a view).

    Raises:
        UserError: nothing would be left.
    """
    height, width = images.shape[-2:]
    if border < 0 or 2 * border >= min(height, width):
        raise UserError(f"a border of {border} px leaves nothing of images of {width}x{height}")
    return images[..., border : height - border, border : width - border]


def pixelwise(
    metric: str,
    output: torch.Tensor,
    target: torch.Tensor,
    border: int = 0,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean error of images, in float32: |d|, d^2, length of d over the channels, or sqrt(d^2 + 1e-6).

    Args:
        metric: of METRICS, in this order. output, target: (N, C, H, W). border: px left out on each side.
        mask: (N, 1, H, W), 1 where the error counts: sum(error mask) / (C sum(mask) + 1e-12), of l1 and l2.

    Raises:
        UserError: the border leaves nothing.
        ValueError: another metric, or one that has no masked variant.
    """
    if metric not in METRICS or (mask is not None and metric not in MASKED):
        raise ValueError(f"no loss {metric}{'' if mask is None else ' with a mask'}")
    difference = without_border(output.float(), border) - without_border(target.float(), border)
    if metric == "l2_sqrt":
        return torch.linalg.vector_norm(difference, dim=1).mean()
    if metric == "charbonnier":
        return (difference.square() + CHARBONNIER).sqrt().mean()
    error = difference.abs() if metric == "l1" else difference.square()
    if mask is None:
        return error.mean()
    valid = without_border(mask, border).to(error)
    return (error * valid).sum() / (error.shape[1] * valid.sum() + 1e-12)
