"""Reading .npy files by the patch from memory maps that stay open, and pickled metadata without trust."""

import functools
import io
import mmap
import pickle
import resource
from pathlib import Path

import numpy as np

from util.errors import UserError

ADMITTED_GLOBALS = {  # what a pickled dict of arrays consists of
    *((module, "_reconstruct") for module in ("numpy.core.multiarray", "numpy._core.multiarray")),
    *((module, "scalar") for module in ("numpy.core.multiarray", "numpy._core.multiarray")),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


def _open_files_limit() -> int:
    """Raise this process's limit of open files as far as it may go: each map holds one. Returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if 0 < hard < 1 << 20 else 1 << 20


@functools.lru_cache(maxsize=_open_files_limit() // 2)
def open_array(path: Path, dtype: str, channels: int) -> np.memmap:
    """Map a .npy file of shape (H, W, channels) and this dtype; it is read when it is indexed.

    The map stays open for later calls. The kernel is told not to read ahead: patches are read row by row.

    Raises:
        UserError: missing, truncated, not a plain array, or of another shape or dtype.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{path}: damaged or not a plain array ({error})") from None
    if array.ndim != 3 or array.shape[2] != channels or array.dtype != np.dtype(dtype):
        raise UserError(
            f"{path}: expected {dtype} of shape (H, W, {channels}), found {array.dtype} {array.shape}"
        )
    array._mmap.madvise(mmap.MADV_RANDOM)
    return array


def read_window(array: np.memmap, top: int, left: int, height: int, width: int) -> np.ndarray:
    """Copy rows top..top+height, columns left..left+width of a map (H, W, C) to memory: (height, width, C).

    The kernel is asked to fetch these rows at once, and its pages are given up afterwards: they stay in the
    system's file cache but do not add to this process's memory.
    """
    row = array.strides[0]
    start = array.offset + top * row
    start -= start % mmap.PAGESIZE
    length = array.offset + (top + height) * row - start
    array._mmap.madvise(mmap.MADV_WILLNEED, start, length)
    window = np.array(array[top : top + height, left : left + width])
    array._mmap.madvise(mmap.MADV_DONTNEED, start, length)
    return window


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if (module, name) in ADMITTED_GLOBALS:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no metadata needs; not opened")


def read_metadata(path: Path) -> dict[str, np.ndarray]:
    """The dict that a `metadata.npy` holds (a pickled 0-d object array); only dicts, strings and arrays are
    admitted.

    Raises:
        UserError: missing, damaged, or a pickle that asks for anything else (nothing of it is run).
    """
    try:
        stream = io.BytesIO(path.read_bytes())
        version = np.lib.format.read_magic(stream)
        header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        header(stream)
        content = _RestrictedUnpickler(stream).load()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (
        pickle.UnpicklingError,
        ValueError,
        EOFError,
        TypeError,
        AttributeError,
        IndexError,
        KeyError,
    ) as error:
        raise UserError(f"{path}: damaged or unsafe metadata: {error}") from None
    content = content.item() if isinstance(content, np.ndarray) else content
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a dict, found {type(content).__name__}")
    return content
