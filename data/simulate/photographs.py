"""Scenes from the photographs that come with scikit-image: no download, eight to train on and two to test on.

They are 8-bit pictures of daylight, so a night is made of them: the tone curve is inverted with a gain that
rises towards the highlights, and the whole is dimmed. Eight photographs, some of them gray, hold few colours:
training scenes are lit by coloured lamps, so that a network learns to take colour from the brackets.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import skimage

from data.simulate.lighting import BRIGHTEST_LEVELS, MEDIAN_LEVELS, night
from data.simulate.window import Window, draw_window
from util.errors import UserError
from util.imaging.tonemap import srgb_decode

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
LAMPS = 6  # that light a training scene
LAMP_COLOUR = 0.8  # standard deviation of the logarithm of a lamp's red, green and blue
LAMP_REACH = 0.2  # of the picture's sides, standard deviation of a lamp's share in the light
LARGEST_ZOOM = 1.25  # relative to the smallest that covers the scene
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


@dataclass(frozen=True)
class Lamps:
    """Coloured lamps: their `colours`, of mean brightness 1, and `places`, (row, column) in [0, 1]."""

    colours: list[list[float]]
    places: list[list[float]]

    def light(self, linear: np.ndarray) -> np.ndarray:
        """Linear light (H, W, 3) under these lamps."""
        rows, columns = np.indices(linear.shape[:2]) / np.reshape(linear.shape[:2], (2, 1, 1))
        shares = [
            np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * LAMP_REACH**2))
            for row, column in self.places
        ]
        colours = np.tensordot(np.stack(shares, axis=-1), np.array(self.colours), axes=1)
        return (linear * colours / np.sum(shares, axis=0)[..., None]).astype(np.float32)


def draw_lamps(rng: np.random.Generator) -> Lamps:
    """LAMPS random lamps."""
    colours = np.exp(rng.normal(0, LAMP_COLOUR, (LAMPS, 3)))
    colours /= colours.mean(axis=1, keepdims=True)
    return Lamps(colours.tolist(), rng.uniform(0, 1, (LAMPS, 2)).tolist())


@dataclass(frozen=True)
class Night:
    """A night that is made of a part of a picture: its lamps, its median level and its brightest one."""

    window: Window
    lamps: Lamps | None
    median: float
    brightest: float

    def light(self, picture: np.ndarray) -> np.ndarray:
        """sRGB-coded picture (H, W, 3) in [0, 1] -> the scene as a lens shows it.

        Linear sRGB float32 (*window.size, 3), not negative; 1 is the third frame's white.
        """
        linear = lit(picture, self.window, self.lamps)
        return seen_by_lens(night(linear, self.median, self.brightest).apply(linear))


def lit(picture: np.ndarray, window: Window, lamps: Lamps | None) -> np.ndarray:
    """A part of an sRGB-coded picture (H, W, 3) in [0, 1] as linear light, under lamps or as it is."""
    linear = srgb_decode(np.clip(window.cut(picture), 0, 1))
    return linear if lamps is None else lamps.light(linear)


def seen_by_lens(light: np.ndarray) -> np.ndarray:
    """Light (H, W, 3) blurred by the spot of the lens."""
    return cv2.GaussianBlur(light, (0, 0), LENS_PIXELS)


def draw_part(
    rng: np.random.Generator, shape: tuple[int, int], size: tuple[int, int], lamps: bool
) -> tuple[Window, Lamps | None]:
    """A random part of a picture of `shape` for a scene of `size` px, and what lights it."""
    window = draw_window(rng, shape, size, LARGEST_ZOOM)
    return window, draw_lamps(rng) if lamps else None


def draw_night(
    rng: np.random.Generator,
    shape: tuple[int, int],
    size: tuple[int, int],
    lamps: bool,
    medians: tuple[float, float] = MEDIAN_LEVELS,
    brightest_levels: tuple[float, float] = BRIGHTEST_LEVELS,
) -> Night:
    """A random night of `size` px for a picture of `shape`, under coloured lamps or not.

    A picture that is too small is enlarged.
    """
    return Night(
        *draw_part(rng, shape, size, lamps),
        float(np.exp(rng.uniform(*np.log(medians)))),
        float(np.exp(rng.uniform(*np.log(brightest_levels)))),
    )


def draw_scene(
    rng: np.random.Generator,
    picture: np.ndarray,
    size: tuple[int, int],
    lamps: bool,
    medians: tuple[float, float] = MEDIAN_LEVELS,
    brightest_levels: tuple[float, float] = BRIGHTEST_LEVELS,
) -> np.ndarray:
    """A random night scene (*size, 3) of an sRGB-coded picture, see `Night.light`."""
    drawn = draw_night(rng, picture.shape[:2], size, lamps, medians, brightest_levels)
    return drawn.light(picture)
