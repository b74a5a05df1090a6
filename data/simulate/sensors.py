"""Calibrated cameras: gain by ISO, and the laws of read noise, row noise and colour bias. Needs no PyTorch.

ExposureDiffusion specification, 3.2 to 3.5; calibrations of ELD (Wei et al., CVPR 2020) lie beside as JSON.
"""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from util.errors import UserError

FOLDER = Path(__file__).parent / "calibrations"
SENSORS = ("CanonEOS5D4", "CanonEOS70D", "CanonEOS700D", "NikonD850", "SonyA7S2")  # --include counts them
ISO_RANGE = (100.0, 6400.0)  # of which the lowest and the highest gain are
LINES = ("read_gaussian", "read_tukey", "read_row")


class Line(NamedTuple):
    """The law of a standard deviation s in ADU: ln s = slope ln K + bias + sigma N(0, 1), K = gain."""

    slope: float
    bias: float
    sigma: float


@dataclass(frozen=True)
class Sensor:
    """A camera.

    Attributes:
        models: what its files call it, in capitals.
        gain_min, gain_max: ADU per photoelectron at ISO 100 and at ISO 6400.
        tukey_shape: Tukey lambdas of read noise that were found. colour_bias: with each of these, what is
            added to planes R, G, G, B, in ADU.
        read_gaussian, read_tukey, read_row: laws of the scale of read noise, normal and by Tukey's lambda,
            and of row noise.
    """

    name: str
    models: tuple[str, ...]
    gain_min: float
    gain_max: float
    tukey_shape: tuple[float, ...]
    colour_bias: tuple[tuple[float, ...], ...]
    read_gaussian: Line
    read_tukey: Line
    read_row: Line

    def gain_of_iso(self, iso: float) -> float:
        """ADU per photoelectron: a straight line through both gains, also beyond them (3.5)."""
        low, high = ISO_RANGE
        return self.gain_min + (iso - low) / (high - low) * (self.gain_max - self.gain_min)


def read_sensor(path: Path) -> Sensor:
    """The camera in a JSON file, one of ours or of `python -m data.calibrate`.

    Raises:
        UserError: it cannot be read, lacks a field, or has a value that cannot be.
    """
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise UserError(f"{path}: no calibration of a camera ({error.strerror})") from None
    except ValueError:
        raise UserError(f"{path}: not JSON, so no calibration of a camera") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: a calibration of a camera is a JSON object")
    names = list(Sensor.__dataclass_fields__)
    for name in names:
        if name not in content and name != "models":
            raise UserError(f"{path}: the calibration lacks {name}; it has {', '.join(content)}")
    try:
        return _sensor(content)
    except (TypeError, ValueError, KeyError) as error:
        raise UserError(f"{path}: the calibration holds a value that cannot be: {error}") from None


def _sensor(content: dict[str, Any]) -> Sensor:
    lines = {name: _line(name, content[name]) for name in LINES}
    shapes = tuple(_number(shape) for shape in content["tukey_shape"])
    biases = tuple(tuple(_number(value) for value in row) for row in content["colour_bias"])
    if not shapes or len(biases) != len(shapes) or {len(row) for row in biases} != {4}:
        raise ValueError("each tukey_shape has a colour_bias of 4 planes")
    low, high = _number(content["gain_min"]), _number(content["gain_max"])
    if not 0 < low <= high:
        raise ValueError(f"gains {low:g} to {high:g}")
    models = tuple(str(model).upper() for model in content.get("models", ()))
    return Sensor(str(content["name"]), models, low, high, shapes, biases, **lines)


def _line(name: str, content: Any) -> Line:
    if not isinstance(content, dict) or set(content) != set(Line._fields):
        raise ValueError(f"{name} has {', '.join(Line._fields)}")
    line = Line(**{key: _number(value) for key, value in content.items()})
    if line.sigma < 0:
        raise ValueError(f"sigma {line.sigma:g} of {name}")
    return line


def _number(value: Any) -> float:
    if not math.isfinite(float(value)):
        raise ValueError(f"{value} is no number")
    return float(value)


@cache
def named_sensor(name: str) -> Sensor:
    """One of SENSORS.

    Raises:
        UserError: there is no such camera.
    """
    if name not in SENSORS:
        raise UserError(f"unknown camera '{name}'; known: {', '.join(SENSORS)}")
    return read_sensor(FOLDER / f"{name}.json")


def sensor_of(camera: str) -> Sensor | None:
    """The calibrated camera whose name, maker and model, a raw file tells; None if there is none."""
    words = camera.upper()
    found = (named_sensor(name) for name in SENSORS)
    return next((sensor for sensor in found if any(words.endswith(m) for m in sensor.models)), None)
