"""OpenEXR pictures. Arrays are linear sRGB float32 (H, W, 3).

What a file tells: "Technical Introduction to OpenEXR" and "OpenEXR File Layout" (openexr.com).
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import OpenEXR

from util.errors import UserError
from util.files import regular
from util.imaging.primaries import SRGB, converted, to_srgb
from util.library_lines import lines_of_libraries

DEEP = (OpenEXR.deepscanline, OpenEXR.deeptile)
MOST_PIXELS = 2**26  # of a picture that a file does not bear out; more is taken for damage
MOST_PER_BYTE, MOST_AROUND = 4096, 16  # px for each byte of a file, and for each px of the data window


class _Layer(NamedTuple):
    """A picture in a file: its part's name and header, its own name, its channels by R, G, B, Y, A, ..."""

    part: str
    name: str
    header: Mapping[str, Any]
    channels: Mapping[str, OpenEXR.Channel]


def read_exr(path: str | Path, as_stored: bool = False) -> np.ndarray:
    """Linear sRGB float32 (H, W, 3) of an OpenEXR file, as large as its display window.

    What lies in that window but not in the data window is black. Read are the channels R, G, B without a
    layer's name, in whichever part, or else those of the only layer that has them, or luminance Y as grey.
    Colours are premultiplied by opacity A: they are divided by it where it is between 0 and 1. Colours of
    other `chromaticities` are converted, their white to white; with `as_stored` they are not.

    Raises:
        UserError: the file is missing or damaged; it holds several such pictures or none, luminance and
            chroma, channels of fewer px, deep data or whole numbers; its chromaticities are no colour space.
    """
    with lines_of_libraries(path):
        try:
            layers = _layers(str(regular(path)))
        except (RuntimeError, ValueError) as error:
            problem = "is damaged or is not an OpenEXR picture" if Path(path).exists() else "does not exist"
            raise UserError(f"{path} {problem}") from error
    try:
        layer = _chosen(layers)
        light = _placed(_light(layer), layer.header)
        if as_stored or "R" not in layer.channels:
            return light
        return converted(light, to_srgb(_chromaticities(layer.header) or SRGB))
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def stated_chromaticities(path: str | Path) -> tuple[float, ...] | None:
    """What the first part of an OpenEXR file says of its primaries and white; None where it is silent.

    None too of a damaged file: whoever reads it says so.
    """
    try:
        with (
            lines_of_libraries(path),
            OpenEXR.File(str(regular(path)), separate_channels=True, header_only=True) as file,
        ):
            return _chromaticities(file.header())
    except (RuntimeError, ValueError):
        return None


def _chromaticities(header: Mapping[str, Any]) -> tuple[float, ...] | None:
    """What a header says of primaries and white, or None; ValueError where it is of another type."""
    stated = header.get("chromaticities")
    if not isinstance(stated, tuple | None):
        raise ValueError("is damaged: its chromaticities are not eight numbers")
    return stated


def write_exr(path: Path, rgb: np.ndarray) -> None:
    """Write linear sRGB float32 (H, W, 3), every bit kept; OSError where the file cannot be written."""
    header = {
        "compression": OpenEXR.ZIP_COMPRESSION,
        "type": OpenEXR.scanlineimage,
        "chromaticities": SRGB,
    }
    try:
        with OpenEXR.File(header, {"RGB": np.ascontiguousarray(rgb, np.float32)}) as file:
            file.write(str(path))
    except RuntimeError as error:  # the library's own kind, for a full disk too
        raise OSError(str(error)) from error


def _layers(path: str) -> list[_Layer]:
    """The layers of all parts: channels that share what stands before the last dot of their names.

    ValueError where a part is damaged: the library leaves it out, says so on stdout, and goes on.
    """
    with OpenEXR.File(path, separate_channels=True, header_only=True) as headers:
        stated = len(headers.parts)
        for part in headers.parts:
            _check_claim(part.header["dataWindow"], MOST_PER_BYTE * Path(path).stat().st_size)
    with redirect_stdout(io.StringIO()), OpenEXR.File(path, separate_channels=True) as file:
        if len(file.parts) < stated:
            raise ValueError("a part could not be decoded")
        return [layer for part in file.parts for layer in _layers_of(part)]


