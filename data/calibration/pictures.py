"""Pictures of the fits of a calibration: points that were measured, and curves that were fitted."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from data.calibration.laws import LEAST_SCALE, Measured
from data.simulate.sensors import Line, Sensor
from util.imaging.images import write_png8

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
    for number, text in enumerate(legend):
        place = (SIZE[1] - MARGIN + 4, MARGIN + 15 * (number + 1))
        _write(picture, text, place, COLOURS[number % len(COLOURS)])
    for one in series:
        colour = COLOURS[one.colour % len(COLOURS)]
        places = np.stack([_places(one[axis], spans[axis], axis) for axis in (0, 1)], axis=1)
        if one.is_line:
            cv2.polylines(picture, [places[:, None]], False, colour, 1, cv2.LINE_AA)
            continue
        for x, y in places.tolist():
            cv2.circle(picture, (x, y), 3, colour, -1, cv2.LINE_AA)
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


def _isos(measured: Sequence[Measured]) -> list[str]:
    return [f"{one.iso:g}" for one in measured]


def write_pictures(stem: Path, measured: Sequence[Measured], sensor: Sensor) -> list[Path]:
    """Write a PNG per fit beside the JSON, `stem`_NAME.png; UserError where one cannot be written."""
    pictures = {
        "photon_transfer": _transfer(measured),
        "read_noise": _histograms(measured),
        "rows": _rows(measured),
        "scales": _scales(measured, sensor),
    }
    files = []
    for name, picture in pictures.items():
        files.append(stem.with_name(f"{stem.name}_{name}.png"))
        write_png8(files[-1], picture)
    return files


def _transfer(measured: Sequence[Measured]) -> np.ndarray:
    series = []
    for number, one in enumerate(measured):
        means, variances, line = one.transfer.means, one.transfer.variances, one.transfer
        x, y, fit = (
            np.log10(np.maximum(v, 1e-3)) for v in (means, variances, line.offset + line.gain * means)
        )
        series += [Series(x, y, False, number), Series(x, fit, True, number)]
    return plot(
        "photon transfer of each ISO", ("lg mean, ADU", "lg variance, ADU^2"), series, _isos(measured)
    )


def _histograms(measured: Sequence[Measured]) -> np.ndarray:
    series = []
    for number, one in enumerate(measured):
        x = one.dark.values / max(one.dark.gaussian, LEAST_SCALE)
        for counts, is_line in ((one.dark.counts, False), (one.dark.fitted(), True)):
            series.append(Series(x, np.log10(np.maximum(counts, 0.1)), is_line, number))
    names = ("standard deviations", "lg count")
    return plot("read noise of each ISO, and Tukey's law", names, series, _isos(measured))


def _rows(measured: Sequence[Measured]) -> np.ndarray:
    rows = [one.dark.rows[0] for one in measured]
    series = [Series(np.arange(len(row)), row, True, number) for number, row in enumerate(rows)]
    return plot("means of rows, a dark of each ISO", ("row of the mosaic", "ADU"), series, _isos(measured))


def _scales(measured: Sequence[Measured], sensor: Sensor) -> np.ndarray:
    gains = np.log([one.transfer.gain for one in measured])
    ends = np.array([gains.min() - 0.2, gains.max() + 0.2])
    series = []
    laws: list[tuple[str, Line]] = [
        ("gaussian", sensor.read_gaussian),
        ("tukey", sensor.read_tukey),
        ("row", sensor.read_row),
    ]
    for number, (name, line) in enumerate(laws):
        scales = np.log([max(getattr(one.dark, name), LEAST_SCALE) for one in measured])
        series += [
            Series(gains, scales, False, number),
            Series(ends, line.slope * ends + line.bias, True, number),
        ]
    names = ("normal", "Tukey", "rows")
    return plot("scales of noise over gain", ("ln K", "ln scale, ADU"), series, names)
