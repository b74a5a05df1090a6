"""Opening raw files with LibRaw, so that each of its errors names the file."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import rawpy

from util.errors import UserError

TIFF_STARTS = (b"II", b"MM")  # most raw formats are TIFF files as well


@contextlib.contextmanager
def open_raw(path: Path) -> Iterator[rawpy.RawPy]:
    """A raw file whose header is read; errors of LibRaw in the block are a UserError."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if path.suffix.lower() == ".raw":
        with path.open("rb") as file:
            if file.read(2) not in TIFF_STARTS:  # LibRaw would guess by the size
                raise UserError(f"{path} has no header that tells its size, levels and colour pattern")
    try:
        with rawpy.RawPy() as raw:
            raw.open_file(str(path))
            yield raw
    except rawpy.LibRawFileUnsupportedError:
        raise UserError(f"{path} is not a raw file of a kind that LibRaw reads") from None
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        reason = error.args[0] if error.args else "no reason given"
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
        raise UserError(f"{path} is damaged or cut short (LibRaw: {reason})") from None
    except UnicodeEncodeError:
        raise UserError(f"{path}: LibRaw opens names in UTF-8 only, rename it or its folder") from None
