"""Arrays of a .npz file that may be larger than memory: mapped where they are stored as they are."""

import math
import shutil
import tempfile
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from data.reading.arrays import check_held
from util.errors import UserError
from util.files import regular

LOCAL_HEADER = 30  # bytes of what precedes a member's name in a zip file
LENGTHS = slice(26, 30)  # in it: of the name and of what follows the name, 2 bytes each
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError, EOFError, OSError),
    *(ValueError, TypeError, LookupError, SyntaxError, RuntimeError, NotImplementedError),
)


class NpzMembers:
    """The arrays of a .npz file by name; nothing is unpickled.

    One that is stored as it is, as `np.savez` does, is mapped: only what is looked at is read. A compressed
    one is unpacked to a temporary file when it is first asked for. Call `check` before each look at what was
    mapped.

    Raises:
        UserError: the file is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: dict[str, np.memmap] = {}
        try:
            with zipfile.ZipFile(regular(path)) as archive:
                self._members = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        except FileNotFoundError:
            raise UserError(f"{path}: no such file") from None
        except DAMAGE as error:
            raise UserError(f"{path} is damaged or is no .npz file: {error}") from None

    def __getitem__(self, name: str) -> np.ndarray:
        """The array of a name, read-only; UserError if there is none, it is damaged or holds no numbers."""
        if name not in self._members:
            raise UserError(f"{self.path} has no array {name}; it has: {', '.join(self._members) or 'none'}")
        if name not in self._opened:
            try:
                self._opened[name] = self._open(self._members[name])
            except DAMAGE as error:
                raise UserError(f"{self.path}: {name} is damaged or not of plain numbers: {error}") from None
        return self._opened[name].view(np.ndarray)

    def check(self) -> None:
        """UserError where the file was cut short since it was opened."""
        for array in self._opened.values():
            check_held(self.path, array._mmap, array.offset + array.nbytes)

    def _open(self, member: zipfile.ZipInfo) -> np.memmap:
        if member.compress_type == zipfile.ZIP_STORED:
            with self.path.open("rb") as file:
                file.seek(member.header_offset)
                header = file.read(LOCAL_HEADER)
                lengths = np.frombuffer(header[LENGTHS], "<u2")
                return _mapped(file, member.header_offset + LOCAL_HEADER + int(lengths.sum()))
        with (
            zipfile.ZipFile(self.path) as archive,
            archive.open(member) as packed,
            tempfile.TemporaryFile() as plain,
        ):
            shutil.copyfileobj(packed, plain)
            return _mapped(plain, 0)


def _mapped(file: BinaryIO, start: int) -> np.memmap:
    """The array whose .npy header begins at `start`; the map outlives the file."""
    file.seek(start)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(file)
    if dtype.kind not in "fiu":
        raise ValueError(f"it holds {dtype}")
    if math.prod(shape) == 0:
        raise ValueError(f"it is empty, of shape {shape}")
    order = "F" if is_fortran else "C"
    return np.memmap(file, dtype, "r", file.tell(), shape, order)