def _check_claim(window: Any, borne_out: int) -> None:
    """ValueError where a window has no px, or more than MOST_PIXELS and than are `borne_out`."""
    (left, top), (right, bottom) = (np.int64(corner) for corner in window)
    width, height = right - left + 1, bottom - top + 1
    if min(width, height) < 1 or width * height > max(MOST_PIXELS, borne_out):
        raise ValueError(f"it is damaged: it claims {width} x {height} px")


def _layers_of(part: OpenEXR.Part) -> Iterator[_Layer]:
    header = dict(part.header)  # the library empties it when it closes the file
    layers: dict[str, dict[str, OpenEXR.Channel]] = {}
    for name in sorted(part.channels, reverse=True):  # capitals come last: they win over small letters
        layer, _, colour = name.rpartition(".")
        layers.setdefault(layer, {})[colour.upper()] = part.channels[name]
    for layer, channels in layers.items():
        yield _Layer(header.get("name", ""), layer, header, channels)


def _chosen(layers: Sequence[_Layer]) -> _Layer:
    """The one picture; ValueError where it is not known, or no light."""
    coloured = [layer for layer in layers if {"R", "G", "B"} <= layer.channels.keys()]
    unnamed = [layer for layer in coloured if not layer.name]
    found = unnamed or coloured or [layer for layer in layers if not layer.name and _is_luminance(layer)]
    if not found:
        names = sorted(channel.name for layer in layers for channel in layer.channels.values())
        raise ValueError(f"channels R, G, B are needed, or Y alone; the file has {', '.join(names)}")
    if len(found) > 1:
        names = ", ".join(".".join(filter(None, (layer.part, layer.name))) for layer in found)
        raise ValueError(f"holds {len(found)} pictures ({names}): keep one of them in the file")
    if found[0].header["type"] in DEEP:
        raise ValueError("holds deep data: flatten it")
    return found[0]


def _is_luminance(layer: _Layer) -> bool:
    return "Y" in layer.channels and "X" not in layer.channels  # those are places


def _light(layer: _Layer) -> np.ndarray:
    """RGB float32 (h, w, 3) of the data window, where there is opacity divided by it."""
    names = "RGB" if "R" in layer.channels else "YYY"
    if names == "YYY" and layer.channels.keys() & {"RY", "BY"}:
        raise ValueError("holds luminance and chroma (Y, RY, BY): convert it to RGB")
    channels = [layer.channels[name] for name in (*names, *("A" if "A" in layer.channels else ""))]
    for channel in channels:
        if (channel.xSampling, channel.ySampling) != (1, 1):
            raise ValueError(f"holds channel {channel.name} for a part of the px only: save it at full size")
        if channel.pixels.dtype.kind != "f":
            raise ValueError(f"holds whole numbers in channel {channel.name}: light is float16 or float32")
    light = np.stack([channel.pixels for channel in channels[:3]], axis=-1).astype(np.float32)
    if len(channels) == 4:
        opacity = channels[3].pixels.astype(np.float32)
        partly = (opacity > 0) & (opacity < 1)
        light[partly] /= opacity[partly, None]
    return light


def _placed(light: np.ndarray, header: Mapping[str, Any]) -> np.ndarray:
    """The picture of the display window, black where the data window of `light` does not reach."""
    (left, top), (right, bottom) = (np.int64(corner) for corner in header["displayWindow"])
    x, y = np.int64(header["dataWindow"][0]) - (left, top)
    width, height = right - left + 1, bottom - top + 1
    if (x, y) == (0, 0) and light.shape[:2] == (height, width):
        return light
    _check_claim(header["displayWindow"], MOST_AROUND * light.shape[0] * light.shape[1])
    rows, columns = slice(max(y, 0), y + light.shape[0]), slice(max(x, 0), x + light.shape[1])
    seen = light[max(-y, 0) :, max(-x, 0) :][: max(height - rows.start, 0), : max(width - columns.start, 0)]
    if seen.size == 0:
        raise ValueError("shows nothing: its data window lies outside its display window")
    placed = np.zeros((height, width, 3), np.float32)
    placed[rows, columns] = seen
    return placed
