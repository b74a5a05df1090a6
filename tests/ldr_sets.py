"""Small sets of three exposures in the layout of Kalantari and Ramamoorthi (2017): a few moving shapes."""

from pathlib import Path

import cv2
import numpy as np
import tifffile

from util.imaging.radiance import write_radiance

STOPS = (0, 2, 4)
REFERENCE = 1
MOTION = (-4, 0, 5)  # px by which the shapes lie right of where the reference has them


def make_ldr_set(
    folder: Path,
    scenes: int = 2,
    size: tuple[int, int] = (72, 88),
    aligned: bool = True,
    labels: bool = True,
    test_scenes: int = 1,
) -> Path:
    """Training/ with `scenes` scenes 001, 002, ... and Test/ with `test_scenes`, of frames of `size`.

    Args:
        aligned: Training_align/ and Test_align/ too, of frames that show what the reference shows, each
            scene with its exposure-weighted merge.
        labels: true labels, the radiance of the reference.
    """
    for split, count in (("Training", scenes), ("Test", test_scenes)):
        for number in range(1, count + 1):
            write_scene(folder, split, f"{number:03d}", size, aligned, labels)
    return folder


def write_scene(
    root: Path,
    split: str,
    name: str,
    size: tuple[int, int],
    aligned: bool = True,
    labels: bool = True,
    stops: tuple[float, ...] = STOPS,
) -> Path:
    """One scene of a split; its folder."""
    seed = (int(name), split == "Test")
    folder, exposures = root / split / name, np.exp2(np.array(stops) - stops[0])
    moments = [radiance(seed, size, motion) for motion in MOTION]
    write_frames(folder, moments, exposures)
    (folder / "exposure.txt").write_text("".join(f"{stop}\n" for stop in stops))
    if labels:
        write_radiance(folder / "HDRImg.hdr", moments[REFERENCE])
    if aligned:
        beside = root / f"{split}_align" / name
        images = write_frames(beside, [moments[REFERENCE]] * len(stops), exposures)
        write_radiance(beside / "HDRImg.hdr", merged(images, exposures))
    return folder


def radiance(seed: tuple[int, ...], size: tuple[int, int], motion: int) -> np.ndarray:
    """Radiance (H, W, 3) float32 in 0.002..1: a gradient with texture, and shapes that move across it."""
    rng, (height, width) = np.random.default_rng(seed), size
    down, across = np.mgrid[:height, :width].astype(np.float32)
    level = 0.004 * 2 ** (5 * across / width + 2 * down / height)
    texture = cv2.GaussianBlur(rng.random((height, width, 3), np.float32), (0, 0), 1.5)
    image = level[..., None] * (0.6 + 0.8 * texture)
    for _ in range(4):
        centre = rng.integers((width // 6, height // 6), (5 * width // 6, 5 * height // 6))
        colour = 2.0 ** rng.uniform(-8, -0.3) * rng.uniform(0.4, 1, 3)
        place = int(centre[0]) + motion, int(centre[1])
        image = cv2.circle(image, place, int(min(size) // 8), colour.tolist(), -1)
    return np.clip(image, 0.002, 1)


def write_frames(folder: Path, moments: list[np.ndarray], exposures: np.ndarray) -> list[np.ndarray]:
    """16-bit files 1.tif, 2.tif, ... of gamma 2.2, and what they hold, uint16 (H, W, 3)."""
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for number, (moment, exposure) in enumerate(zip(moments, exposures, strict=True), 1):
        gamma = np.clip(moment * exposure, 0, 1) ** (1 / 2.2)
        images.append(np.minimum(np.rint(gamma * 65536), 65535).astype(np.uint16))
        tifffile.imwrite(folder / f"{number}.tif", images[-1], photometric="rgb")
    return images


def merged(images: list[np.ndarray], exposures: np.ndarray) -> np.ndarray:
    """The colour component of aligned frames uint16 (SelfHDR specification, 3), float32 (H, W, 3)."""
    gamma = [image / 65536 for image in images]
    short, medium, long = (image**2.2 / exposure for image, exposure in zip(gamma, exposures, strict=True))
    level = 2 * gamma[REFERENCE]
    weight = 1 - np.abs(level - 1)
    other = np.where(level < 1, long, short)
    return (weight * medium + (1 - weight) * other).astype(np.float32)
