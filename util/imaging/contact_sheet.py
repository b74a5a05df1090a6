"""Pictures side by side, each under its title."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from util.errors import UserError

SHEET_HEIGHT, SHEET_WIDTH = 900, 4900  # px of a contact sheet's pictures, and of a row of them
BACKGROUND = 32
CAPTION_HEIGHT = 36


def contact_sheet(
    pictures: Sequence[np.ndarray], titles: Sequence[str], columns: int | None = None
) -> np.ndarray:
    """Pictures uint16 RGB side by side, titles (ASCII) in bars above them -> uint8 RGB.

    Each is at most 900 px high; smaller ones are enlarged to the size of the largest. Where they would be
    wider than 4900 px together, they stand in rows of about equal length, or always of `columns` pictures.

    Raises:
        UserError: their shapes differ by more than a pixel.
    """
    height, width = max(picture.shape[:2] for picture in pictures)
    scale = min(1.0, SHEET_HEIGHT / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if columns is None:
        columns = math.ceil(len(pictures) / math.ceil(len(pictures) / max(1, SHEET_WIDTH // size[0])))
    rows = math.ceil(len(pictures) / columns)
    sheet = np.full((rows * (CAPTION_HEIGHT + size[1]), columns * size[0], 3), BACKGROUND, np.uint8)
    for index, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        if abs(picture.shape[0] * width - picture.shape[1] * height) >= max(height, width):
            found = f"{picture.shape[1]}x{picture.shape[0]}"
            raise UserError(f"a picture of {found} does not fit beside one of {width}x{height}")
        shrinks = size[1] < picture.shape[0]
        shown = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST)
        top, left = index // columns * (CAPTION_HEIGHT + size[1]), index % columns * size[0]
        column = sheet[top : top + CAPTION_HEIGHT + size[1], left : left + size[0]]
        column[:CAPTION_HEIGHT], column[CAPTION_HEIGHT:] = _caption(title, size[0]), shown // 257
    return sheet


def reduced(picture: np.ndarray) -> np.ndarray:
    """A picture as contact sheets show it: not higher than SHEET_HEIGHT, of the same type."""
    height, width = picture.shape[:2]
    if height <= SHEET_HEIGHT:
        return picture
    size = (max(1, round(width * SHEET_HEIGHT / height)), SHEET_HEIGHT)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _caption(title: str, width: int) -> np.ndarray:
    """A dark bar (CAPTION_HEIGHT, width, 3) with a light text, made smaller where it would not fit."""
    bar = np.full((CAPTION_HEIGHT, width, 3), BACKGROUND, np.uint8)
    (text_width, _), _ = cv2.getTextSize(title, cv2.FONT_HERSHEY_SIMPLEX, 0.7, 1)
    scale = 0.7 * min(1.0, (width - 12) / max(text_width, 1))
    place = (6, CAPTION_HEIGHT - 12)
    cv2.putText(bar, title, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (230, 230, 230), 1, cv2.LINE_AA)
    return bar
