"""Packing of Bayer mosaics: four half-size planes R, G (on the R row), G (on the B row), B."""

import numpy as np

PLANES = {  # (row, column) of R, G on the R row, G on the B row, B inside the 2x2 cell
    "RGGB": ((0, 0), (0, 1), (1, 0), (1, 1)),
    "GRBG": ((0, 1), (0, 0), (1, 1), (1, 0)),
    "GBRG": ((1, 0), (1, 1), (0, 0), (0, 1)),
    "BGGR": ((1, 1), (1, 0), (0, 1), (0, 0)),
}


def pack(mosaic: np.ndarray, pattern: str = "RGGB") -> np.ndarray:
    """Mosaic (..., H, W) with even H and W -> planes by colour (..., 4, H/2, W/2)."""
    return np.stack([mosaic[..., row::2, column::2] for row, column in PLANES[pattern]], axis=-3)


def unpack(planes: np.ndarray, pattern: str = "RGGB") -> np.ndarray:
    """Planes (..., 4, h, w) -> mosaic (..., 2h, 2w); the inverse of `pack`."""
    *lead, _, height, width = planes.shape
    mosaic = np.empty((*lead, 2 * height, 2 * width), planes.dtype)
    for index, (row, column) in enumerate(PLANES[pattern]):
        mosaic[..., row::2, column::2] = planes[..., index, :, :]
    return mosaic
