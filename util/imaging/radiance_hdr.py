"""Radiance pictures (`.hdr`): header, run lengths, order of the pixels. Arrays are linear RGB (H, W, 3).

Ward, "Real Pixels", Graphics Gems II, 1991, and the Radiance file formats reference (radsite.lbl.gov).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from util.errors import UserError
from util.files import regular
from util.imaging.primaries import converted, to_srgb

NEW_RUNS = range(8, 32768)  # widths that the newer run lengths know
RGB, XYZ = b"32-bit_rle_rgbe", b"32-bit_rle_xyze"  # values of FORMAT
MOST_PER_BYTE = 4096  # pixels of a line that a byte can stand for; no writer comes near
SIZE = re.compile(rb"([-+])([XY])\s+(\d{1,9})\s+([-+])([XY])\s+(\d{1,9})\s*")
HEADER_END = re.compile(rb"\r?\n\r?\n")


def read_hdr(path: str | Path) -> np.ndarray:
    """Linear sRGB float32 (H, W, 3) of a Radiance picture (`.hdr`): flat, old or new run lengths.

    A pixel is mantissas / 256 * 2^(exponent - 128). Gains that lines EXPOSURE and COLORCORR tell of are
    divided out. Colours of other PRIMARIES are converted, their white to white; a file without this line is
    taken for sRGB.

    Raises:
        UserError: the file is missing or damaged, or holds XYZ.
    """
    try:
        content = regular(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read picture {path}: {error.strerror or error}") from error
    try:
        rgbe, header = decode(content)
        gains, matrix = header.gains(), header.matrix()
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    scale = np.ldexp(np.float32(1), rgbe[..., 3:].astype(np.int32) - 136)
    return converted(rgbe[..., :3] * scale / gains, matrix)


def write_hdr(path: Path, rgb: np.ndarray) -> None:
    """Radiance RGBE without run lengths: three mantissas, one exponent (Ward, Graphics Gems II, 1991)."""
    height, width, _ = rgb.shape
    header = f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {height} +X {width}\n"
    with path.open("wb") as file:
        file.write(header.encode("ascii"))
        for row in rgb:  # row by row, so that memory does not grow with the picture
            file.write(_to_rgbe(row).tobytes())


def _to_rgbe(rgb: np.ndarray) -> np.ndarray:
    """Finite values (..., 3) -> bytes (..., 4): value = mantissa / 256 * 2^(exponent - 128), negatives 0."""
    rgb = np.clip(rgb.astype(np.float32), 0, 2.0**126)
    _, exponent = np.frexp(rgb.max(axis=-1))  # largest channel = 0.5..1 * 2^exponent
    exponent = np.maximum(exponent, -120)
    mantissas = np.rint(np.ldexp(rgb, 8 - exponent[..., None]))
    rgbe = np.empty((*rgb.shape[:-1], 4), np.uint8)
    rgbe[..., :3] = np.minimum(mantissas, 255)
    rgbe[..., 3] = np.where(rgbe[..., :3].any(axis=-1), exponent + 128, 0)
    return rgbe


class Header(NamedTuple):
    """The lines NAME=VALUE of a file's header, in their order."""

    settings: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def parse(cls, text: bytes) -> "Header":
        """ValueError where the colours are XYZ, or of an unknown kind."""
        lines = (line.split(b"=", 1) for line in text.split(b"\n") if b"=" in line)
        header = cls(tuple((name.strip(), value.strip()) for name, value in lines))
        if kinds := {value for name, value in header.settings if name == b"FORMAT"} - {RGB}:
            kind = kinds.pop()
            shown = "XYZ" if kind == XYZ else f"FORMAT={_shown(kind)}"
            raise ValueError(f"holds {shown}; only RGB ({RGB.decode()}) is read: convert it")
        return header

    def gains(self) -> np.ndarray:
        """By what the light of R, G, B was multiplied, float32 (3,)."""
        gains = np.ones(3)
        for name, count in ((b"EXPOSURE", 1), (b"COLORCORR", 3)):
            for values in self._numbers(name, count):
                if not (values > 0).all():
                    shown = " ".join(f"{value:g}" for value in values)
                    raise ValueError(f"is damaged: its line {name.decode()}={shown} is no number above 0")
                gains *= values
        return gains.astype(np.float32)

    def matrix(self) -> np.ndarray | None:
        """From its colours to linear sRGB; None where they are that."""
        stated = [values for values in self._numbers(b"PRIMARIES", 8) if values.any()]
        return to_srgb(stated[-1]) if stated else None

    def _numbers(self, wanted: bytes, count: int) -> Iterator[np.ndarray]:
        for name, value in self.settings:
            if name != wanted:
                continue
            try:
                values = np.array([float(part) for part in value.split()])
            except ValueError:
                values = np.empty(0)
            if len(values) != count or not np.isfinite(values).all():
                kind = "number above 0" if count == 1 else f"{count} numbers"
                shown = f"{wanted.decode()}={_shown(value)}"
                raise ValueError(f"is damaged: its line {shown} is no {kind}")
            yield values


