"""A copy of a data set in blocks on a fast disk: a patch is a few short reads, even from a cold cache."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from util.files import write_atomically

BLOCK = 64  # side of a block in packed px of the input

Pair = tuple[np.ndarray, np.ndarray]  # brackets uint16 (T, H, W, 4) and target float32 (sH, sW, 4)


class BlockCache:
    """One file per sample: its blocks row by row, each with the same part of all brackets and of the target.

    Args:
        cache_dir: where the copies go; each data set and choice of brackets has a folder of its own there.
        root, inputs: folder of the data set, and of the brackets inside a sample's folder.
        frames: brackets per sample. scale: of the target against the input.
    """

    def __init__(self, cache_dir: str, root: Path, inputs: str, frames: int, scale: int) -> None:
        key = hashlib.sha256(f"{root.resolve()} {inputs} {frames} {scale}".encode()).hexdigest()[:16]
        self.folder, self.root = Path(cache_dir) / key, root
        self.scale = scale
        self.block = np.dtype(
            [
                ("size", "<i4", 2),  # H, W of the whole input
                ("raw", "<u2", (frames, BLOCK, BLOCK, 4)),
                ("target", "<f4", (BLOCK * scale, BLOCK * scale, 4)),
            ]
        )

    def read(
        self,
        folder: Path,
        sources: list[Path],
        load: Callable[[], Pair],
        top: int,
        left: int,
        height: int,
        width: int,
    ) -> Pair:
        """The window of a sample's brackets (T, height, width, 4) and target (s height, s width, 4).

        `load` gives the whole sample when there is no copy yet, or one older than a file of `sources`.
        """
        path = self.folder / folder.parent.relative_to(self.root) / f"{folder.name}.blocks"
        if not path.exists() or path.stat().st_mtime < max(source.stat().st_mtime for source in sources):
            self._write(path, *load())
        columns = -(-int(np.fromfile(path, self.block["size"], count=1)[0, 1]) // BLOCK)
        raw = np.empty((self.block["raw"].shape[0], height, width, 4), np.uint16)
        target = np.empty((height * self.scale, width * self.scale, 4), np.float32)
        first, last = left // BLOCK, -(-(left + width) // BLOCK)
        for row in range(top // BLOCK, -(-(top + height) // BLOCK)):
            offset = (row * columns + first) * self.block.itemsize
            for column, block in enumerate(
                np.fromfile(path, self.block, count=last - first, offset=offset), first
            ):
                place = (row * BLOCK - top, column * BLOCK - left)
                _paste(raw, block["raw"], place)
                _paste(target, block["target"], (place[0] * self.scale, place[1] * self.scale))
        return raw, target

    def _write(self, path: Path, raw: np.ndarray, target: np.ndarray) -> None:
        height, width = raw.shape[1:3]
        rows, columns = -(-height // BLOCK), -(-width // BLOCK)
        blocks = np.zeros((rows, columns), self.block)
        blocks["size"] = height, width
        for row, column in np.ndindex(rows, columns):
            for image, name, side in ((raw, "raw", BLOCK), (target, "target", BLOCK * self.scale)):
                part = image[..., row * side : (row + 1) * side, column * side : (column + 1) * side, :]
                blocks[name][row, column, ..., : part.shape[-3], : part.shape[-2], :] = part
        with write_atomically(path) as temporary:
            blocks.tofile(temporary)


def _paste(image: np.ndarray, block: np.ndarray, place: tuple[int, int]) -> None:
    """Copy the part of `block` (..., b, b, C) that lies inside `image` (..., H, W, C) when put at `place`."""
    (top, left), side = place, block.shape[-2]
    height, width = image.shape[-3:-1]
    y0, y1, x0, x1 = max(top, 0), min(top + side, height), max(left, 0), min(left + side, width)
    image[..., y0:y1, x0:x1, :] = block[..., y0 - top : y1 - top, x0 - left : x1 - left, :]
