"""How close a picture is to its target: PSNR, SSIM and LPIPS on the mu-law pictures, others in other domains.

A metric's name says its domain: `mu` the 16-bit mu-law picture, `l` linear light, `pu` perceptual code;
util/radiance_metrics.py has those of linear images. The data range is always an argument, never guessed.
Borders are cut by `crop_border` before. Metrics of NO_REFERENCE judge a picture without a target.
"""

import importlib
import math
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import torch
from skimage.metrics import structural_similarity

from util.bayer import unpack
from util.demosaic import bilinear
from util.errors import UserError
from util.tonemap import inverse_mu_law

PNG16 = 65535
SSIM_WINDOW = 11
STRIP = 2**18  # pixels compared at a time, so that memory does not grow with the picture
GRID, TILE_SIDE = 4, 224  # of the metrics without reference: tiles per side, and the smallest tile in px
PU21 = (0.353487901, 0.3734658629, 8.277049286e-05, 0.9062562627, 0.09150303166, 0.9099517204, 596.3148142)
PU21_LUMINANCE = (0.005, 10000.0)  # cd/m2, the range for which the code was fitted
PU21_PEAK = 256.0  # the code of 100 cd/m2, about white of a standard display


def crop_border(img: np.ndarray, border: int) -> np.ndarray:
    """Picture (H, W, ...) without `border` pixels on each side (a view).

    Raises:
        UserError: nothing would be left.
    """
    height, width = img.shape[:2]
    if border < 0 or 2 * border >= min(height, width):
        raise UserError(f"a border of {border} px leaves nothing of a picture of {width}x{height}")
    return img[border : height - border, border : width - border]


def psnr(a: np.ndarray, b: np.ndarray, data_range: float) -> float:
    """10 log10(data_range^2 / mean squared difference) over all pixels and channels; infinite if equal.

    Raises:
        UserError: the shapes differ.
    """
    _check_shapes(a, b)
    total = 0.0
    for rows in _strips(a):
        difference = np.subtract(a[rows], b[rows], dtype=np.float64).ravel()
        total += float(np.dot(difference, difference))
    return math.inf if total == 0 else float(10 * np.log10(data_range**2 / (total / a.size)))


def ssim(a: np.ndarray, b: np.ndarray, data_range: float, *, sample_covariance: bool = True) -> float:
    """Structural similarity of (H, W, C) channel by channel, then the mean (Wang et al. 2004).

    Gaussian window, sigma 1.5, 11 taps; K1 0.01, K2 0.03; 5 px at the border left out. `sample_covariance`
    multiplies (co)variances by 121 / 120 as scikit-image does by default; Wang et al. do not.

    Raises:
        UserError: the shapes differ or a side is shorter than the window.
    """
    _check_shapes(a, b)
    if min(a.shape[:2]) < SSIM_WINDOW:
        raise UserError(
            f"SSIM needs pictures of {SSIM_WINDOW}x{SSIM_WINDOW} px or more, got {a.shape[1]}x{a.shape[0]}"
        )
    margin = SSIM_WINDOW - 1
    inner = a[margin:]
    total = 0.0
    for rows in _strips(inner):
        strip = slice(rows.start, rows.stop + margin)  # windows lie within the strip: nothing else changes
        channels = [
            structural_similarity(
                a[strip, :, channel].astype(np.float64),
                b[strip, :, channel].astype(np.float64),
                data_range=data_range,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=sample_covariance,
                K1=0.01,
                K2=0.03,
            )
            for channel in range(a.shape[-1])
        ]
        total += (rows.stop - rows.start) * float(np.mean(channels))
    return total / len(inner)


