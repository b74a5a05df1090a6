"""Illumination correction: an image at the brightness of its target, as low-light results are compared."""

from typing import TypeVar

import numpy as np
import torch

Image = TypeVar("Image", np.ndarray, torch.Tensor)


def corrected(image: Image, target: Image) -> Image:
    """Images (..., a, b, c) in [0, 1], each times the one factor that brings it nearest to its target.

    The factor is that of least squares over all values whose target is not exactly 1, for the image clipped
    to [0, 1]; the result is not clipped again. 1 where nothing decides it: a black image, a white target.
    ExposureDiffusion specification, 6.1.
    """
    clipped = image.clip(0, 1)
    known = clipped * (target != 1)
    products = (known * target).sum((-3, -2, -1))[..., None, None, None]
    squares = (known * clipped).sum((-3, -2, -1))[..., None, None, None]
    undecided = squares == 0
    return clipped * ((products + undecided) / (squares + undecided))
