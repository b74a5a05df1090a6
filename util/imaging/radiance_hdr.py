"""Radiance pictures (`.hdr`): header, run lengths, order of the pixels. Arrays are linear RGB (H, W, 3).

Ward, "Real Pixels", Graphics Gems II, 1991, and the Radiance file formats reference (radsite.lbl.gov).
"""

import math
import re
from pathlib import Path

import numpy as np

from util.errors import UserError

NEW_RUNS = range(8, 32768)  # widths that the newer run lengths know
MOST_PER_BYTE = 4096  # pixels of a line that a byte can stand for; no writer comes near
SIZE = re.compile(rb"([-+])([XY]) (\d{1,9}) ([-+])([XY]) (\d{1,9})\s*")


def read_hdr(path: str | Path) -> np.ndarray:
    """Linear RGB float32 (H, W, 3) of a Radiance picture (`.hdr`): flat, old or new run lengths.

    A pixel is mantissas / 256 * 2^(exponent - 128). Gains that an EXPOSURE line tells of are divided out.

    Raises:
        UserError: the file is missing or damaged, or holds XYZ.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read picture {path}: {error.strerror or error}") from error
    try:
        rgbe, exposure = decode(content)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    scale = np.ldexp(np.float32(1), rgbe[..., 3:].astype(np.int32) - 136)
    return rgbe[..., :3] * scale / np.float32(exposure)


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


def decode(content: bytes) -> tuple[np.ndarray, float]:
    """A file's bytes -> stored pixels uint8 (H, W, 4), three mantissas and an exponent; the gain they have.

    Raises:
        ValueError: it is no such file, or damaged; the message says what was found.
    """
    if not content.startswith(b"#?"):
        raise ValueError("is damaged or is not a Radiance picture")
    header, found, body = content.partition(b"\n\n")
    line, _, pixels = body.partition(b"\n")
    size = SIZE.fullmatch(line)
    if not found or not size or {size[2], size[5]} != {b"X", b"Y"}:
        raise ValueError("is damaged: its header does not end with a size such as -Y 768 +X 512")
    settings = [entry.split(b"=", 1) for entry in header.split(b"\n") if b"=" in entry]
    if any(key == b"FORMAT" and value.strip() != b"32-bit_rle_rgbe" for key, value in settings):
        raise ValueError("holds XYZ; only RGB (32-bit_rle_rgbe) is read")
    gain = math.prod(_gain(value) for key, value in settings if key == b"EXPOSURE")
    lines, length = int(size[3]), int(size[6])
    if lines * max(4, length // MOST_PER_BYTE) > len(pixels):
        raise ValueError(f"is damaged: it ends too early for {lines} lines of {length} pixels")
    rgbe = np.empty((lines, length, 4), np.uint8)
    place = 0
    for row in rgbe:
        place = _read_line(pixels, place, row)
    return _upright(rgbe, size), gain


def _gain(text: bytes) -> float:
    """What an EXPOSURE line says."""
    try:
        gain = float(text)
    except ValueError:
        gain = math.nan
    if not 0 < gain < math.inf:
        shown = text.strip().decode("ascii", "replace")
        raise ValueError(f"is damaged: its line EXPOSURE={shown} is no number above 0")
    return gain


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
