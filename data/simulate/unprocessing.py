"""The camera of synthetic bursts: photographs to linear raw and back (DeepRep specification, section 3).

Pictures are sRGB (H, W, 3) in [0, 1], what a sensor measures are planes (3, H, W). After Brooks et al.,
Unprocessing Images for Learned Raw Denoising, CVPR 2019.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

GAMMA = 2.2
DARKEST = 1e-8  # below, the gamma has no use
XYZ_TO_CAMERAS = np.array(  # of four cameras
    [
        [[1.0234, -0.2969, -0.2266], [-0.5625, 1.6328, -0.0469], [-0.0703, 0.2188, 0.6406]],
        [[0.4913, -0.0541, -0.0202], [-0.613, 1.3513, 0.2906], [-0.1564, 0.2151, 0.7183]],
        [[0.838, -0.263, -0.0639], [-0.2887, 1.0725, 0.2496], [-0.0627, 0.1427, 0.5438]],
        [[0.6596, -0.2079, -0.0562], [-0.4782, 1.3016, 0.1933], [-0.097, 0.1581, 0.5181]],
    ]
)
SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
BRIGHTNESS = (0.8, 0.1)  # mean and standard deviation of 1 / rgb_gain
RED_GAINS, BLUE_GAINS = (1.9, 2.4), (1.5, 1.9)
PROTECTED = 0.9  # mean of the colours from which on highlights keep their values
SHOT_NOISE = (1e-4, 0.012)
READ_SLOPE, READ_OFFSET, READ_SPREAD = 2.18, 1.20, 0.26  # of the logarithm of read over that of shot noise


@dataclass(frozen=True)
class SrgbCamera:
    """What turns the colours of a photograph into those of a sensor.

    `rgb2cam` float32 (3, 3) has rows that sum to 1; red and blue gains are the white balance, `rgb_gain` a
    gain of all colours.
    """

    rgb2cam: np.ndarray
    rgb_gain: float
    red_gain: float
    blue_gain: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "SrgbCamera":
        """A random mixture of four cameras under a random light."""
        return cls(
            mixed_matrix(rng.uniform(size=4)),
            1 / rng.normal(*BRIGHTNESS),
            rng.uniform(*RED_GAINS),
            rng.uniform(*BLUE_GAINS),
        )

    @property
    def cam2rgb(self) -> np.ndarray:
        """The inverse of `rgb2cam`, float32 (3, 3)."""
        return np.linalg.inv(self.rgb2cam.astype(np.float64)).astype(np.float32)

    @property
    def gains(self) -> np.ndarray:
        """What display multiplies red, green and blue by, float32 (3,)."""
        return np.float32([self.red_gain, 1, self.blue_gain]) * np.float32(self.rgb_gain)

    def meta(self) -> dict:
        """What a renderer needs: `white_balance` (3,), `cam2rgb` (3, 3), `cfa`, and for the published display
        `rgb_gain` (), and whether it has a `smoothstep` and a `gamma`, 0 or 1 ().
        """
        return {
            "white_balance": np.float32([self.red_gain, 1, self.blue_gain]),
            "cam2rgb": self.cam2rgb,
            "cfa": "RGGB",
            "rgb_gain": np.array(self.rgb_gain, np.float32),
            "smoothstep": np.array(1, np.float32),
            "gamma": np.array(1, np.float32),
        }


def mixed_matrix(weights: np.ndarray) -> np.ndarray:
    """Linear sRGB -> camera RGB, float32 (3, 3), of the four cameras in these shares (4,) of their sum."""
    matrix = np.tensordot(weights / weights.sum(), XYZ_TO_CAMERAS, 1) @ SRGB_TO_XYZ
    return (matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32)


# Photograph -> sensor


def invert_smoothstep(picture: np.ndarray) -> np.ndarray:
    """The x whose 3 x^2 - 2 x^3 is the given value."""
    return 0.5 - np.sin(np.arcsin(1 - 2 * np.clip(picture, 0, 1)) / 3)


def expand_gamma(picture: np.ndarray) -> np.ndarray:
    """Coded values -> linear light."""
    return np.maximum(picture, DARKEST) ** GAMMA


def invert_gains(planes: np.ndarray, camera: SrgbCamera) -> np.ndarray:
    """Balanced camera RGB (3, H, W) -> what the sensor measures; highlights keep the more of their value
    the brighter they are, so that what is white stays at the white level.
    """
    kept = planes.mean(axis=0)
    kept -= np.float32(PROTECTED)
    np.maximum(kept, 0, out=kept)
    kept *= np.float32(1 / (1 - PROTECTED))
    kept *= kept
    measured = np.empty_like(planes)
    for colour, inverse in enumerate(1 / camera.gains):
        np.multiply(kept, max(1 - inverse, 0), out=measured[colour])  # brighter than it was: all the same
        measured[colour] += inverse
    measured *= planes
    return measured


def unprocess(picture: np.ndarray, camera: SrgbCamera) -> np.ndarray:
    """A photograph (H, W, 3) -> linear camera RGB (3, H, W) in [0, 1], before white balance."""
    return sensed(expand_gamma(invert_smoothstep(picture)), camera)


def unprocess_codes(codes: np.ndarray, camera: SrgbCamera) -> np.ndarray:
    """`unprocess` of a photograph (H, W, 3) of uint8 or uint16 whose largest number is 1, by a table."""
    return sensed(cv2.LUT(codes, _linear_table(codes.dtype.type)), camera)


@lru_cache(maxsize=2)
def _linear_table(kind: type) -> np.ndarray:
    """The linear light of each code of an integer type, float32."""
    largest = np.iinfo(kind).max
    return expand_gamma(invert_smoothstep(np.arange(largest + 1) / largest)).astype(np.float32)


def sensed(light: np.ndarray, camera: SrgbCamera) -> np.ndarray:
    """Linear sRGB float32 (H, W, 3) -> camera RGB (3, H, W) in [0, 1], before white balance."""
    planes = invert_gains(np.stack(cv2.split(cv2.transform(light, camera.rgb2cam))), camera)
    return np.clip(planes, 0, 1, out=planes)


# Sensor -> picture


def display(linear: np.ndarray, meta: dict) -> np.ndarray:
    """Linear camera RGB (3, H, W) -> the published picture (H, W, 3) in [0, 1]: sRGB with a smoothstep.

    `meta` is that of `SrgbCamera.meta`.
    """
    gains = meta["white_balance"] * meta["rgb_gain"]
    balanced = np.clip(linear.transpose(1, 2, 0) * gains, 0, 1).astype(np.float32)
    picture = np.clip(cv2.transform(balanced, meta["cam2rgb"]), 0, 1)
    if meta["gamma"]:
        picture = np.maximum(picture, DARKEST) ** (1 / GAMMA)
    if meta["smoothstep"]:
        picture = picture**2 * (3 - 2 * picture)
    return np.clip(picture, 0, 1)


def display8(linear: np.ndarray, meta: dict) -> np.ndarray:
    """`display` as uint8, truncated as published."""
    return (255 * display(linear, meta)).astype(np.uint8)


# Noise


@dataclass(frozen=True)
class NoiseLevels:
    """The variance of a value x is shot x + read."""

    shot: float
    read: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "NoiseLevels":
        """Levels of a random gain."""
        shot = rng.uniform(*np.log(SHOT_NOISE))
        read = READ_SLOPE * shot + READ_OFFSET + rng.normal(0, READ_SPREAD)
        return cls(float(np.exp(shot)), float(np.exp(read)))

    def add(self, values: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """Values, 0 or more, with noise of given standard normal numbers; not clipped."""
        return values + normal * self.deviation(values)

    def deviation(self, values: np.ndarray) -> np.ndarray:
        """Standard deviation of the noise of values, of their shape; of negative ones that of 0."""
        return np.sqrt(np.float32(self.shot) * np.maximum(values, 0) + np.float32(self.read))
