"""The merge of frames by frequency in small windows: a Kalman filter that doubts what noise does not explain.

After Hasinoff et al., "Burst photography for high dynamic range and low-light imaging", SIGGRAPH Asia 2016,
section 5; see ExposureMerge.
"""

import math
from typing import NamedTuple

import torch

from models.networks.parts.windows import CONSTANT, Windows, squared

AGREEMENT = 1.5  # power of a difference, in variances of noise, that is put down to noise
FOREIGN = 30.0  # power from which a difference is no error of the same light, and doubt grows faster
ALL_OF_IT = 1 - 1e-6  # share of a window from which it counts as clipped all over
SHRINKAGE = 2.0  # variances of the remaining noise that are taken off the power of each frequency


class Evidence(NamedTuple):
    """What the windows of a frame in the place of the reference say; images are as of `Windows.extended`."""

    light: torch.Tensor  # (C, H', W')
    valid: torch.Tensor  # (1, H', W'), as of Observed
    errors: torch.Tensor  # (C, rows, columns, 2): variance of the noise, square of the offset
    lost: torch.Tensor | None  # share of a window that is clipped, (rows, columns); None: nowhere


def evidence(grid: Windows, *images: torch.Tensor) -> Evidence:
    """What windows say of a frame: its light, variance and offset, (C, H, W), and validity, (1, H, W).

    The variance is that of its noise, the offset is what it may be wrong by as a whole.
    """
    light, variance, offset, valid = (grid.extended(image) for image in images)
    errors = torch.stack((grid.mean(variance), grid.mean(offset).square()), dim=-1)
    return Evidence(light, valid, errors, grid.mean(1 - valid)[0] if may_hold(valid < 1) else None)


def may_hold(mask: torch.Tensor) -> bool:
    """Whether anything is set in a mask; on a GPU it may be: to ask would be to wait for it."""
    return mask.is_cuda or bool(mask.any())


def merge_windows(grid: Windows, first: Evidence, *others: Evidence) -> torch.Tensor:
    """The image (C, H, W) of the first frame with what the others know of it, one taken after the other.

    Windows are worked on in strips, each through all frames, so that memory is that of the frames.
    """
    canvas = grid.canvas(len(first.light))
    for strip in grid.strips():
        state = grid.spectra(grid.cut(first.light, strip))
        variance = (first.errors[:, strip].flatten(0, 2) @ grid.errors).view(state.shape[1:])
        for other in others:
            _take(grid, strip, state, variance, other)
        grid.paste(canvas, _denoised(grid, state, variance), strip)
    return grid.image(canvas)


def _take(grid: Windows, strip: slice, state: torch.Tensor, variance: torch.Tensor, other: Evidence) -> None:
    """Merge the windows of one more frame in a strip into the state (2, C, n, FREQUENCIES), in place.

    `variance` (C, n, FREQUENCIES) is that of the state. Windows that are clipped all over tell nothing.
    """
    windows, errors = grid.cut(other.light, strip), other.errors[:, strip].flatten(1, 2)
    lost = None if other.lost is None else other.lost[strip].flatten()
    if lost is None or not may_hold(lost > 0):
        difference = grid.spectra(windows)
        grid.subtract_shown(difference, state)
        _update(grid, state, variance, difference, errors)
        return
    every = torch.arange(len(lost), device=lost.device)
    used = every if lost.is_cuda else every[lost < ALL_OF_IT]
    if len(used) == 0:
        return
    own_state, own_variance = state.index_select(2, used), variance.index_select(1, used)
    rest = windows.index_select(1, used).mul_(grid.taper).sub_(grid.windows(own_state))
    rest.mul_(grid.cut(other.valid, strip).index_select(1, used))
    difference = grid.spectra(rest, tapered=False)
    _update(grid, own_state, own_variance, difference, errors[:, used], 1 - lost[used, None])
    state.index_copy_(2, used, own_state)
    variance.index_copy_(1, used, own_variance)


def _update(
    grid: Windows,
    state: torch.Tensor,
    variance: torch.Tensor,
    difference: torch.Tensor,
    errors: torch.Tensor,
    share: torch.Tensor | None = None,
) -> None:
    """Correct the state by a difference like it, as far as it is believed, in place.

    `errors` (C, n, 2) are those of the frame, `share` (n, 1) is what of its windows is not clipped.
    """
    expected = torch.addmm(variance.flatten(0, 1), errors.flatten(0, 1), grid.errors).view(variance.shape)
    power = squared(difference).div_(expected).mean(0)
    if share is not None:
        power /= share.clamp(min=0.05)
    power = power @ grid.neighbours
    power = torch.maximum(power, power[:, CONSTANT, None])  # what differs as a whole is not the same thing
    doubt = (power - AGREEMENT).clamp_(min=0).mul_((power / FOREIGN).clamp_(min=1))
    gain = variance / expected.mul_(1 + doubt)
    least = gain.index_select(-1, grid.lowest).amin(-1, keepdim=True)  # of the frequencies of planes
    slopes = grid.slopes(difference)
    grid.add_planes(difference, slopes, -1)
    state.addcmul_(gain, difference)
    grid.add_planes(state, least * slopes)
    variance.addcmul_(variance, gain if share is None else gain.mul_(share), value=-1)


def _denoised(grid: Windows, spectra: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
    """Spectra (2, C, n, FREQUENCIES) without frequencies that are not above their noise.

    The plane through each window is kept: of a smooth light that is weaker than noise, windows would show.
    Planes are compared after a cosine transform over them: noise of colour is then seen beside an edge, too.
    """
    number = spectra.shape[1]
    order = torch.arange(number, device=spectra.device)
    mix = torch.cos(order[:, None] * (order + 0.5) * (math.pi / number)) * math.sqrt(2 / number)
    mix[0] /= math.sqrt(2)
    mixed = (mix @ spectra.flatten(2)).view(spectra.shape)
    slopes = grid.slopes(mixed)
    grid.add_planes(mixed, slopes, -1)
    noise = (mix.square() @ variance.flatten(1)).view(variance.shape)
    power = squared(mixed).div_(noise) @ grid.neighbours
    kept = (1 - SHRINKAGE / power.clamp_(min=SHRINKAGE)).clamp_(min=0)
    kept[..., CONSTANT] = 1
    mixed *= kept
    grid.add_planes(mixed, slopes)
    return (mix.T @ mixed.flatten(2)).view(spectra.shape)
