"""Picture files: PNG, TIFF, and radiance as OpenEXR or Radiance HDR. Arrays are RGB (H, W, 3)."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import tifffile

from util.errors import UserError
from util.files import write_atomically
from util.imaging import radiance_hdr

TIFF_DAMAGE = (  # what tifffile raises where tags or data are damaged
    *(ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError),
    *(struct.error, zlib.error, tifffile.TiffFileError),  # the last is an error of its own before 2024
)


def write_png16(path: str | Path, rgb: np.ndarray) -> None:
    """Write uint16 RGB (H, W, 3) as a 16-bit PNG; UserError where the file cannot be written."""
    _write_png(path, rgb, np.uint16)


def write_png8(path: str | Path, rgb: np.ndarray) -> None:
    """Write uint8 RGB (H, W, 3) as an 8-bit PNG; UserError where the file cannot be written."""
    _write_png(path, rgb, np.uint8)


def _write_png(path: str | Path, rgb: np.ndarray, dtype: type) -> None:
    if rgb.dtype != dtype:
        raise TypeError(f"{path}: the picture must be {np.dtype(dtype)}, not {rgb.dtype}")
    if Path(path).suffix.lower() != ".png":
        raise UserError(f"{path}: the name of a PNG file must end in .png")
    _, encoded = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    with write_atomically(path) as temporary:
        encoded.tofile(temporary)


def write_tiff16(path: str | Path, rgb: np.ndarray) -> None:
    """Write uint16 RGB (H, W, 3) as an uncompressed TIFF; UserError where the file cannot be written."""
    if rgb.dtype != np.uint16:
        raise TypeError(f"{path}: the picture must be uint16, not {rgb.dtype}")
    with write_atomically(path) as temporary:
        tifffile.imwrite(temporary, rgb, photometric="rgb", metadata=None, software=False)


def read_picture(path: str | Path, upright: bool = False) -> np.ndarray:
    """RGB (H, W, 3) of a PNG, JPEG or TIFF file in its own type, uint8 or uint16.

    Grey becomes RGB, opacity is dropped. With `upright` it is turned as its EXIF orientation says.

    Raises:
        UserError: the file is missing or damaged, or of another type; or a TIFF of 16 bits whose channels
            are stored one after another, of which OpenCV would give the first.
    """
    try:
        encoded = np.fromfile(path, np.uint8)
    except OSError as error:
        raise UserError(f"cannot read picture {path}: {error.strerror or error}") from error
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION)
    try:
        picture = cv2.imdecode(encoded, flags) if encoded.size else None
    except cv2.error as error:  # more px than OpenCV reads
        raise UserError(f"{path} is damaged, or too large for OpenCV") from error
    if picture is None:
        raise UserError(f"{path} is damaged or is not a picture")
    if picture.dtype not in (np.uint8, np.uint16):
        raise UserError(f"{path}: pictures have 8 or 16 bits, not {picture.dtype}")
    if picture.dtype == np.uint16 and _has_separate_planes(path):
        raise UserError(f"{path}: its planes of 16 bits are stored apart, save it with interleaved channels")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _has_separate_planes(path: str | Path) -> bool:
    """Whether a picture that OpenCV can read is a TIFF whose channels are stored one after another."""
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            return page.samplesperpixel > 1 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
    except TIFF_DAMAGE:  # another kind of file
        return False


def read_tiff(path: str | Path) -> np.ndarray:
    """RGB (H, W, 3) of the first picture of a TIFF file, as stored: uint8, uint16 or float32.

    Grey becomes RGB, opacity is dropped, planes that are stored one after another are interleaved.
    Those that tifffile cannot decompress alone are read by OpenCV, where that gives what is stored.

    Raises:
        UserError: the file is missing or damaged, or holds another kind of picture.
    """
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            if _needs_opencv(path, page):
                return read_picture(path)
            pixels, axes = page.asarray(), page.axes
            if pixels.ndim != len(axes):
                raise ValueError("it holds no pixels")
    except OSError as error:
        raise UserError(f"cannot read picture {path}: {error.strerror or error}") from error
    except TIFF_DAMAGE as error:
        raise UserError(f"{path} is damaged or is not a TIFF picture: {error}") from error
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        raise UserError(f"{path}: a picture of uint8, uint16 or float32 is needed, it holds {pixels.dtype}")
    if axes == "YX":
        return np.repeat(pixels[..., None], 3, axis=2)
    pixels = np.moveaxis(pixels, axes.find("S"), -1) if sorted(axes) == ["S", "X", "Y"] else pixels
    if pixels.ndim != 3 or pixels.shape[-1] < 3:
        raise UserError(f"{path}: an RGB picture is needed, it holds axes {axes} of {pixels.shape}")
    return np.ascontiguousarray(pixels[..., :3])


def _needs_opencv(path: str | Path, page: tifffile.TiffPage) -> bool:
    """Whether tifffile lacks what decompresses a TIFF, and OpenCV can read it exactly as it is stored.

    Raises:
        UserError: it holds neither RGB nor grey, or its compression needs a further package.
    """
    if page.photometric not in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.MINISBLACK):
        kind = getattr(page.photometric, "name", page.photometric)
        raise UserError(f"{path}: RGB, or grey where 0 is black, is needed, it holds {kind}: convert it")
    try:
        tifffile.TIFF.DECOMPRESSORS[page.compression]
    except KeyError as error:
        if page.compression == tifffile.COMPRESSION.LZW and _is_plain(page):
            return True
        kind = getattr(page.compression, "name", page.compression)
        raise UserError(f"{path} is compressed by {kind}: pip install imagecodecs") from error
    return False


def _is_plain(page: tifffile.TiffPage) -> bool:
    """Whether a TIFF holds whole bytes of grey or RGB alone, not turned: what OpenCV gives unchanged."""
    is_upright = page.tags.valueof("Orientation", 1) == 1
    is_whole = (page.dtype, page.bitspersample) in ((np.uint8, 8), (np.uint16, 16))
    return is_upright and is_whole and page.samplesperpixel in (1, 3)


def read_radiance(path: str | Path) -> np.ndarray:
    """Linear RGB float32 (H, W, 3) of an `.exr`, `.hdr` or `.tif` file, found by its suffix.

    EXR, HDR and float TIFF in their own units; a 16-bit TIFF is taken as linear, 65535 -> 1.

    Raises:
        UserError: another suffix; the file is missing or damaged; a TIFF has 8 bits.
    """
    readers: dict[str, Callable] = {".exr": read_exr, ".hdr": read_hdr, ".tif": read_tiff, ".tiff": read_tiff}
    suffix = Path(path).suffix.lower()
    if suffix not in readers:
        known = ", ".join(readers)
        raise UserError(f"{path}: linear light is read from {known}, not {suffix or 'a file without suffix'}")
    picture = readers[suffix](path)
    if picture.dtype == np.uint8:
        raise UserError(f"{path}: 8 bits are too few for linear light; 16 bits or float32 are needed")
    return picture if picture.dtype == np.float32 else picture.astype(np.float32) / 65535


def write_radiance(path: str | Path, rgb: np.ndarray) -> None:
    """Write linear RGB float32 (H, W, 3) by suffix.

    `.exr` keeps every bit; `.hdr` errs by up to 0.4 % of a pixel's largest channel and makes negatives 0.

    Raises:
        UserError: another suffix, a file that cannot be written, or values for `.hdr` that are not finite.
    """
    writers: dict[str, Callable] = {".exr": _write_exr, ".hdr": _write_hdr}
    suffix = Path(path).suffix.lower()
    if suffix not in writers:
        raise UserError(
            f"{path}: radiance is written as .exr or .hdr, not as {suffix or 'a file without suffix'}"
        )
    if suffix == ".hdr" and not np.isfinite(rgb).all():
        raise UserError(f"{path}: the picture holds values that are not finite, which only .exr can store")
    with write_atomically(path) as temporary:
        writers[suffix](temporary, rgb)


def _write_exr(path: Path, rgb: np.ndarray) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    try:
        with OpenEXR.File(header, {"RGB": np.ascontiguousarray(rgb, np.float32)}) as file:
            file.write(str(path))
    except RuntimeError as error:  # the library's own kind, for a full disk too
        raise OSError(str(error)) from error


def read_exr(path: str | Path) -> np.ndarray:
    """Linear RGB float32 (H, W, 3) of the channels R, G and B of an OpenEXR file.

    Raises:
        UserError: the file is missing or damaged, or has other channels.
    """
    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels = {name: channel.pixels for name, channel in file.channels().items()}
    except (RuntimeError, ValueError) as error:
        problem = "is damaged or is not an OpenEXR picture" if Path(path).is_file() else "does not exist"
        raise UserError(f"{path} {problem}") from error
    if not {"R", "G", "B"} <= channels.keys():
        raise UserError(f"{path}: channels R, G, B are needed, the file has {', '.join(sorted(channels))}")
    return np.stack([channels[name] for name in "RGB"], axis=-1).astype(np.float32)


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
        rgbe, exposure = radiance_hdr.decode(content)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    scale = np.ldexp(np.float32(1), rgbe[..., 3:].astype(np.int32) - 136)
    return rgbe[..., :3] * scale / np.float32(exposure)


def _write_hdr(path: Path, rgb: np.ndarray) -> None:
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
