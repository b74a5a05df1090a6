"""Noise of a raw frame in low light by calibrated laws, on the CPU (ExposureDiffusion specification, 3).

A clean image in [0, 1] is as bright as the long exposure; ADU are counted at the short one. Planes are R, G,
G, B, of which two lie in each row of the mosaic: 0 and 1, 2 and 3.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from data.simulate.random_numbers import Drawn
from data.simulate.sensors import Line, Sensor
from util.errors import UserError

C = 15583.0  # ADU from 0 to 1, of every camera
LETTERS = {
    "P": "Poisson shot noise",
    "p": "normal shot noise",
    "g": "normal read noise",
    "G": "Tukey-lambda read noise",
    "r": "row noise",
    "u": "quantisation",
    "B": "colour bias",
}
ORDERS = ("physical", "published")
GAINS = (0.1, 30.0)  # ADU per photoelectron, drawn uniformly in their logarithm
RATIOS, CONTINUOUS_RATIOS = (100.0, 300.0), (20.0, 300.0)
LEAST = 1e-10  # variance of shot noise, ADU^2, as published


class NoiseLevels(NamedTuple):
    """What holds for a whole frame.

    Attributes:
        gain: ADU per photoelectron. gaussian, tukey, row: scales of read and row noise, ADU.
        shape: Tukey's lambda. bias: of each plane, ADU, (4,).

    Floats, or tensors for a batch.
    """

    gain: Any
    gaussian: Any
    tukey: Any
    row: Any
    shape: Any
    bias: Any

    def scaled(self, factor: float) -> "NoiseLevels":
        """The same noise where values have `factor` times as many ADU."""
        parts = ("gain", "gaussian", "tukey", "row", "bias")
        return self._replace(**{name: factor * getattr(self, name) for name in parts})


class Numbers(Protocol):
    """Where random numbers come from: arrays of NumPy, float32, or tensors."""

    def uniform(self, shape: Sequence[int]) -> Any:
        """Uniform in [0, 1)."""

    def normal(self, shape: Sequence[int], use: str) -> Any:
        """Standard normal, for shot, row or read noise."""

    def poisson(self, mean: Any) -> Any:
        """Whole numbers of these means."""

    def tukey(self, shape: Sequence[int], lam: Any) -> Any:
        """Tukey's lambda distribution of unit scale."""


