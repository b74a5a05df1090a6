"""Scores that need a package of their own, which is imported only when its metric is asked for.

Metrics of NO_REFERENCE judge a picture without a target.
"""

import importlib
import math
from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import torch

from util.errors import UserError
from util.scores.metrics import PNG16, TooSmallError, check_light, check_shapes

MS_SSIM_SIDE = 160  # px, above which five scales have a window each
GRID, TILE_SIDE = 4, 224  # of the metrics without reference: tiles per side, and the smallest tile in px


def lpips_distance(output: np.ndarray, target: np.ndarray, *, device: str | torch.device = "cpu") -> float:
    """LPIPS (AlexNet, version 0.1) of two 16-bit mu-law pictures (H, W, 3), values / 32767.5 - 1; 0 is equal.

    Raises:
        UserError: the shapes differ, or the package `lpips` or its weights cannot be had.
    """
    pictures = (picture.astype(np.float32) / 32767.5 - 1 for picture in (output, target))
    return lpips_of_values(*pictures, device=device)


def lpips_of_values(output: np.ndarray, target: np.ndarray, *, device: str | torch.device = "cpu") -> float:
    """LPIPS (AlexNet, version 0.1) of float images (H, W, 3), or (H, W, 1) as gray, as they are; 0 is equal.

    The network was made for values in [-1, 1].

    Raises:
        UserError: the shapes differ, or the package `lpips` or its weights cannot be had.
    """
    check_shapes(output, target)
    network = _lpips_network(torch.device(device))
    with torch.inference_mode():
        return float(
            network(*(_planes(image).expand(-1, 3, -1, -1).to(device) for image in (output, target)))
        )


def ms_ssim(output: np.ndarray, target: np.ndarray) -> float:
    """MS-SSIM of images (H, W, C) in [0, 1] by its usual definition: five scales (Wang et al. 2003).

    Raises:
        UserError: the shapes differ, or the package `pytorch-msssim` is missing.
        TooSmallError: a side has 160 px or fewer.
    """
    check_shapes(output, target)
    if min(output.shape[:2]) <= MS_SSIM_SIDE:
        size = f"{output.shape[1]}x{output.shape[0]}"
        raise TooSmallError(f"MS-SSIM needs pictures of more than {MS_SSIM_SIDE} px on a side, got {size}")
    library = _package("pytorch_msssim", "ms_ssim", "pytorch-msssim")
    return float(library.ms_ssim(_planes(output), _planes(target), data_range=1.0))


def _planes(image: np.ndarray) -> torch.Tensor:
    """An image (H, W, C) as float32 (1, C, H, W)."""
    return torch.from_numpy(np.float32(image)).permute(2, 0, 1)[None]


@cache
def _lpips_network(device: torch.device) -> torch.nn.Module:
    lpips = _package("lpips", "lpips")
    try:
        network = lpips.LPIPS(net="alex", version="0.1", verbose=False)
    except (OSError, RuntimeError) as error:  # no connection; a download with a wrong checksum
        raise UserError(f"the metric lpips could not get its AlexNet weights: {error}") from error
    return network.eval().to(device)


