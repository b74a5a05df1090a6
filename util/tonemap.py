"""Tone curves between linear light and stored values: the mu-law of the HDR metrics, and sRGB."""

import math
from typing import TypeVar

import numpy as np
import torch

MU = 5000
LOG_MU = math.log1p(MU)

Values = TypeVar("Values", np.ndarray, torch.Tensor)


def mu_law(x: Values) -> Values:
    """M(x) = ln(1 + 5000 x) / ln(5001); 0 -> 0, 1 -> 1, of the shape and floating type of `x`.

    Nothing is clipped: values above 1 go on along the curve, values of -1/5000 and below are NaN.
    """
    if isinstance(x, torch.Tensor):
        return torch.log1p(MU * x) / LOG_MU
    return np.log1p(MU * x) / LOG_MU


def inverse_mu_law(y: Values) -> Values:
    """The x with mu_law(x) = y, of the shape and floating type of `y`; nothing is clipped."""
    if isinstance(y, torch.Tensor):
        return torch.expm1(LOG_MU * y) / MU
    return np.expm1(LOG_MU * y) / MU


def srgb_encode(linear: np.ndarray) -> np.ndarray:
    """Linear light -> sRGB code (IEC 61966-2-1). Not clipped above 1; negatives stay on the straight part."""
    curve = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curve)


def srgb_decode(code: np.ndarray) -> np.ndarray:
    """sRGB code -> linear light, the inverse of `srgb_encode`; negatives stay on the straight part."""
    curve = ((np.maximum(code, 0.04045) + 0.055) / 1.055) ** 2.4
    return np.where(code <= 0.04045, code / 12.92, curve)
