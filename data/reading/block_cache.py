"""A copy of a data set in blocks on a fast disk: a patch is a few short reads, even from a cold cache."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from util.errors import UserError
from util.files import remove_partial, write_atomically

STATE = 16  # bytes that tell the state of a sample's files
# How a block begins: what `_state` said when the files were copied; H, W of the whole input.
HEAD = np.dtype([("sources", f"V{STATE}"), ("size", "<i4", 2)])
BLOCK = 64  # side of a block in packed px of the input


class Content(NamedTuple):
    """A sample, or a window of it.

    Attributes:
        raw, target: brackets uint16 (T, H, W, C), target float32 (sH, sW, C'); several targets lie one after
            the other in its last axis.
        notes: numbers that belong to each bracket, float32 (T, notes).
    """

    raw: np.ndarray
    target: np.ndarray
    notes: np.ndarray | float = 0.0


class BlockCache:
    """One file per sample: its blocks row by row, each with the same part of all brackets and of the target.

    Args:
        cache_dir: where the copies go; each data set and choice of brackets has a folder of its own there.
        root: folder of the data set. inputs: says which brackets of a sample are meant.
        frames: brackets per sample. scale: of the target against the input; 0 = there is no target.
        notes: numbers kept with each bracket. planes: C of brackets and C' of the target; where they are not
            as by default, `inputs` must be text that no other choice has.
    """

    def __init__(
        self,
        cache_dir: str,
        root: Path,
        inputs: str,
        frames: int,
        scale: int,
        notes: int = 0,
        planes: tuple[int, int] = (4, 4),
    ) -> None:
        key = hashlib.sha256(f"{root.resolve()} {inputs} {frames} {scale}".encode()).hexdigest()[:16]
        self.folder, self.root = Path(cache_dir) / key, root
        self.scale = scale
        self.block = np.dtype(
            [
                *HEAD.descr,
                ("notes", "<f4", (frames, notes)),
                ("raw", "<u2", (frames, BLOCK, BLOCK, planes[0])),
                ("target", "<f4", (BLOCK * scale, BLOCK * scale, planes[1])),
            ]
        )

    def read(
        self,
        folder: Path,
        sources: list[Path],
        load: Callable[[], Content],
        top: int,
        left: int,
        height: int,
        width: int,
    ) -> Content:
        """The window of a sample's brackets (T, height, width, C) and target (s height, s width, C').

        `load` gives the whole sample when there is no copy yet, only part of one, or one of files other than
        `sources` are now.

        Raises:
            UserError: as `load`; the copy cannot be written, or was cut short by another process.
        """
        path = self.folder / folder.parent.relative_to(self.root) / f"{folder.name}.blocks"
        state = _state(sources)
        columns = self._columns(path, state)
        if not columns:
            whole = load()
            self._write(path, state, whole)
            columns = -(-whole.raw.shape[2] // BLOCK)
        frames, planes = self.block["raw"].shape[0], self.block["raw"].shape[-1]
        raw = np.empty((frames, height, width, planes), np.uint16)
        shape = height * self.scale, width * self.scale, self.block["target"].shape[-1]
        target = np.empty(shape, np.float32)
        notes = np.empty(self.block["notes"].shape, np.float32)
        first, last = left // BLOCK, -(-(left + width) // BLOCK)
        for row in range(top // BLOCK, -(-(top + height) // BLOCK)):
            offset = (row * columns + first) * self.block.itemsize
            blocks = np.fromfile(path, self.block, count=last - first, offset=offset)
            if len(blocks) < last - first:
                raise UserError(f"{path} was cut short while it was read: start again")
            for column, block in enumerate(blocks, first):
                place = (row * BLOCK - top, column * BLOCK - left)
                _paste(raw, block["raw"], place)
                _paste(target, block["target"], (place[0] * self.scale, place[1] * self.scale))
                notes[...] = block["notes"]
        return Content(raw, target, notes)

    def _columns(self, path: Path, state: bytes) -> int:
        """Blocks in a row of a copy; 0 where there is none of these files, or not all of it."""
        head = np.fromfile(path, HEAD, count=1) if path.exists() else np.empty(0, HEAD)
        if head["sources"].tobytes() != state:
            return 0
        rows, columns = (-(-int(side) // BLOCK) for side in head["size"][0])
        return columns if path.stat().st_size == rows * columns * self.block.itemsize else 0

    def _write(self, path: Path, state: bytes, whole: Content) -> None:
        height, width = whole.raw.shape[1:3]
        remove_partial(path.parent, depth=1)  # what killed processes left is as large as what they copied
        with write_atomically(path) as temporary, temporary.open("wb") as file:
            for row in range(-(-height // BLOCK)):  # one after the other: a frame is large
                blocks = np.zeros(-(-width // BLOCK), self.block)
                blocks["sources"] = np.void(state)
                blocks["size"] = height, width
                blocks["notes"] = whole.notes
                for name, side in (("raw", BLOCK), ("target", BLOCK * self.scale)):
                    strip = getattr(whole, name)[..., row * side : (row + 1) * side, :, :]
                    for column, block in enumerate(blocks[name]):
                        part = strip[..., column * side : (column + 1) * side, :]
                        block[..., : part.shape[-3], : part.shape[-2], :] = part
                file.write(blocks.view(np.uint8))  # tofile passes over a disk that is full at its end


def _state(sources: list[Path]) -> bytes:
    """A digest of the files' names, sizes and times of change (STATE bytes)."""
    facts = [(source.name, source.stat()) for source in sources]
    told = repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in facts])
    return hashlib.sha256(told.encode()).digest()[:STATE]


def _paste(image: np.ndarray, block: np.ndarray, place: tuple[int, int]) -> None:
    """Copy the part of `block` (..., b, b, C) that lies inside `image` (..., H, W, C) when put at `place`."""
    (top, left), side = place, block.shape[-2]
    height, width = image.shape[-3:-1]
    y0, y1, x0, x1 = max(top, 0), min(top + side, height), max(left, 0), min(left + side, width)
    image[..., y0:y1, x0:x1, :] = block[..., y0 - top : y1 - top, x0 - left : x1 - left, :]
