"""Scores of two linear float images (H, W, 3), 1 = white."""

from collections.abc import Callable

RADIANCE_METRICS: dict[str, Callable[..., float]] = {}
