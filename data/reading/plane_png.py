"""16-bit PNG files of bursts, whose channels are planes in OpenCV's order (DeepRep specification, section 6).

Plane 0 is what OpenCV has first. Other readers find colours reversed, and raw planes as G2, G1, R, B.
"""

from pathlib import Path

import cv2
import numpy as np

from util.errors import UserError
from util.files import regular, write_atomically
from util.imaging.images import decoded


def read_planes(path: Path, planes: int) -> np.ndarray:
    """The planes (planes, H, W) of a PNG, uint16: 4 are R, G1, G2, B, and 3 are R, G, B.

    Raises:
        UserError: there is no such file, it is damaged, or of other planes or bits.
    """
    try:
        content = regular(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    values = decoded(path, content, cv2.IMREAD_UNCHANGED)
    if values.dtype != np.uint16 or values.ndim != 3 or values.shape[2] != planes:
        channels = values.shape[2] if values.ndim == 3 else 1
        raise UserError(
            f"{path}: expected {planes} channels of uint16, found {channels} of {values.dtype}: "
            "save it as the published files are"
        )
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def write_planes(path: Path, planes: np.ndarray) -> None:
    """Write planes (3 or 4, H, W) of uint16 so that `read_planes` reads them; UserError where that fails."""
    _, encoded = cv2.imencode(".png", np.ascontiguousarray(planes.transpose(1, 2, 0)))
    with write_atomically(path) as temporary:
        encoded.tofile(temporary)
