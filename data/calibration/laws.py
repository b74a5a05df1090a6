"""Laws of a camera over its gains, from what each ISO tells (ExposureDiffusion specification, 3.2, 3.5)."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.calibration.dark_frames import Dark
from data.calibration.photon_transfer import Transfer
from data.simulate.sensors import ISO_RANGE, Line, Sensor
from util.files import write_atomically
from util.json_record import as_json

LEAST_SCALE = 1e-3  # ADU: what is less counts as this, so that it has a logarithm
MISFIT = 0.05  # relative, from which on the user is told
BLACK_OFF = 2.0  # ADU and standard deviations of read noise, likewise


class Measured(NamedTuple):
    """An ISO and what its flats and darks tell."""

    iso: float
    transfer: Transfer
    dark: Dark


def fit_line(gains: Sequence[float], scales: Sequence[float]) -> Line:
    """The law ln s = slope ln K + bias + sigma N(0, 1).

    Of one gain the slope is taken as 1, noise before amplification; of two sigma is 0.
    """
    x, y = np.log(gains), np.log(np.maximum(scales, LEAST_SCALE))
    if len(x) == 1:
        return Line(1.0, float(y[0] - x[0]), 0.0)
    slope, bias = np.polyfit(x, y, 1)
    rest = y - slope * x - bias
    sigma = np.sqrt((rest**2).sum() / (len(x) - 2)) if len(x) > 2 else 0.0
    return Line(float(slope), float(bias), float(sigma))


def fit_gains(isos: Sequence[float], gains: Sequence[float]) -> tuple[float, float]:
    """Gains at ISO 100 and 6400: of the straight line over ISO that errs least, relative to the gains.

    Of one ISO, and where that line falls below 0 at ISO 100, the line starts at 0.
    """
    iso, gain = np.float64(isos), np.float64(gains)
    if len(iso) > 1:
        low, high = np.polyval(np.polyfit(iso, gain, 1, w=1 / gain), ISO_RANGE)
        if 0 < low <= high:
            return float(low), float(high)
    slope = float((iso / gain).sum() / ((iso / gain) ** 2).sum())
    return slope * ISO_RANGE[0], slope * ISO_RANGE[1]


def sensor_of(name: str, camera: str, measured: Sequence[Measured]) -> Sensor:
    """The camera in the form that training and restoring take."""
    gains = [one.transfer.gain for one in measured]
    low, high = fit_gains([one.iso for one in measured], gains)
    return Sensor(
        name=name,
        models=(camera.upper(),) if camera else (),
        gain_min=low,
        gain_max=high,
        tukey_shape=tuple(one.dark.shape for one in measured),
        colour_bias=tuple(tuple(map(float, one.dark.bias)) for one in measured),
        read_gaussian=fit_line(gains, [one.dark.gaussian for one in measured]),
        read_tukey=fit_line(gains, [one.dark.tukey for one in measured]),
        read_row=fit_line(gains, [one.dark.row for one in measured]),
    )


def write_sensor(path: Path, sensor: Sensor) -> None:
    """Write the JSON that `data.simulate.sensors.read_sensor` reads; UserError where it cannot be written."""
    content = {
        key: value._asdict() if isinstance(value, Line) else value for key, value in vars(sensor).items()
    }
    with write_atomically(path) as temporary:
        temporary.write_text(as_json(content, indent=1))


def misfits(measured: Sequence[Measured], sensor: Sensor) -> list[str]:
    """Lines that say where the model does not fit what was measured."""
    return [line for one in measured for line in _misfits_of(one, sensor)]


def _misfits_of(one: Measured, sensor: Sensor) -> list[str]:
    lines, dark = [], one.dark
    residuals = one.transfer.residuals()
    worst = int(np.abs(residuals).argmax())
    if abs(residuals[worst]) > MISFIT:
        place = f"at {one.transfer.means[worst]:.0f} ADU above black"
        lines.append(f"variance of flats is {residuals[worst]:+.0%} off a straight line {place}")
    line = sensor.gain_of_iso(one.iso) / one.transfer.gain - 1
    if abs(line) > MISFIT:
        lines.append(f"the straight line of gain over ISO is {line:+.0%} off")
    if not 1 / 1.5 < dark.tail() < 1.5:
        lines.append(f"tails of read noise hold {dark.tail():.1f} times what the Tukey law expects")
    if (period := dark.band()) is not None:
        lines.append(f"rows are not independent: a banding of {period:.1f} rows of the mosaic")
    if np.abs(dark.bias).max() > max(BLACK_OFF, dark.gaussian):
        levels = ", ".join(f"{value:+.2f}" for value in dark.bias)
        lines.append(f"black is not the file's: {levels} ADU (planes R, G, G, B)")
    if dark.hot > 1e-3:
        lines.append(f"{dark.hot:.2%} of px are off in every dark frame, and left out")
    return [f"ISO {one.iso:g}: {line}" for line in lines]
