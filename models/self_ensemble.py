"""The mean of what is restored of mirror images of the frames: the geometric self-ensemble.

Lim et al., "Enhanced deep residual networks for single image super-resolution", CVPR workshops 2017, section
3.4. Mosaics stay RGGB: the greens of one that is read by columns change places, and one that is mirrored
begins with red again without its outermost row or column.
"""

import argparse
from collections.abc import Callable
from functools import partial

import torch

from util.device import release_memory
from util.errors import UserError
from util.task import CARRIED, Task
from util.tiling import TILES, Tell, tell_part

MOSAIC = 4  # planes of one
# Whether frames are transposed, and then along which dimensions they are mirrored, in the order of use.
VIEWS = tuple((transposed, dims) for dims in ((), (-2, -1), (-1,), (-2,)) for transposed in (False, True))
NUMBERS = (1, 2, 4, 8)


def check_views(opt: argparse.Namespace, task: Task, scale: int) -> None:
    """Raise a UserError if `--self_ensemble` asks for mirror images that frames of a task do not have."""
    if opt.self_ensemble > 1 and (reason := _refusal(task, scale)):
        asked = f"--self_ensemble {opt.self_ensemble} cannot mirror what --model {opt.model} restores"
        raise UserError(f"{asked} of --dataset_name {opt.dataset_name}: {reason}")


def _refusal(task: Task, scale: int) -> str:
    """Why frames of a task have no mirror images here; empty if they have."""
    if maps := [name for name in task.carries if CARRIED[name][0]]:
        return f"a {maps[0]} belongs to the px"
    if task.channels not in (3, MOSAIC):
        return f"frames of {task.channels} plane are neither RGB nor RGGB"
    if task.channels == MOSAIC and not task.mosaic:
        return "four planes need not be a mosaic that begins with red"
    return "" if scale == 1 and task.planes_out == task.channels else "results are not as their frames"


def mean_of_views(
    restore: Callable[[torch.Tensor, Tell | None], torch.Tensor],
    frames: torch.Tensor,
    number: int,
    tell: Tell | None = None,
) -> torch.Tensor:
    """The mean of `restore(view, tell)`, (N, C, H, W), over as many views of frames (N, T, C, H, W).

    Raises:
        UserError: mosaics of one row or column, of which nothing is left in some views.
    """
    if number == 1:
        return restore(frames, tell)
    if number > 2 and frames.shape[-3] == MOSAIC and min(frames.shape[-2:]) < 2:
        raise UserError(f"--self_ensemble {number} takes mosaics of 4 px or more on each side")
    total, count = 0, 0
    for done, (is_transposed, dims) in enumerate(VIEWS[:number]):
        view = transposed(frames) if is_transposed else frames
        for dim in dims:
            view = mirrored(view, dim)
        part = partial(tell_part, tell, done, number) if tell else None
        result = restore(view.contiguous(), part).float()
        if part:
            part(TILES, 1.0)  # which is not told of frames that are no more than a tile
        shown = torch.ones_like(result[:1])
        for dim in dims:
            result, shown = mirrored_back(result, dim), mirrored_back(shown, dim)
        total = total + (transposed(result) if is_transposed else result)
        count = count + (transposed(shown) if is_transposed else shown)
        del view, result, shown
        release_memory()
    return total / count


def transposed(planes: torch.Tensor) -> torch.Tensor:
    """Planes (..., C, H, W) with rows for columns."""
    planes = planes.transpose(-2, -1)
    return planes[..., (0, 2, 1, 3), :, :] if planes.shape[-3] == MOSAIC else planes


def mirrored(planes: torch.Tensor, dim: int) -> torch.Tensor:
    """Planes (..., C, H, W) mirrored along a dimension, -1 or -2; mosaics lose one of their cells there."""
    flipped = planes.flip(dim)
    if planes.shape[-3] != MOSAIC:
        return flipped
    length = planes.shape[dim] - 1
    parts = (flipped.narrow(dim, place, length) for place in (0, 1))
    return _mixed(*parts, dim)


def mirrored_back(planes: torch.Tensor, dim: int) -> torch.Tensor:
    """What `mirrored` made these planes of, and 0 where it lost px."""
    flipped = planes.flip(dim)
    if planes.shape[-3] != MOSAIC:
        return flipped
    lost = torch.zeros_like(flipped.narrow(dim, 0, 1))
    return _mixed(torch.cat((lost, flipped), dim), torch.cat((flipped, lost), dim), dim)


def _mixed(even: torch.Tensor, odd: torch.Tensor, dim: int) -> torch.Tensor:
    """Planes of a mosaic: those in even rows or columns (by `dim`) of the first, others of the second."""
    is_odd = torch.tensor((0, 1, 0, 1) if dim == -1 else (0, 0, 1, 1), dtype=torch.bool, device=even.device)
    return torch.where(is_odd[:, None, None], odd, even)
