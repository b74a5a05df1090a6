"""The sensor of the simulation: linear sRGB light to packed RGGB raw, and reduction to a quarter of the size.

Source: specification of BracketIRE, sections 9.1 to 9.4 (camera of a Xiaomi 10S).
"""

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F

from util.bayer import pack

XYZ_TO_CAMERA = np.array(
    [[0.734375, -0.125, -0.0859375], [-0.2734375, 1.109375, 0.140625], [-0.015625, 0.21875, 0.40625]]
)
SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
ALEXA_TO_SRGB = np.array(  # for row vectors: rgb @ matrix
    [
        [1.617523436306807, -0.070572740897816, -0.021101728042793],
        [-0.537286622188294, 1.334613062330328, -0.226953875218266],
        [-0.080236814118512, -0.264040321432512, 1.248055603261060],
    ]
)
RED_GAINS = (1 / 0.91, 1 / 0.40)
BLUE_GAINS = (1 / 0.75, 1 / 0.39)


def rgb_to_camera_matrix() -> np.ndarray:
    """Linear sRGB -> camera RGB, float32 (3, 3); its rows sum to 1, so that white stays white."""
    matrix = XYZ_TO_CAMERA @ SRGB_TO_XYZ
    return (matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class Camera:
    """White-balance gains (what a developer multiplies R and B by) and the colour matrix of one shot."""

    red_gain: float
    blue_gain: float
    rgb2cam: np.ndarray = field(default_factory=rgb_to_camera_matrix)

    def metadata(self) -> dict[str, np.ndarray]:
        """The content of `metadata.npy`: float32 matrices (3, 3) and gains (1,)."""
        return {
            "rgb2cam": np.float32(self.rgb2cam),
            "cam2rgb": np.linalg.inv(self.rgb2cam.astype(np.float64)).astype(np.float32),
            "rgb_gain": np.ones(1, np.float32),
            "red_gain": np.array([self.red_gain], np.float32),
            "blue_gain": np.array([self.blue_gain], np.float32),
        }


def draw_camera(rng: np.random.Generator) -> Camera:
    """A camera that is balanced for a random light: red gain 1.10 to 2.5, blue gain 1.33 to 2.56."""
    return Camera(red_gain=rng.uniform(*RED_GAINS), blue_gain=rng.uniform(*BLUE_GAINS))


def alexa_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear AlexaWideGamut (..., 3) -> linear sRGB at the scale of the simulation (section 9.1).

    Light below 0 is cut off before the matrix; negative values that the matrix makes (colours outside sRGB)
    stay.
    """
    return (np.maximum(linear, 0) * 2.0**-4 @ ALEXA_TO_SRGB).astype(np.float32)


def respond(linear: np.ndarray, camera: Camera) -> np.ndarray:
    """What an ideal sensor without a white level measures: linear sRGB (2h, 2w, 3) -> packed RGGB (h, w, 4).

    A linear map, so light may be integrated before or after it, and scaled on either side.
    """
    sensor = linear @ np.float32(camera.rgb2cam.T)
    return _mosaic(sensor * np.float32([1 / camera.red_gain, 1, 1 / camera.blue_gain]))


def unprocess(linear: np.ndarray, camera: Camera) -> np.ndarray:
    """The published response (section 9.3): linear sRGB (2h, 2w, 3) -> packed RGGB (h, w, 4) in [0, 1].

    The light is clipped to [0, 1] as sRGB, and the division by the white balance fades out from a camera-RGB
    mean of 0.9 to 1, so that what is white in the picture is at the white level in all four planes.
    """
    sensor = np.clip(linear, 0, 1) @ np.float32(camera.rgb2cam.T)
    inverse_gains = np.float32([1 / camera.red_gain, 1, 1 / camera.blue_gain])
    protect = (np.maximum(sensor.mean(axis=-1, keepdims=True) - 0.9, 0) / 0.1) ** 2
    gains = np.maximum(protect + (1 - protect) * inverse_gains, inverse_gains)
    return _mosaic(np.clip(sensor * gains, 0, 1))


def _mosaic(rgb: np.ndarray) -> np.ndarray:
    """Camera RGB (2h, 2w, 3) -> packed RGGB (h, w, 4): each photosite keeps its own colour."""
    red, green, blue = (pack(rgb[..., channel]) for channel in range(3))  # (4, h, w) each
    return np.stack([red[0], green[1], green[2], blue[3]], axis=-1)


def reduce_x4(raw: np.ndarray) -> np.ndarray:
    """Packed raw (4h, 4w, 4) -> (h, w, 4), the mean of each plane: small pixel i covers 4i to 4i+3."""
    height, width, planes = raw.shape
    return raw.reshape(height // 4, 4, width // 4, 4, planes).mean(axis=(1, 3))


def reduce_x4_published(raw: np.ndarray) -> np.ndarray:
    """The published reduction of packed raw (H, W, 4) to (H/4, W/4, 4) (section 9.4), clipped to [0, 1].

    Bicubic between aligned corners without antialiasing: it drifts by 1.5 px from the centre of the picture
    to its borders.
    """
    planes = torch.from_numpy(np.ascontiguousarray(raw.transpose(2, 0, 1)))[None]
    size = (raw.shape[0] // 4, raw.shape[1] // 4)
    small = F.interpolate(planes, size=size, mode="bicubic", align_corners=True)[0]
    return small.clamp(0, 1).numpy().transpose(1, 2, 0)