def _shown(text: bytes) -> str:
    return text.decode("ascii", "replace")


def decode(content: bytes) -> tuple[np.ndarray, Header]:
    """A file's bytes -> stored pixels uint8 (H, W, 4), three mantissas and an exponent; its header.

    Raises:
        ValueError: it is no such file, or damaged; the message says what was found.
    """
    if not content.startswith(b"#?"):
        raise ValueError("is damaged or is not a Radiance picture")
    end = HEADER_END.search(content)
    line, _, pixels = content[end.end() :].partition(b"\n") if end else (b"", b"", b"")
    size = SIZE.fullmatch(line)
    if not end or not size or {size[2], size[5]} != {b"X", b"Y"}:
        raise ValueError("is damaged: its header does not end with a size such as -Y 768 +X 512")
    header = Header.parse(content[: end.start()])
    lines, length = int(size[3]), int(size[6])
    if lines * max(4, length // MOST_PER_BYTE) > len(pixels):
        raise ValueError(f"is damaged: it ends too early for {lines} lines of {length} pixels")
    rgbe = np.empty((lines, length, 4), np.uint8)
    place = 0
    for row in rgbe:
        place = _read_line(pixels, place, row)
    return _upright(rgbe, size), header


def _upright(rgbe: np.ndarray, size: re.Match) -> np.ndarray:
    """Lines as stored -> rows from the top, columns from the left: Y falls and X rises along them."""
    upwards = {b"Y": b"+", b"X": b"-"}  # the sign for which an axis has to be turned round
    for axis, (sign, name) in enumerate(((size[1], size[2]), (size[4], size[5]))):
        if sign == upwards[name]:
            rgbe = np.flip(rgbe, axis)
    return rgbe if size[2] == b"Y" else rgbe.swapaxes(0, 1)


def _read_line(data: bytes, place: int, out: np.ndarray) -> int:
    """Decode one line into `out` (W, 4); returns where the next one begins."""
    width = len(out)
    start = data[place : place + 4]
    if len(start) < 4:
        raise ValueError("is damaged: it ends too early")
    if width in NEW_RUNS and start[:2] == b"\2\2" and start[2] < 128:
        if start[2] << 8 | start[3] != width:
            raise ValueError("is damaged: a line has another length than the picture")
        place += 4
        for channel in range(4):
            values, place = _runs(data, place, width)
            out[:, channel] = np.frombuffer(values, np.uint8)
        return place
    flat = np.frombuffer(data, np.uint8, min(4 * width, (len(data) - place) // 4 * 4), place).reshape(-1, 4)
    if len(flat) == width and not (flat[:, :3] == 1).all(axis=1).any():
        out[:] = flat
        return place + 4 * width
    return place + 4 * _old_runs(flat, out)


def _runs(data: bytes, place: int, width: int) -> tuple[bytearray, int]:
    """One channel of a line: a count over 128 repeats the next byte, another is followed by so many bytes."""
    values = bytearray()
    while len(values) < width:
        count = data[place] if place < len(data) else 0
        if count > 128:
            values += data[place + 1 : place + 2] * (count - 128)
            place += 2
        else:
            values += data[place + 1 : place + 1 + count]
            place += 1 + count
        if count == 0 or place > len(data):
            raise ValueError("is damaged: it ends too early, or a run is empty")
    if len(values) > width:
        raise ValueError("is damaged: a run goes beyond its line")
    return values, place


def _old_runs(pixels: np.ndarray, out: np.ndarray) -> int:
    """Pixels, among which (1, 1, 1, n) repeats the one before n times; returns how many were read.

    Of several such in a row the second counts 256 n, and so on.
    """
    written = read = shift = 0
    while written < len(out):
        if read == len(pixels):
            raise ValueError("is damaged: it ends too early")
        pixel = pixels[read]
        read += 1
        if (pixel[:3] != 1).any():
            out[written], written, shift = pixel, written + 1, 0
            continue
        count = int(pixel[3]) << shift
        if written == 0 or written + count > len(out):
            raise ValueError("is damaged: a run goes beyond its line")
        out[written : written + count] = out[written - 1]
        written, shift = written + count, shift + 8
    return read
