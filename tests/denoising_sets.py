"""Small sets of bursts for denoising, made and spoiled."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from data.simulate.brackets import Settings, make_dataset
from data.simulate.sources import built_in
from util.imaging.images import write_png8


def write_photographs(root: Path) -> Path:
    """A plain folder of 20 photographs of 150x160 px."""
    for number in range(20):
        codes = np.random.default_rng(number).integers(0, 256, (150, 160, 3), dtype=np.uint8)
        write_png8(root / f"{number:02d}.png", cv2.GaussianBlur(codes, (0, 0), 2))
    return root


def simulate(root: Path) -> Path:
    """Two bursts of 40x32 px of one photograph at each level, and one photograph to train on."""
    sources = {split: found[:1] for split, found in built_in().items()}
    make_dataset(root, Settings(size=(40, 32), layout="burst_denoise"), 2, sources)
    return root


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a .npz file."""
    with np.load(path, allow_pickle=False) as found:
        return dict(found)


def changed(path: Path, to: Path, changes: dict[str, Callable[[np.ndarray], np.ndarray] | None]) -> None:
    """Write the arrays of a file to another, some changed, or left out by None."""
    arrays = arrays_of(path)
    for name, change in changes.items():
        if change is None:
            del arrays[name]
        else:
            arrays[name] = change(arrays[name])
    np.savez(to, **arrays)