def _strips(picture: np.ndarray) -> Iterator[slice]:
    """Its rows in groups of about STRIP pixels, one row at least."""
    step = max(1, STRIP // picture.shape[1])
    for top in range(0, len(picture), step):
        yield slice(top, min(top + step, len(picture)))


def _check_shapes(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape:
        raise UserError(f"pictures of different shapes cannot be compared: {a.shape} and {b.shape}")


def psnr_mu(output: np.ndarray, target: np.ndarray) -> float:
    """PSNR of two 16-bit mu-law pictures as they are stored."""
    return psnr(output, target, PNG16)


def ssim_mu(output: np.ndarray, target: np.ndarray) -> float:
    """SSIM of two 16-bit mu-law pictures as they are stored."""
    return ssim(output, target, PNG16)


def psnr_l(output: np.ndarray, target: np.ndarray) -> float:
    """PSNR of two 16-bit mu-law pictures in linear light, 1 = white."""
    return psnr(_to_linear(output), _to_linear(target), 1.0)


def _to_linear(png16: np.ndarray) -> np.ndarray:
    return inverse_mu_law(png16.astype(np.float32) / PNG16)


def pu21_encode(luminance: np.ndarray) -> np.ndarray:
    """Luminance in cd/m2, clipped to 0.005..10000 -> perceptually uniform code, 100 cd/m2 -> about 256.

    Mantiuk and Azimi, "PU21: A novel perceptually uniform encoding for adapting existing quality metrics for
    HDR", Picture Coding Symposium 2021, with the parameters for banding and glare.
    """
    p1, p2, p3, p4, p5, p6, p7 = PU21
    power = np.clip(luminance, *PU21_LUMINANCE) ** p4
    return p7 * (((p1 + p2 * power) / (1 + p3 * power)) ** p5 - p6)


def pu_psnr(a: np.ndarray, b: np.ndarray, peak_luminance: float = 1000.0) -> float:
    """PSNR (peak 256) of the PU21 codes of linear pictures shown so that 1 has `peak_luminance` cd/m2."""
    return psnr(pu21_encode(a * peak_luminance), pu21_encode(b * peak_luminance), PU21_PEAK)


def pu_psnr_png16(output: np.ndarray, target: np.ndarray, *, peak_luminance: float = 1000.0) -> float:
    """`pu_psnr` of two 16-bit mu-law pictures; 65535 is shown with `peak_luminance` cd/m2."""
    return pu_psnr(_to_linear(output), _to_linear(target), peak_luminance)


def pu_ssim(a: np.ndarray, b: np.ndarray, peak_luminance: float = 1000.0) -> float:
    """SSIM (range 256, population covariance) of the PU21 codes of linear pictures (H, W, C), as `pu_psnr`.

    The range is the one that Mantiuk and Azimi give metrics made for 8 bits: the code of 100 cd/m2.
    """
    codes = (pu21_encode(picture * peak_luminance) for picture in (a, b))
    return ssim(*codes, PU21_PEAK, sample_covariance=False)


def pu_ssim_png16(output: np.ndarray, target: np.ndarray, *, peak_luminance: float = 1000.0) -> float:
    """`pu_ssim` of two 16-bit mu-law pictures; 65535 is shown with `peak_luminance` cd/m2."""
    return pu_ssim(_to_linear(output), _to_linear(target), peak_luminance)


def lpips_distance(output: np.ndarray, target: np.ndarray, *, device: str | torch.device = "cpu") -> float:
    """LPIPS (AlexNet, version 0.1) of two 16-bit mu-law pictures (H, W, 3), values / 32767.5 - 1; 0 is equal.

    Raises:
        UserError: the shapes differ, or the package `lpips` or its weights cannot be had.
    """
    _check_shapes(output, target)
    network = _lpips_network(torch.device(device))
    with torch.inference_mode():
        pictures = [
            torch.from_numpy(picture.astype(np.float32) / 32767.5 - 1).permute(2, 0, 1)[None].to(device)
            for picture in (output, target)
        ]
        return float(network(*pictures))


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
        UserError: a tile is smaller than 224x224 px, or the package `pyiqa` or its weights cannot be had.
    """
    network = _pyiqa_network(metric, torch.device(device))
    height, width = picture.shape[:2]
    if min(height, width) // GRID < TILE_SIDE:
        least = f"{GRID * TILE_SIDE}x{GRID * TILE_SIDE} px or more"
        raise UserError(f"{metric} scores 4x4 tiles and so needs pictures of {least}, got {width}x{height}")
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
    display seen from twice its height in light of 10 lux (the package's `standard_hdr_linear`).

    Raises:
        UserError: the shapes differ, or the package `cvvdp` is missing.
    """
    _check_shapes(output, target)
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


def prepare(metric: str, device: str | torch.device) -> None:
    """Load the package, and the network if any, that a metric needs, so that a lack is known at once.

    Raises:
        UserError: the package or its weights cannot be had.
    """
    if metric == "lpips":
        _lpips_network(torch.device(device))
    elif metric in NO_REFERENCE:
        _pyiqa_network(metric, torch.device(device))
    elif metric == "cvvdp":
        _package("pycvvdp", "cvvdp", "cvvdp")


def published_validation_view(packed: np.ndarray) -> np.ndarray:
    """Packed RGGB (..., 4, h, w) -> the gamma view of the published training loop (..., 3, 2h, 2w), 0..255.

    Every image is divided by its own maximum, so that a wrong brightness cannot be seen.
    """
    *lead, _, height, width = packed.shape
    views = []
    for image in packed.reshape(-1, 4, height, width):
        rgb = bilinear(unpack(image / image.max()), "RGGB")
        views.append(np.round(np.clip(rgb, 0, 1) ** (1 / 2.2) * 255).transpose(2, 0, 1))
    return np.stack(views).reshape(*lead, 3, 2 * height, 2 * width)


def published_validation_psnr(output: np.ndarray, target: np.ndarray) -> float:
    """PSNR of the views of two packed images, for comparison with published training logs only.

    The peak is the maximum of the output's view: the published code has its arguments exchanged.
    """
    output, target = published_validation_view(output), published_validation_view(target)
    return psnr(output, target, float(output.max()))


# Functions of one uint16 mu-law picture (H, W, 3), and of two; keywords are the metric's own settings.
NO_REFERENCE: dict[str, Callable[..., float]] = {
    metric: partial(no_reference_score, metric=metric) for metric in ("clipiqa", "maniqa")
}
ABSOLUTE = ("pu_psnr", "pu_ssim", "cvvdp")  # metrics that take a peak_luminance
METRICS: dict[str, Callable[..., float]] = {
    "psnr_mu": psnr_mu,
    "ssim_mu": ssim_mu,
    "psnr_l": psnr_l,
    "pu_psnr": pu_psnr_png16,
    "pu_ssim": pu_ssim_png16,
    "lpips": lpips_distance,
}
