"""Whether what a sample is judged by is sound: finite values, possible gains and matrices."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from util.errors import UserError

ADVICE = "repair it, or take the sample out"
LEAST_DETERMINANT = 1e-6  # of a matrix of colours
GAINS = ("white_balance", "rgb_gain", "white_level", "shading")  # entries of `meta` that must be above 0


def check_whole(sample: Mapping[str, Any], source: Callable[[str], object]) -> None:
    """Refuse a whole sample whose scores would look like any other's but mean nothing.

    Args:
        sample: `frames`, `gt` and `meta`, as far as it has them, as arrays.
        source: gives the file of each of these keys.

    Raises:
        UserError: frames or ground truth hold NaN or infinity, or a gain or matrix of `meta` is not possible.
    """
    for key in ("frames", "gt"):
        if key in sample and not _is_finite(sample[key]):
            count = int((~np.isfinite(sample[key])).sum())
            raise UserError(f"{source(key)}: {count} values are NaN or infinite: {ADVICE}")
    if fault := colour_fault(sample.get("meta", {})):
        raise UserError(f"{source('meta')}: {fault}: {ADVICE}")


def colour_fault(meta: Mapping[str, Any]) -> str:
    """What is not possible of the gains and matrices of a sample's `meta`; "" where all of them are."""
    for key in GAINS:
        if key in meta and not (np.isfinite(meta[key]).all() and np.all(np.asarray(meta[key]) > 0)):
            return f"{key} {_shown(meta[key])} must be finite and above 0"
    for key in ("cam2rgb", "cam2xyz"):
        if key not in meta:
            continue
        matrix = np.asarray(meta[key], np.float64)
        usable = matrix.shape == (3, 3) and np.isfinite(matrix).all()
        if not usable or np.linalg.det(matrix) < LEAST_DETERMINANT:
            return f"{key} {_shown(matrix)} is not an invertible matrix of colours, of determinant above 0"
        if (matrix.sum(axis=1) <= 0).any():
            return f"{key} {_shown(matrix)} turns white into negative light"
    return ""


def _is_finite(values: np.ndarray) -> bool:
    """Whether all of some values are finite; no copy of them is made."""
    return not values.size or bool(np.isfinite(values.min()) and np.isfinite(values.max()))


def _shown(values: Any) -> str:
    """The first numbers of an entry."""
    flat = np.ravel(values)
    numbers = ", ".join(f"{value:.4g}" for value in flat[:9])
    return f"({numbers}{', ...' if flat.size > 9 else ''})"
