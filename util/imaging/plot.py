"""Plots of values over values, drawn with OpenCV."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

SIZE, MARGIN = (480, 640), 60  # px of a picture (height, width), and of its border
INK, GREY = (30, 30, 30), (200, 200, 200)
COLOURS = ((190, 40, 40), (40, 120, 40), (40, 60, 190), (170, 110, 0), (110, 40, 140), (0, 130, 140))


class Series(NamedTuple):
    """Values over values, drawn as points, or as a line, in one of COLOURS."""

    x: np.ndarray
    y: np.ndarray
    is_line: bool
    colour: int = 0


def plot(
    title: str, axes: tuple[str, str], series: Sequence[Series], legend: Sequence[str] = ()
) -> np.ndarray:
    """A picture (H, W, 3) uint8 of series whose axes have these names; a `legend` names colours in turn."""
    picture = np.full((*SIZE, 3), 255, np.uint8)
    spans = []
    for place in (0, 1):
        values = np.concatenate([one[place] for one in series])
        low, high = float(values.min()), float(values.max())
        spans.append((low, high if high > low else low + 1))
    _frame(picture, title, axes, spans)
    for one in series:
        colour = COLOURS[one.colour % len(COLOURS)]
        places = np.stack([_places(one[axis], spans[axis], axis) for axis in (0, 1)], axis=1)
        if one.is_line:
            cv2.polylines(picture, [places[:, None]], False, colour, 1, cv2.LINE_AA)
            continue
        for x, y in places.tolist():
            cv2.circle(picture, (x, y), 3, colour, -1, cv2.LINE_AA)
    for number, text in enumerate(legend):
        place = (MARGIN + 8, MARGIN + 15 * (number + 1))
        _write(picture, text, place, COLOURS[number % len(COLOURS)])
    return picture


def _places(values: np.ndarray, span: tuple[float, float], axis: int) -> np.ndarray:
    """Values -> px along an axis, 0 across, 1 up."""
    share = (np.asarray(values, np.float64) - span[0]) / (span[1] - span[0])
    room = SIZE[1 - axis] - 2 * MARGIN
    return np.int32(np.rint(MARGIN + room * (share if axis == 0 else 1 - share)))


def _frame(picture: np.ndarray, title: str, axes: tuple[str, str], spans: list[tuple[float, float]]) -> None:
    bottom, right = SIZE[0] - MARGIN, SIZE[1] - MARGIN
    cv2.rectangle(picture, (MARGIN, MARGIN), (right, bottom), GREY, 1)
    texts = [(title, (MARGIN, 25)), (axes[1], (MARGIN, 48)), (axes[0], (right - 200, SIZE[0] - 12))]
    for share in (0.0, 0.5, 1.0):
        x, y = (low + share * (high - low) for low, high in spans)
        texts += [(f"{x:.3g}", (int(MARGIN + share * (right - MARGIN)) - 15, bottom + 20))]
        texts += [(f"{y:.3g}", (4, int(bottom - share * (bottom - MARGIN)) + 5))]
    for text, place in texts:
        _write(picture, text, place, INK)


def _write(picture: np.ndarray, text: str, place: tuple[int, int], colour: tuple[int, int, int]) -> None:
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
