"""OpenEXR pictures. Arrays are linear RGB float32 (H, W, 3)."""

from pathlib import Path

import numpy as np
import OpenEXR

from util.errors import UserError


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


def write_exr(path: Path, rgb: np.ndarray) -> None:
    """Write linear RGB float32 (H, W, 3), every bit kept; OSError where the file cannot be written."""
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    try:
        with OpenEXR.File(header, {"RGB": np.ascontiguousarray(rgb, np.float32)}) as file:
            file.write(str(path))
    except RuntimeError as error:  # the library's own kind, for a full disk too
        raise OSError(str(error)) from error
