"""Pictures moved by parts of a pixel, and weighed: arrays by OpenCV, tensors by PyTorch where they are.

Both interpolate bilinearly and agree but for rounding. Places are in px of the picture that is sampled, x to
the right and y down, from the centre of its first pixel.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import TypeVar

import cv2
import numpy as np
import torch
import torch.nn.functional as F

Picture = TypeVar("Picture", np.ndarray, torch.Tensor)
CV2_BORDERS = {
    "reflection": cv2.BORDER_REFLECT_101,
    "border": cv2.BORDER_REPLICATE,
    "zeros": cv2.BORDER_CONSTANT,
}


@lru_cache(maxsize=8)
def _places(
    size: tuple[int, int], start: tuple[int, int], step: int, device: torch.device | None
) -> np.ndarray | torch.Tensor:
    """Where the pixels of a grid of `size` lie, float32 (*size, 2): x and y."""
    rows, columns = (
        np.arange(count, dtype=np.float32) * step + first for count, first in zip(size, start, strict=True)
    )
    places = np.stack(np.broadcast_arrays(columns, rows[:, None]), axis=-1)
    return places if device is None else torch.from_numpy(places).to(device)


def displace(
    picture: Picture, displacement: Picture, start: tuple[int, int] = (0, 0), step: int = 1
) -> Picture:
    """A picture (H, W, C) or (H, W) at start + step * (i, j) + displacement[i, j], by the border outside it.

    `displacement` (h, w, 2) holds x and y. `start` (row, column) and `step` choose which px the result has.
    """
    size = tuple(displacement.shape[:2])
    if isinstance(picture, torch.Tensor):
        return _sample(picture, _places(size, start, step, picture.device) + displacement, "border")
    places = _places(size, start, step, None) + displacement
    return cv2.remap(picture, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def warp_affine(
    picture: Picture, to_picture: np.ndarray, size: tuple[int, int], border: str = "reflection"
) -> Picture:
    """A picture (H, W, C) or (H, W) at `to_picture` @ (x, y, 1) for each px (x, y) of the result.

    `to_picture` is (2, 3) and `size` the result's; outside lies the mirrored picture ("reflection") or
    nothing ("zeros").
    """
    if isinstance(picture, torch.Tensor):
        matrix = torch.tensor(to_picture, dtype=torch.float32, device=picture.device)
        places = _places(size, (0, 0), 1, picture.device) @ matrix[:, :2].T + matrix[:, 2]
        return _sample(picture, places, border)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, to_picture, size[::-1], flags=flags, borderMode=CV2_BORDERS[border])


def _sample(picture: torch.Tensor, places: torch.Tensor, border: str) -> torch.Tensor:
    """The tensor (H, W, C) or (H, W) at places (h, w, 2) in px."""
    flat = picture.dim() == 2
    planes = picture[None, None] if flat else picture.permute(2, 0, 1)[None]
    extent = torch.tensor([planes.shape[3] - 1, planes.shape[2] - 1], device=places.device)
    grid = places * (2 / extent) - 1
    sampled = F.grid_sample(planes, grid[None], padding_mode=border, align_corners=True)[0]
    return sampled[0] if flat else sampled.permute(1, 2, 0)


def weighed(picture: Picture, weight: Picture) -> Picture:
    """A picture (H, W, C) or (H, W), each px times its `weight` (H, W)."""
    if picture.ndim == 2:
        return picture * weight
    if isinstance(picture, torch.Tensor):
        return picture * weight[..., None]
    return picture * cv2.merge([weight] * picture.shape[2])  # three times as fast as NumPy's broadcasting


def channel_mean(picture: Picture) -> Picture:
    """The mean of the three channels (H, W) of a float32 picture (H, W, 3)."""
    if isinstance(picture, torch.Tensor):
        return picture.mean(-1)
    return cv2.transform(picture, np.full((1, 3), 1 / 3, np.float32))


def mean(pictures: Iterable[Picture]) -> Picture:
    """The mean of float32 pictures, of which one at a time is held beside their sum."""
    total, count = None, 0
    for picture in pictures:
        if total is None:
            total = np.copy(picture) if isinstance(picture, np.ndarray) else picture.clone()
        else:
            total += picture
        count += 1
    return total / count
