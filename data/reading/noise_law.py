"""The noise of a raw frame: its variance as a straight line over the value, of each plane."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.reading.exif import numbers, read_shot, read_tags
from data.reading.frame_noise import measured_law
from data.reading.raw import RawImage, normalise
from data.simulate.sensors import Sensor, sensor_of
from util.errors import UserError

COLOURS = (0, 1, 1, 2)  # of planes R, G, G, B
LEAST = 1e-10  # variance: a value is never known exactly


class NoiseLaw(NamedTuple):
    """Variance slope * value + offset of values with 0 = black and 1 = white, (4,) each."""

    slope: np.ndarray
    offset: np.ndarray

    def deviation(self, planes: np.ndarray) -> np.ndarray:
        """Standard deviation of the noise of measured planes (4, h, w), which are taken for the light."""
        slope, offset = (part[:, None, None].astype(np.float32) for part in self)
        return np.sqrt(np.maximum(slope * np.maximum(planes, 0) + offset, LEAST))


def noise_law(path: Path, image: RawImage, sensor: Sensor | None = None) -> NoiseLaw:
    """The law of a raw file, of which `image` is read.

    That of a calibrated `sensor`, else of the DNG tag NoiseProfile, else of a camera that is known by the
    name in the file, else as measured in the frame.

    Raises:
        UserError: `sensor` is given, but the file does not tell its ISO speed.
    """
    iso, profile = read_shot(path, is_raw=True).iso, _profile(path)
    if sensor and iso is None:
        raise UserError(f"{path} does not tell its ISO speed, by which --camera knows its noise")
    if profile and not sensor:
        return profile
    known = sensor or sensor_of(image.camera)
    if known and iso is not None:
        return _calibrated(known, iso, float(image.white - image.black.mean()))
    law = measured_law(normalise(image.planes, image.black, image.white).transpose(2, 0, 1))
    return NoiseLaw(*(np.full(4, value) for value in law))


def _profile(path: Path) -> NoiseLaw | None:
    """NoiseProfile of a DNG: a pair for all planes, or one each for red, green and blue."""
    tags = read_tags(path)
    if not {"DNGVersion", "NoiseProfile"} <= tags.keys():
        return None
    pairs = numbers(tags, "NoiseProfile")
    if len(pairs) < 2:
        return None
    pairs = np.resize(pairs, (3, 2)) if len(pairs) < 6 else pairs[:6].reshape(3, 2)
    pairs = np.maximum(pairs, 0)
    return NoiseLaw(*pairs[list(COLOURS)].T) if pairs.any() else None


def _calibrated(sensor: Sensor, iso: float, levels: float) -> NoiseLaw:
    """The law of a camera whose white is `levels` above black."""
    gain, law = sensor.gain_of_iso(iso), sensor.read_gaussian
    read = np.exp(law.slope * np.log(gain) + law.bias)
    return NoiseLaw(np.full(4, gain / levels), np.full(4, (read / levels) ** 2))
