"""Small ICC profiles for tests (ICC.1:2022): curves and a matrix, or a curve of grey."""

import struct

import numpy as np

from util.imaging.tonemap import srgb_decode

COLUMNS = {  # XYZ of red, green and blue under D50, as profiles have them
    "SRGB": ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)),
    "DISPLAY_P3": ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
    "ADOBE": ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
}
SRGB_PARAMETERS = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def make_profile(
    name: str, columns: str | None, *, count: int = 1024, gamma: float = 1.0, parametric: bool = False
) -> bytes:
    """A profile of RGB by the columns of COLUMNS, or without any of grey.

    Its curve has `count` entries of sRGB's curve, or one that is a gamma, or none, which is linear; or it is
    a parametric one of sRGB, and the profile of version 4.
    """
    letters = "rgb" if columns else "k"
    curve = _parameters() if parametric else _curve(count, gamma)
    tags = {b"desc": _unicode(name) if parametric else _text(name), b"wtpt": _xyz((0.9642, 1, 0.8249))}
    tags |= {f"{letter}TRC".encode(): curve for letter in letters}
    for letter, column in zip("rgb", COLUMNS[columns] if columns else (), strict=bool(columns)):
        tags[f"{letter}XYZ".encode()] = _xyz(column)
    place, table, data = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for key, value in tags.items():
        table += key + struct.pack(">II", place + len(data), len(value))
        data += value + b"\0" * (-len(value) % 4)
    kind = b"RGB " if columns else b"GRAY"
    version = 0x04300000 if parametric else 0x02400000
    head = struct.pack(">4sI4s4s4s", b"\0" * 4, version, b"mntr", kind, b"XYZ ")
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    head += struct.pack(">3i", 63190, 65536, 54061)
    body = head.ljust(124, b"\0") + table + data
    return struct.pack(">I", len(body) + 4) + body


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def _curve(count: int, gamma: float) -> bytes:
    if count == 1:
        entries = [round(gamma * 256)]
    else:
        entries = np.rint(srgb_decode(np.linspace(0, 1, count)) * 65535).astype(int).tolist() if count else []
    return b"curv\0\0\0\0" + struct.pack(f">I{count}H", count, *entries)


def _parameters() -> bytes:
    numbers = (round(value * 65536) for value in SRGB_PARAMETERS)
    return b"para\0\0\0\0" + struct.pack(">HH5i", 3, 0, *numbers)


def _text(name: str) -> bytes:
    text = name.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 78


def _unicode(name: str) -> bytes:
    text = name.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(text), 28) + text


SRGB = make_profile("sRGB", "SRGB")
DISPLAY_P3 = make_profile("Display P3", "DISPLAY_P3")
ADOBE = make_profile("Adobe RGB", "ADOBE", count=1, gamma=2.19921875)
