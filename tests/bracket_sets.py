"""Small BracketIRE data sets of random values, and the options with which they are opened."""

import argparse
import itertools
from pathlib import Path

import numpy as np

from data.draws import Draw

EXPOSURES = (1, 4, 16, 64, 256)
GAINS = {
    "red_gain": np.float32([2.0]),
    "blue_gain": np.float32([1.5]),
    "cam2rgb": np.eye(3, dtype=np.float32),
}


def options(root: Path, **changes) -> argparse.Namespace:
    """Options as train.py has them, for patches of 16 px."""
    settings = {
        "dataset_name": "syn",
        "dataroot": str(root),
        "frame_num": 5,
        "max_dataset_size": None,
        "cache_dir": None,
        "patch_size": 16,
        "augment": "none",
        "skip_damaged": False,
        "trust_exposures": False,
        "workers": 0,
        "seed": 7,
        "batch_size": 4,
        "epoch_iters": 6,
        "accumulate": 1,
    }
    return argparse.Namespace(**settings | changes)


def write_sample(folder: Path, seed: int, size: tuple[int, int] = (60, 72)) -> None:
    """A sample of random values that has inputs of both scales."""
    rng = np.random.default_rng(seed)
    (folder / "x4").mkdir(parents=True)
    for exposure in EXPOSURES:
        for part, side in (((), 1), (("x4",), 4)):
            shape = (size[0] // side, size[1] // side, 4)
            frame = rng.integers(0, 1024, shape, dtype=np.uint16)
            np.save(folder.joinpath(*part, f"raw_{exposure}.npy"), frame)
    np.save(folder / "raw_gt.npy", rng.uniform(0, 16, (*size, 4)).astype(np.float32))
    np.save(folder / "metadata.npy", np.array(GAINS, dtype=object))


def make_set(root: Path, size: tuple[int, int], train: int = 3, test: int = 1) -> Path:
    """Scenes "a" and "b" in both splits; samples of scene b have other values."""
    for number, (split, scene) in enumerate(itertools.product(("Train", "Test"), "ab")):
        for frame in range(train if split == "Train" else test):
            write_sample(root / split / scene / f"{frame:06d}", 100 * number + frame, size)
    return root


def draw(index: int = 0, position: int = 0, epoch: int = 1, batch: int = 0, seed: int = 7) -> Draw:
    return Draw(index, seed, epoch, position, batch)


def whole_sample(folder: Path, inputs: str = ".") -> tuple[np.ndarray, np.ndarray]:
    """Frames (5, 4, H, W) and target (4, sH, sW) as NumPy reads them."""
    frames = np.stack([np.load(folder / inputs / f"raw_{exposure}.npy") for exposure in EXPOSURES])
    planes = frames.transpose(0, 3, 1, 2).astype(np.float32) / 1023
    return planes, np.load(folder / "raw_gt.npy").transpose(2, 0, 1)
