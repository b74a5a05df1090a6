"""What restoring a single dark raw frame asks for: its gain, and how much brighter it is to be."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.reading.exif import numbers, read_shot, read_tags
from data.reading.frame_noise import measured_gain
from data.reading.raw import RawImage, normalise
from data.simulate.sensors import Sensor, sensor_of
from util.errors import UserError

BRIGHT = 0.99  # share of the frame that is darker than its bright parts
BRIGHTNESS = 0.8  # of these parts, after amplification
LARGEST_RATIO = 300.0  # that networks learn from
CELL = 8  # px whose mean is looked at, so that noise is not taken for light


class Light(NamedTuple):
    """Of one frame: values per photoelectron, and the factor of its amplification."""

    gain: float
    ratio: float


def light_of(path: Path, image: RawImage, ratio: float | None = None, sensor: Sensor | None = None) -> Light:
    """Gain and ratio of a raw file, of which `image` is read.

    The gain is that of its DNG tag NoiseProfile, else that of a calibrated camera, `sensor` or one that is
    known by the name in the file, else measured in the frame. The ratio is the one that is given, or brings
    the brightest hundredth of the frame to 0.8 or above; never below 1.

    Raises:
        UserError: the gain cannot be known, or the frame is black.
    """
    planes = normalise(image.planes, image.black, image.white).transpose(2, 0, 1)
    gain = None if sensor else profile_gain(path)
    gain = gain or _calibrated(path, image, sensor) or measured_gain(planes)
    if gain is None:
        reason = "it has no tag NoiseProfile, and its noise does not tell"
        raise UserError(f"{path}: values per photoelectron are not known: {reason}; give --camera FILE")
    return Light(gain, ratio or chosen_ratio(path, planes))


def profile_gain(path: Path) -> float | None:
    """The first number of the green planes' pair in a DNG's NoiseProfile: variance over value, 1 = white."""
    tags = read_tags(path)
    if not {"DNGVersion", "NoiseProfile"} <= tags.keys():
        return None
    slopes = numbers(tags, "NoiseProfile")[::2]
    slope = float(slopes[min(1, len(slopes) - 1)])
    return slope if slope > 0 else None


def _calibrated(path: Path, image: RawImage, sensor: Sensor | None) -> float | None:
    sensor, iso = sensor or sensor_of(image.camera), read_shot(path, is_raw=True).iso
    if sensor is None or iso is None:
        return None
    return sensor.gain_of_iso(iso) / float(image.white - image.black.mean())


def chosen_ratio(path: Path, planes: np.ndarray) -> float:
    """How many times brighter planes (4, h, w) are to be; 1 where they are bright already."""
    height, width = (max(side // CELL, 1) * CELL for side in planes.shape[1:])
    cells = planes[:, :height, :width].reshape(len(planes), -1, min(CELL, height), width)
    means = cells.reshape(len(planes), cells.shape[1], cells.shape[2], -1, min(CELL, width)).mean(axis=(2, 4))
    bright = float(np.quantile(means.max(axis=0), BRIGHT))
    if bright <= 0:
        raise UserError(f"{path} is black: there is nothing to amplify")
    return float(np.clip(BRIGHTNESS / bright, 1, LARGEST_RATIO))
