"""The sensor of the simulation: linear sRGB light to packed RGGB raw, and reduction to a quarter of the size.

Source: specification of BracketIRE, sections 9.1 to 9.4 (camera of a Xiaomi 10S).
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from data.simulate.warp import Picture, channel_mean
from util.imaging.bayer import PLANES

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
SITES = tuple(zip(PLANES["RGGB"], (0, 1, 1, 2), strict=True))  # (row, column) and colour of each plane
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
    return _mix(np.maximum(linear, 0).astype(np.float32), ALEXA_TO_SRGB.T * 2.0**-4)


def _mix(rgb: Picture, matrix: np.ndarray) -> Picture:
    """`matrix` (3, 3) times every colour of a picture (H, W, 3), float32."""
    if isinstance(rgb, torch.Tensor):
        return rgb @ torch.tensor(matrix.T, dtype=torch.float32, device=rgb.device)
    return cv2.transform(rgb, np.float32(matrix))  # nine times as fast as NumPy's product


def balanced(linear: Picture, camera: Camera) -> Picture:
    """What an ideal sensor without a white level measures behind each of its colour filters.

    Linear sRGB (H, W, 3) -> camera RGB (H, W, 3), before white balance. A linear map, so light may be
    integrated and moved before or after it, and scaled on either side.
    """
    return _mix(linear, np.diag([1 / camera.red_gain, 1, 1 / camera.blue_gain]) @ camera.rgb2cam)


def colours(linear: Picture, camera: Camera) -> list[Picture]:
    """`balanced` light (H, W, 3) as three pictures (H, W)."""
    rgb = balanced(linear, camera)
    return list(rgb.permute(2, 0, 1).contiguous() if isinstance(rgb, torch.Tensor) else cv2.split(rgb))


def respond(linear: Picture, camera: Camera) -> Picture:
    """`balanced` as a mosaic: linear sRGB (2h, 2w, 3) -> packed RGGB (h, w, 4)."""
    return mosaic(balanced(linear, camera))


def unprocess(linear: Picture, camera: Camera) -> Picture:
    """The published response (section 9.3): linear sRGB (2h, 2w, 3) -> packed RGGB (h, w, 4) in [0, 1].

    The light is clipped to [0, 1] as sRGB, and the division by the white balance fades out from a camera-RGB
    mean of 0.9 to 1, so that what is white in the picture is at the white level in all four planes.
    """
    sensor = _mix(linear.clip(0, 1), camera.rgb2cam)
    protect = ((channel_mean(sensor) - 0.9).clip(min=0) / 0.1) ** 2
    gains = (1 / camera.red_gain, 1, 1 / camera.blue_gain)
    planes = [
        (sensor[row::2, column::2, colour] * _protected(gains[colour], protect[row::2, column::2])).clip(0, 1)
        for (row, column), colour in SITES
    ]
    return packed(planes)


def _protected(gain: float, protect: Picture) -> Picture:
    """The inverse gain of a colour, `protect` of the way to 1, but not below itself."""
    return (protect + (1 - protect) * gain).clip(min=gain)


def mosaic(rgb: Picture) -> Picture:
    """Camera RGB (2h, 2w, 3) -> packed RGGB (h, w, 4): each photosite keeps its own colour."""
    return packed([rgb[row::2, column::2, colour] for (row, column), colour in SITES])


def packed(planes: list[Picture]) -> Picture:
    """Planes (h, w) -> (h, w, planes), a view of an array in which each plane lies by itself."""
    if isinstance(planes[0], torch.Tensor):
        return torch.stack(planes).permute(1, 2, 0)
    return np.stack(planes).transpose(1, 2, 0)


def reduce(raw: np.ndarray, factor: int) -> np.ndarray:
    """Packed raw (H, W, 4) -> (H / factor, W / factor, 4), the means of each plane.

    Small pixel i covers factor * i to factor * (i + 1) - 1.
    """
    height, width, planes = raw.shape
    return raw.reshape(height // factor, factor, width // factor, factor, planes).mean(axis=(1, 3))


def reduce_published(raw: np.ndarray, factor: int) -> np.ndarray:
    """The published reduction of packed raw (H, W, 4) to (H / factor, W / factor, 4) (section 9.4) in [0, 1].

    Bicubic between aligned corners without antialiasing: at factor 4 it drifts by 1.5 px from the centre of
    the picture to its borders.
    """
    planes = torch.from_numpy(np.ascontiguousarray(raw.transpose(2, 0, 1)))[None]
    size = (raw.shape[0] // factor, raw.shape[1] // factor)
    small = F.interpolate(planes, size=size, mode="bicubic", align_corners=True)[0]
    return small.clamp(0, 1).numpy().transpose(1, 2, 0)
