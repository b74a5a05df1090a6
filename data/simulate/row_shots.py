"""One raw shot whose row pairs are exposed in turn: what a sensor makes of light, and its file.

Source: SVEHDRI specification, 2 and 6, step 8. The noise is that of electrons: shot noise of those that the
light frees, read noise before the amplifier, and noise of the converter behind it, which the gain does not
multiply. So rows of a higher gain see the same photons with less noise of the converter, as in cameras with
two ISO speeds at once; rows of a longer time see more photons.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.row_exposure import USUAL_EV, RowExposure, mosaicked
from data.simulate.camera import Camera
from data.simulate.dng import colour_tags, write_dng

KINDS = ("time", "gain")
FULL_WELL = 7500.0  # of a full-frame camera at ISO 800
READ_NOISE = 3.0
CONVERTER_NOISE = 2.0
BLACK, WHITE = 512, 16383  # of 14 bits
DAYLIGHT = Camera(red_gain=2.0, blue_gain=1.6)
TIME, ISO = 1 / 256, 800  # s, and what else files say


class ShotRows(NamedTuple):
    """How the rows of a shot are exposed.

    Attributes:
        kind: what they differ in, one of KINDS. ratio: of the exposures, more than 1.
        cfa: the mosaic's pattern. first_bright_row: 0 to 3; this and the next of every four are the brighter.
    """

    kind: str = KINDS[0]
    ratio: float = 2**USUAL_EV
    cfa: str = "RGGB"
    first_bright_row: int = 2


USUAL_ROWS = ShotRows()


class RowSensor(NamedTuple):
    """A sensor with two exposures.

    Attributes:
        kind: what the two differ in, one of KINDS: "time" of the exposure, or "gain" of the amplifier.
        full_well: electrons at which the short exposure clips, that is, at 1.
        read_noise: standard deviation in electrons, before the amplifier.
        converter_noise: the same of what comes behind it, in stored numbers.
        black, white: levels of stored numbers.
    """

    kind: str = KINDS[0]
    full_well: float = FULL_WELL
    read_noise: float = READ_NOISE
    converter_noise: float = CONVERTER_NOISE
    black: int = BLACK
    white: int = WHITE

    @property
    def span(self) -> int:
        """Stored numbers from black to white."""
        return self.white - self.black

    def variance(self, light: np.ndarray, ratio: float) -> np.ndarray:
        """Variance of values, 1 = white, of rows whose exposure is `ratio` times the short one's.

        Args:
            light: in units of the short exposure's saturation; values up to white follow the law.
        """
        gain = ratio if self.kind == "gain" else 1.0
        shot = ratio * gain * np.asarray(light, np.float64) / self.full_well
        rounding = 1 / 12
        behind = (self.converter_noise**2 + rounding) / self.span**2
        return shot + (gain * self.read_noise / self.full_well) ** 2 + behind

    def codes(
        self, light: np.ndarray, is_long: np.ndarray, ratio: float, rng: np.random.Generator
    ) -> np.ndarray:
        """Stored numbers, uint16 (H, W).

        Args:
            light: the mosaic (H, W) in units of the short exposure's saturation, not negative.
            is_long: (H,) bool, the rows of the longer exposure, or of the higher gain.
            ratio: of the exposures.
        """
        factor = np.where(is_long, ratio, 1.0)[:, None]
        photons, gain = (1.0, factor) if self.kind == "gain" else (factor, 1.0)
        electrons = rng.poisson(light * (photons * self.full_well)).astype(np.float32)
        electrons += np.float32(self.read_noise) * rng.standard_normal(light.shape, np.float32)
        stored = electrons * np.float32(gain * self.span / self.full_well)
        stored += np.float32(self.converter_noise) * rng.standard_normal(light.shape, np.float32)
        return np.clip(np.rint(stored) + self.black, 0, self.white).astype(np.uint16)

    def values(self, codes: np.ndarray) -> np.ndarray:
        """Stored numbers -> values, black = 0, white = 1, float32; those below black are negative."""
        return (codes.astype(np.float32) - self.black) / np.float32(self.span)


def expose_rows(
    radiance: np.ndarray, pattern: RowExposure, sensor: RowSensor, rng: np.random.Generator
) -> np.ndarray:
    """The shot of a scene as values float32 (H, W), black = 0, white = 1, not clipped below.

    Args:
        radiance: camera RGB (H, W, 3) before white balance, in units of the short exposure's saturation.
    """
    light = mosaicked(radiance)
    return sensor.values(sensor.codes(light, pattern.is_long(len(light)), pattern.ratio, rng))


def write_row_shot(
    path: str | Path,
    radiance: np.ndarray,
    *,
    ratio: float,
    kind: str,
    cfa: str = "RGGB",
    first_bright_row: int = 2,
    full_well: float = FULL_WELL,
    read_noise: float = READ_NOISE,
    seed: int | np.random.Generator = 0,
    black: int = BLACK,
    white: int = WHITE,
    camera: Camera = DAYLIGHT,
) -> np.ndarray:
    """Write a shot as a DNG file; returns the stored numbers, uint16 (H, W).

    Args:
        radiance: camera RGB (H, W, 3) before white balance, or a mosaic (H, W), in units of the short
            exposure's saturation.
        ratio, kind, full_well, read_noise, black, white: as of `RowSensor`.
        first_bright_row: 0 to 3; this row and the next of every four are the brighter ones.
        seed: of the noise, or where its random numbers come from.
        camera: whose colours the file tells of.

    Raises:
        UserError: the file cannot be written.
    """
    sensor = RowSensor(kind, full_well, read_noise, black=black, white=white)
    light = radiance if radiance.ndim == 2 else mosaicked(radiance, cfa)
    is_long = (np.arange(len(light)) - first_bright_row) % 4 < 2
    codes = sensor.codes(light, is_long, ratio, np.random.default_rng(seed))
    write_dng(
        path,
        codes,
        black=black,
        white=white,
        cfa=cfa,
        **colour_tags(camera),
        exposure_time=TIME,
        iso=ISO,
    )
    return codes
