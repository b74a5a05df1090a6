"""Reading .npy files by the patch from memory maps that stay open, and pickled metadata without trust."""

import io
import mmap
import pickle
import resource
import time
import tokenize
from pathlib import Path
from typing import NoReturn

import numpy as np

from util.errors import UserError
from util.files import regular
from util.inert_pickle import DAMAGE, InertUnpickler


def _open_maps_limit() -> int:
    """How many maps may be open. Each holds a file: the limit of open files is raised as far as it goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1 << 16 if hard == resource.RLIM_INFINITY else min(hard, 1 << 16)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return 1 << 15
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):  # some systems admit less than they say
        wanted = soft
    return wanted // 2


OPEN_MAPS = _open_maps_limit()
CHANGED = "was changed while it was read"
SECONDS_PER_BYTE_FROM_DISK = 2e-9  # a cached byte takes a fifth of that or less, one from a disk much more


class MappedArray:
    """A .npy file of shape (H, W, channels), mapped and read window by window.

    The kernel is told not to read ahead, since a window is a piece of each of its rows.

    Raises:
        UserError: missing, truncated, not a plain array, or of another shape or dtype.
    """

    disk_was_slow = True  # of all maps: whether the last window had to wait for the disk

    def __init__(self, path: Path, dtype: str, channels: int) -> None:
        array = open_map(path)
        if array.ndim != 3 or array.shape[2] != channels or array.dtype != np.dtype(dtype):
            expected = f"{dtype} of shape (H, W, {channels})"
            raise UserError(f"{path}: expected {expected}, found {array.dtype} {array.shape}")
        self.path, self.shape, self.dtype = path, array.shape, array.dtype
        self._pixels, self._map, self._offset = array.view(np.ndarray), array._mmap, array.offset
        self._map.madvise(mmap.MADV_RANDOM)
        self._header = self._map[: self._offset]

    def read(self, top: int, left: int, out: np.ndarray) -> None:
        """Copy the window whose corner is (top, left) to `out` (h, w, channels).

        Its pages are given up afterwards: they stay in the system's file cache but do not add to this
        process's memory. The kernel is asked to fetch all rows at once if the last window was not in the
        cache; where all is there, asking would take a quarter of the time.

        Raises:
            UserError: the file was cut short, or written anew with another shape, since it was opened.
        """
        check_held(self.path, self._map, self._offset + self._pixels.nbytes)
        if self._map[: self._offset] != self._header:
            raise UserError(f"{self.path} {CHANGED}: its header is another one: start again")
        height, width = out.shape[:2]
        row = self._pixels.strides[0]
        first = (self._offset + top * row) // mmap.PAGESIZE * mmap.PAGESIZE
        length = self._offset + (top + height) * row - first
        if MappedArray.disk_was_slow:
            self._map.madvise(mmap.MADV_WILLNEED, first, length)
        start = time.perf_counter()
        out[...] = self._pixels[top : top + height, left : left + width]
        MappedArray.disk_was_slow = time.perf_counter() - start > SECONDS_PER_BYTE_FROM_DISK * out.nbytes
        self._map.madvise(mmap.MADV_DONTNEED, first, length)


def open_map(path: Path) -> np.memmap:
    """A .npy file as a map: only what is looked at is read, and nothing is unpickled.

    Raises:
        UserError: missing, damaged, or not of plain numbers.
    """
    try:
        return np.lib.format.open_memmap(regular(path), mode="r")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (*DAMAGE, OSError, tokenize.TokenError) as error:
        raise UserError(f"{path}: damaged or not a plain array ({error})") from None


def check_held(path: Path, held: mmap.mmap, end: int) -> None:
    """Look whether the file that is mapped still has `end` bytes: reading beyond ends the process.

    Raises:
        UserError: it was cut short; one that was put in its place does not count.
    """
    if (size := held.size()) < end:
        raise UserError(f"{path} {CHANGED}: it has {size} bytes, not {end}: start again when it is whole")


class _ArraysAlone(InertUnpickler):
    """Refuses what is not plain, since all of the metadata is needed."""

    def foreign(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no metadata needs; not opened")


def read_metadata(path: Path) -> dict[str, np.ndarray]:
    """The dict that a `metadata.npy` holds (a pickled 0-d object array); only dicts, strings and arrays are
    admitted.

    Raises:
        UserError: missing, damaged, or a pickle that asks for anything else (nothing of it is run).
    """
    try:
        stream = io.BytesIO(regular(path).read_bytes())
        version = np.lib.format.read_magic(stream)
        header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        header(stream)
        content = _ArraysAlone(stream).load()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (*DAMAGE, tokenize.TokenError) as error:
        raise UserError(f"{path}: damaged or unsafe metadata: {error}") from None
    content = content.item() if isinstance(content, np.ndarray) else content
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a dict, found {type(content).__name__}")
    return content
