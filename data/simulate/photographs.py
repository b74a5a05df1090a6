"""Scenes from the photographs that come with scikit-image: no download, eight to train on and two to test on.

They are 8-bit pictures of daylight, so a night is made of them: the tone curve is inverted with a gain that
rises towards the highlights, and the whole is dimmed. Eight photographs, some of them gray, hold few colours:
training scenes are lit by coloured lamps, so that a network learns to take colour from the brackets.
"""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import skimage

from util.errors import UserError
from util.tonemap import srgb_decode

PHOTOGRAPHS = {  # split -> scene -> file in the data folder of scikit-image; no photograph is in both
    "Train": {
        "astronaut": "astronaut.png",
        "brick": "brick.png",
        "camera": "camera.png",
        "chelsea": "chelsea.png",
        "grass": "grass.png",
        "gravel": "gravel.png",
        "hubble": "hubble_deep_field.jpg",
        "motorcycle": "motorcycle_left.png",
    },
    "Test": {"coffee": "coffee.png", "rocket": "rocket.jpg"},
}
TRAINING_PHOTOGRAPHS = PHOTOGRAPHS["Train"] | {  # for training on the fly: all that the package holds
    "cell": "cell.png",
    "clock": "clock_motion.png",
    "coins": "coins.png",
    "ihc": "ihc.png",
    "moon": "moon.png",
    "motorcycle_right": "motorcycle_right.png",
    "retina": "retina.jpg",
    "text": "text.png",
}
MEDIAN_LEVELS = (0.02, 0.1)  # of the white of the third frame
BRIGHTEST_LEVELS = (16.0, 96.0)  # on the same scale, where 16 is the white of the first frame
DARKEST = 1e-6  # a picture may be black
LAMPS = 6  # that light a training scene
LAMP_COLOUR = 0.8  # standard deviation of the logarithm of a lamp's red, green and blue
LAMP_REACH = 0.2  # of the picture's sides, standard deviation of a lamp's share in the light
LARGEST_ZOOM = 1.25  # relative to the smallest that covers the scene
GLOW_PIXELS = 1.5  # standard deviation of the blur of the gain, which hides the steps of 8-bit highlights
LENS_PIXELS = 0.6  # standard deviation of the spot of the lens; finer edges alias in a mosaic


@lru_cache(maxsize=len(TRAINING_PHOTOGRAPHS))
def read_photograph(scene: str) -> np.ndarray:
    """The photograph of a scene, sRGB-coded, float32 (H, W, 3) in [0, 1]; gray ones have equal channels.

    Raises:
        UserError: this installation of scikit-image lacks the photograph.
    """
    path = Path(skimage.__file__).parent / "data" / (TRAINING_PHOTOGRAPHS | PHOTOGRAPHS["Test"])[scene]
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise UserError(
            f"cannot read the photograph {path}: install scikit-image again (pip install scikit-image)"
        )
    return picture[..., ::-1].astype(np.float32) / 255


def draw_crop(rng: np.random.Generator, picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A random part of a picture (H, W, 3), mirrored or not, at a random zoom: (*size, 3) in [0, 1].

    A picture that is smaller than `size` is enlarged by cubic interpolation; a reduction averages areas.
    """
    height, width = picture.shape[:2]
    smallest = max(size[0] / height, size[1] / width)
    zoom = rng.uniform(smallest, max(1.0, smallest * LARGEST_ZOOM))
    part = min(height, round(size[0] / zoom)), min(width, round(size[1] / zoom))
    top, left = rng.integers(height - part[0] + 1), rng.integers(width - part[1] + 1)
    crop = picture[top : top + part[0], left : left + part[1]]
    method = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    resized = np.clip(cv2.resize(crop, size[::-1], interpolation=method), 0, 1)
    return resized[:, ::-1] if rng.uniform() < 0.5 else resized


def expand_highlights(linear: np.ndarray, peak: float) -> np.ndarray:
    """Linear light (H, W, 3), about [0, 1] -> linear light up to `peak` >= 1, float32.

    Inverts the tone curve x = y / (1 + y (1 - 1/peak)), which takes `peak` to 1 and leaves shadows as they
    are: each pixel is multiplied by 1 / (1 - b (1 - 1/peak)), where b is the mean of its channels relative
    to the picture's brightest, slightly blurred. So colours keep their hue, fine texture keeps its contrast,
    and what is white grows more than what is strongly coloured.
    """
    brightness = cv2.GaussianBlur(linear.mean(axis=-1), (0, 0), GLOW_PIXELS)
    brightness = brightness / max(float(brightness.max()), DARKEST)
    return linear / (1 - brightness * np.float32(1 - 1 / peak))[..., None]


def light_with_lamps(rng: np.random.Generator, linear: np.ndarray) -> np.ndarray:
    """Linear light (H, W, 3) under coloured lamps at random places, each of mean brightness 1."""
    colours = np.exp(rng.normal(0, LAMP_COLOUR, (LAMPS, 3)))
    colours /= colours.mean(axis=1, keepdims=True)
    rows, columns = np.indices(linear.shape[:2]) / np.reshape(linear.shape[:2], (2, 1, 1))
    shares = [
        np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * LAMP_REACH**2))
        for row, column in rng.uniform(0, 1, (LAMPS, 2))
    ]
    light = np.tensordot(np.stack(shares, axis=-1), colours, axes=1) / np.sum(shares, axis=0)[..., None]
    return (linear * light).astype(np.float32)


def light_as_night(linear: np.ndarray, median: float, brightest: float) -> np.ndarray:
    """Linear light (H, W, 3), about [0, 1] -> a night scene, float32, where 1 is the third frame's white.

    The median of the pixels' means becomes `median`, unless the picture is darker already: it is dimmed,
    never brightened. The highlights are expanded so far that the brightest are near `brightest` after that.
    """
    dimmed = min(1.0, median / max(float(np.median(linear.mean(axis=-1))), DARKEST))
    expanded = expand_highlights(linear, max(1.0, brightest / dimmed))
    return expanded * np.float32(min(1.0, median / max(float(np.median(expanded.mean(axis=-1))), DARKEST)))


def draw_scene(
    rng: np.random.Generator,
    picture: np.ndarray,
    size: tuple[int, int],
    lamps: bool,
    medians: tuple[float, float] = MEDIAN_LEVELS,
    brightest_levels: tuple[float, float] = BRIGHTEST_LEVELS,
) -> np.ndarray:
    """A random night scene of an sRGB-coded picture, under coloured lamps or not, as a lens shows it.

    Linear sRGB float32 (*size, 3), not negative; 1 is the third frame's white.
    """
    linear = srgb_decode(draw_crop(rng, picture, size))
    if lamps:
        linear = light_with_lamps(rng, linear)
    median = np.exp(rng.uniform(*np.log(medians)))
    brightest = np.exp(rng.uniform(*np.log(brightest_levels)))
    return cv2.GaussianBlur(light_as_night(linear, median, brightest), (0, 0), LENS_PIXELS)