def no_reference_score(picture: np.ndarray, *, metric: str, device: str | torch.device = "cpu") -> float:
    """Mean score of the 4x4 tiles of a 16-bit picture (H, W, 3) by a metric of pyiqa; higher is better.

    BracketIRE specification, 8.3: cuts at floor(H/4), floor(H/2), floor(3H/4), tiles / 65535.

    Raises:
        UserError: the package `pyiqa` or its weights cannot be had.
        TooSmallError: a tile is smaller than 224x224 px.
    """
    network = _pyiqa_network(metric, torch.device(device))
    height, width = picture.shape[:2]
    if min(height, width) // GRID < TILE_SIDE:
        least = f"{GRID * TILE_SIDE}x{GRID * TILE_SIDE} px or more"
        needs = f"{metric} scores 4x4 tiles and so needs pictures of {least}"
        raise TooSmallError(f"{needs}, got {width}x{height}")
    rows, columns = ([side * cut // GRID for cut in range(GRID + 1)] for side in (height, width))
    scores = []
    with torch.inference_mode():
        for top, bottom in pairwise(rows):
            for left, right in pairwise(columns):
                tile = picture[top:bottom, left:right].astype(np.float32) / PNG16
                scores.append(float(network(torch.from_numpy(tile).permute(2, 0, 1)[None].to(device))))
    return float(np.mean(scores))


@cache
def _pyiqa_network(metric: str, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    pyiqa = _package("pyiqa", metric)
    try:
        return pyiqa.create_metric(metric, device=device)
    except (OSError, RuntimeError) as error:  # no connection; a download with a wrong checksum
        raise UserError(f"the metric {metric} could not get its weights: {error}") from error


def color_video_vdp(
    output: np.ndarray,
    target: np.ndarray,
    *,
    peak_luminance: float = 1000.0,
    device: str | torch.device = "cpu",
) -> float:
    """ColorVideoVDP quality of two linear sRGB images (H, W, 3) in JOD; 10 is equal, lower is worse.

    Mantiuk et al., "ColorVideoVDP: A visual difference predictor for image, video and display distortions",
    SIGGRAPH 2024. The value 1 is shown with `peak_luminance` cd/m2, what is brighter is cut, on a 30 inch 4K
    display seen from twice its height in light of 10 lux (the package's `standard_hdr_linear`). NaN where a
    picture holds a value that is not finite, at which the package would stop.

    Raises:
        UserError: the shapes differ, the pictures hold whole numbers, or the package `cvvdp` is missing.
    """
    check_shapes(output, target)
    check_light(output, target)
    if not (np.isfinite(output).all() and np.isfinite(target).all()):
        return math.nan
    predictor = _cvvdp_predictor(float(peak_luminance), torch.device(device))
    lights = [(picture * np.float32(peak_luminance)).astype(np.float32) for picture in (output, target)]
    with torch.inference_mode():
        quality, _ = predictor.predict(*lights, dim_order="HWC")
    return float(quality)


@cache
def _cvvdp_predictor(peak_luminance: float, device: torch.device) -> Any:
    pycvvdp = _package("pycvvdp", "cvvdp", "cvvdp")
    photometry = pycvvdp.vvdp_display_photo_eotf(
        peak_luminance, contrast=1_000_000, source_colorspace="BT.709-linear", E_ambient=10
    )
    return pycvvdp.cvvdp(
        display_name="standard_hdr_linear", display_photometry=photometry, quiet=True, device=device
    )


def _package(name: str, metric: str, distribution: str | None = None) -> ModuleType:
    """An optional package, imported only for its metric because it is slow to import."""
    distribution = distribution or name
    try:
        return importlib.import_module(name)
    except ImportError as error:
        hint = f"pip install {distribution}, or leave the metric out"
        raise UserError(f"the metric {metric} needs the package {distribution}: {hint}") from error


# Functions of one uint16 mu-law picture (H, W, 3).
NO_REFERENCE: dict[str, Callable[..., float]] = {
    metric: partial(no_reference_score, metric=metric) for metric in ("clipiqa", "maniqa")
}


def prepare(metric: str, device: str | torch.device) -> None:
    """Load the package, and the network if any, that a metric needs, so that a lack is known at once.

    Raises:
        UserError: the package or its weights cannot be had.
    """
    if metric.startswith("lpips"):
        _lpips_network(torch.device(device))
    elif metric in NO_REFERENCE:
        _pyiqa_network(metric, torch.device(device))
    elif metric.startswith("ms_ssim"):
        _package("pytorch_msssim", metric, "pytorch-msssim")
    elif metric == "cvvdp":
        _package("pycvvdp", "cvvdp", "cvvdp")
