"""Pictures of the fits of a calibration: points that were measured, and curves that were fitted."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.calibration.laws import LEAST_SCALE, Measured
from data.simulate.sensors import Line, Sensor
from util.imaging.images import write_png8
from util.imaging.plot import Series, plot


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
