"""Footage for the tests: a camera that pans over a photograph."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import OpenEXR

from data.simulate.photographs import read_photograph
from data.simulate.warp import warp_affine
from util.imaging.images import write_png8
from util.imaging.radiance import write_radiance
from util.imaging.tonemap import srgb_decode


def scene(name: str = "coffee") -> np.ndarray:
    """A photograph as linear light (H, W, 3)."""
    return srgb_decode(read_photograph(name)).astype(np.float32)


@lru_cache
def smooth_scene() -> np.ndarray:
    return cv2.GaussianBlur(scene(), (0, 0), 2)


def pan(count: int, step: float, size: tuple[int, int] = (96, 128)) -> list[np.ndarray]:
    """Frames of a camera that moves `step` px to the right from each to the next."""
    matrices = [np.array([[1, 0, 60 + step * index], [0, 1, 80.0]]) for index in range(count)]
    return [warp_affine(smooth_scene(), matrix, size) for matrix in matrices]


def write_frames(folder: Path, frames: list[np.ndarray], first: int = 1, suffix: str = ".png") -> Path:
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, first):
        path = folder / f"frame_{number:04d}{suffix}"
        if suffix == ".png":
            write_png8(path, np.round(255 * frame ** (1 / 2.2)).astype(np.uint8))
        elif suffix == ".exr":
            write_plain_exr(path, frame)
        else:
            write_radiance(path, frame)
    return folder


def write_plain_exr(path: Path, frame: np.ndarray, **header: object) -> None:
    """As other programs write it: without chromaticities, unless `header` has them."""
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}
    with OpenEXR.File(header, {"RGB": np.ascontiguousarray(frame, np.float32)}) as file:
        file.write(str(path))
