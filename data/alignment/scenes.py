"""Temporary: scenes of LDR frames."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from util.errors import UserError
from util.images import read_tiff


class Scene(NamedTuple):
    name: str
    files: list[Path]
    exposure: np.ndarray


def find_scenes(root: Path, split: str) -> list[Scene]:
    found = []
    for folder in sorted(p for p in (root / split).iterdir() if p.is_dir() and not p.name.startswith(".")):
        files = sorted(folder.glob("*.tif"))
        if len(files) != 3:
            raise UserError(f"{folder}: {len(files)} .tif frames, 3 are needed")
        ev = np.array((folder / "exposure.txt").read_text().split(), float)
        found.append(Scene(folder.name, files, np.exp2(ev - ev[0]).astype(np.float32)))
    return found


def read_frame(path: Path) -> np.ndarray:
    u = read_tiff(path)
    return u.astype(np.float32) / np.float32(1 << (8 * u.itemsize))