class NoiseModel:
    """Which kinds of noise there are, and in which order they come.

    Args:
        letters: of LETTERS, in any order, such as "P+G+r+u"; + is passed over.
        order: "physical": shot, row and read noise, bias, and quantisation last; "published": quantisation
            before shot noise, and nothing below 0 there.

    Raises:
        UserError: an unknown letter, none, or two that exclude each other.
    """

    def __init__(self, letters: str, order: str = "physical") -> None:
        self.letters, self.order = letters.replace("+", ""), order
        known = ", ".join(f"{letter} ({what})" for letter, what in LETTERS.items())
        for letter in self.letters:
            if letter not in LETTERS:
                raise UserError(f"noise model '{letters}' has an unknown letter {letter}; known: {known}")
        if not self.letters:
            raise UserError(f"an empty noise model; letters: {known}")
        for pair in ("Pp", "gG"):
            if set(pair) <= set(self.letters):
                raise UserError(
                    f"noise model '{letters}': {pair[0]} and {pair[1]} are two laws of the same noise"
                )

    def __contains__(self, letter: str) -> bool:
        return letter in self.letters

    def draw_levels(
        self, rng: np.random.Generator, sensors: Sequence[Sensor], own_gains: bool = False
    ) -> NoiseLevels:
        """A camera of these and levels of its noise at a random gain (specification, 3.2).

        The gain is from the same wide range for all cameras, as published, or one that the camera has.
        """
        sensor = sensors[rng.integers(len(sensors))]
        gains = (sensor.gain_min, sensor.gain_max) if own_gains else GAINS
        return levels_at(sensor, float(np.exp(rng.uniform(*np.log(gains)))), rng)

    def draw_ratio(self, rng: np.random.Generator, continuous: bool) -> float:
        """How many times longer the clean image was exposed."""
        return float(rng.uniform(*(CONTINUOUS_RATIOS if continuous else RATIOS)))

    def add(
        self, clean: np.ndarray, ratio: float, levels: NoiseLevels, rng: np.random.Generator
    ) -> np.ndarray:
        """Clean planes (4, h, w) in [0, 1] -> what a camera measures of them at 1 / ratio of the exposure.

        Amplified by the ratio again; float32, not clipped.
        """
        return self.apply(clean, ratio, levels, Drawn(rng))

    def apply(self, clean: np.ndarray, ratio: float, levels: NoiseLevels, numbers: Numbers) -> np.ndarray:
        """As `add`, with given random numbers: those of row noise first, the others plane by plane."""
        result = np.empty(clean.shape, np.float32)
        rows = self.row_noise((2, clean.shape[1], 1), levels, numbers)
        for plane, image in enumerate(clean):
            of_plane = levels._replace(bias=float(levels.bias[plane]))
            adu = self.measure(image * float(C / ratio), of_plane, numbers, rows[plane // 2])
            np.multiply(adu, np.float32(ratio / C), out=result[plane])
        return result

    def row_noise(self, shape: Sequence[int], levels: NoiseLevels, numbers: Numbers) -> Any:
        """What is added to rows of the mosaic in ADU, (..., 2, h, 1): to planes 0 and 1, and to 2 and 3."""
        return numbers.normal(shape, "row") * (levels.row if "r" in self else 0.0)

    def measure(self, adu: Any, levels: NoiseLevels, numbers: Numbers, rows: Any) -> Any:
        """Expected ADU -> measured ADU, of arrays or of tensors that levels and `rows` are broadcast against.

        It works in place. Quantisation is uniform noise, also in the physical order: it has the variance 1/12
        of rounding whatever other noise there is, and levels of black need not be whole.
        """
        if "u" in self and self.order == "published":
            adu += numbers.uniform(adu.shape)
            adu -= 0.5
            adu = adu.clip(0)
        if "P" in self:
            adu /= levels.gain
            adu = numbers.poisson(adu)
            adu *= levels.gain
        elif "p" in self:
            adu += (adu * levels.gain).clip(LEAST) ** 0.5 * numbers.normal(adu.shape, "shot")
        if "r" in self:
            adu += rows
        if "g" in self or "G" in self:
            normal = "g" in self
            noise = numbers.normal(adu.shape, "read") if normal else numbers.tukey(adu.shape, levels.shape)
            noise *= levels.gaussian if normal else levels.tukey
            adu += noise
        if "B" in self:
            adu += levels.bias
        if "u" in self and self.order == "physical":
            adu += numbers.uniform(adu.shape)
            adu -= 0.5
        return adu


def levels_at(sensor: Sensor, gain: float, rng: np.random.Generator | None = None) -> NoiseLevels:
    """Levels of a camera's noise at a gain: drawn by its laws, or with the means of these without `rng`."""
    normal = np.zeros(3) if rng is None else rng.standard_normal(3)
    lines = (sensor.read_gaussian, sensor.read_tukey, sensor.read_row)
    scales = [scale_of(line, gain, float(one)) for line, one in zip(lines, normal, strict=True)]
    index = len(sensor.tukey_shape) // 2 if rng is None else int(rng.integers(len(sensor.tukey_shape)))
    return NoiseLevels(float(gain), *scales, sensor.tukey_shape[index], np.float32(sensor.colour_bias[index]))


def scale_of(line: Line, gain: float, normal: float = 0.0) -> float:
    """The scale in ADU that a law gives at a gain, `normal` of its standard deviations above the mean."""
    return float(np.exp(line.slope * np.log(gain) + line.bias + line.sigma * normal))
