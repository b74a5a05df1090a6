"""How bright a scene is: a night, where 1 is the white of the third frame and 16 that of the first."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from data.simulate.warp import channel_mean, weighed

MEDIAN_LEVELS = (0.02, 0.1)  # of the white of the third frame
BRIGHTEST_LEVELS = (16.0, 96.0)  # of the lamps
LARGEST_PEAK = 16.0  # of a sky or a wall that a picture shows as white: 8-bit steps become 12 % there
LARGE_AREA = 0.01  # of a picture; what is white and smaller is a lamp
WHITE = 0.9  # of the brightest, from which a pixel counts as white
CLIPPED_AREA = 0.02  # of a scene at most that is beyond the white of the first frame
FIRST_WHITE = 16.0
DARKEST = 1e-6  # a picture may be black
DAY_CLIPPED = (0.03, 0.15)  # of the px of a day are beyond the white of the reference exposure
DAY_MEDIANS = (0.05, 0.2)  # of the reference's white, where sunlight and shade can bring it about
LARGEST_POWER = 2.0  # by which they raise the contrast of a picture
DAY_LOST = 0.003  # at most, nearly: beyond that of the shortest one
DAY_WHITE = 0.8  # of the brightest: a large area that is white in a picture is beyond the reference's white
GLOW_PIXELS = 1.5  # standard deviation of the blur of the gain, which hides the steps of 8-bit highlights


def glow(linear: np.ndarray) -> np.ndarray:
    """The brightness (H, W) by which highlights are expanded: mean of the channels (H, W, 3), blurred."""
    return cv2.GaussianBlur(channel_mean(linear), (0, 0), GLOW_PIXELS)


def expand_highlights(linear: np.ndarray, peak: float, white: float | None = None) -> np.ndarray:
    """Linear light (H, W, 3), about [0, 1] -> linear light up to `peak` >= 1, float32.

    Inverts the tone curve x = y / (1 + y (1 - 1/peak)), which takes `peak` to 1 and leaves shadows as they
    are: each pixel is multiplied by 1 / (1 - b (1 - 1/peak)), where b is its brightness (`glow`) relative to
    `white`, or to the picture's brightest. So colours keep their hue, fine texture keeps its contrast, and
    what is white grows more than what is strongly coloured.
    """
    brightness = glow(linear)
    white = float(brightness.max()) if white is None else white
    brightness = np.minimum(brightness / max(white, DARKEST), 1)
    return weighed(linear, 1 / (1 - brightness * np.float32(1 - 1 / peak)))


@dataclass(frozen=True)
class Lighting:
    """What is done to the light of a source, the same for all frames: `expand_highlights`, then a factor."""

    scale: float = 1.0
    peak: float = 1.0
    white: float = 1.0

    def apply(self, linear: np.ndarray) -> np.ndarray:
        """Light of the source (H, W, 3) -> light of the scene."""
        expanded = expand_highlights(linear, self.peak, self.white) if self.peak > 1 else linear
        return expanded * np.float32(self.scale)


def median_level(linear: np.ndarray) -> float:
    """The median of the pixels' means over the channels."""
    return max(float(np.median(channel_mean(linear))), DARKEST)


def night(linear: np.ndarray, median: float, brightest: float, largest_peak: float = math.inf) -> Lighting:
    """The lighting that makes a night of a picture whose highlights are cut off, (H, W, 3), about [0, 1].

    The median level becomes `median`, unless the picture is darker already: it is dimmed, never brightened.
    The highlights are expanded so far that the brightest are near `brightest` after that, but not more than
    `largest_peak` times.
    """
    dimmed = min(1.0, median / median_level(linear))
    peak = min(max(1.0, brightest / dimmed), largest_peak)
    white = float(glow(linear).max())
    expanded = expand_highlights(linear, peak, white)
    return Lighting(min(1.0, median / median_level(expanded)), peak, white)


def draw_lighting(rng: np.random.Generator, linear: np.ndarray, coded: bool) -> Lighting:
    """A random night of a picture (H, W, 3), or of frames below each other, cut off at white if `coded`.

    Where they are not cut off, the light is only multiplied, so that its median is as drawn, unless more than
    CLIPPED_AREA would be lost in all frames. Large white areas that are cut off are expanded less than lamps,
    since a stored picture's errors grow with them.
    """
    median = float(np.exp(rng.uniform(*np.log(MEDIAN_LEVELS))))
    if not coded:
        highlight = max(float(np.quantile(linear.max(axis=-1), 1 - CLIPPED_AREA)), DARKEST)
        return Lighting(scale=min(median / median_level(linear), FIRST_WHITE / highlight))
    brightness = channel_mean(linear)
    is_large = (brightness > WHITE * brightness.max()).mean() > LARGE_AREA
    brightest = float(np.exp(rng.uniform(*np.log(BRIGHTEST_LEVELS))))
    return night(linear, median, brightest, LARGEST_PEAK if is_large else math.inf)


def raise_contrast(linear: np.ndarray, power: float) -> np.ndarray:
    """Linear light (H, W, 3) whose brightness, the mean of the channels, is raised to a power >= 1."""
    if power == 1:
        return linear
    return weighed(linear, channel_mean(linear).clip(min=0) ** np.float32(power - 1))


@dataclass(frozen=True)
class Daylight(Lighting):
    """Sun and shade: before the rest the brightness is raised to a `power` of 1 or more, hues stay."""

    power: float = 1.0

    def apply(self, linear: np.ndarray) -> np.ndarray:
        """As that of `Lighting`."""
        return super().apply(raise_contrast(linear, self.power))


def draw_daylight(rng: np.random.Generator, linear: np.ndarray, coded: bool, contrast: float) -> Daylight:
    """A random day of a picture (H, W, 3), or of frames below each other, cut off at white if `coded`.

    1 becomes the white of the reference of several exposures, `contrast` that of the shortest one. A drawn
    share of the px is beyond the reference's; the highlights of what is cut off are expanded so far that
    nearly nothing is beyond the shortest one's. In a scene of more contrast than that, the shortest counts.
    Developed pictures are bright and flat: a power takes their median towards a drawn level.
    """
    clipped = float(np.exp(rng.uniform(*np.log(DAY_CLIPPED))))
    median = float(np.exp(rng.uniform(*np.log(DAY_MEDIANS))))
    lighting = Daylight()
    if coded:
        power = _power(channel_mean(linear), median, clipped, contrast)
        brightness = glow(raise_contrast(linear, power))
        white = max(float(brightness.max()), DARKEST)
        level = min(float(np.quantile(brightness, 1 - clipped)) / white, DAY_WHITE)
        clipped = max(clipped, float((brightness > level * white).mean()))
        # `expand_highlights` takes 1 to the peak and the level to level / (1 - level * (1 - 1 / peak)), whose
        # ratio is the contrast here:
        peak = min(max(1.0, level * (contrast - 1) / (1 - level)), LARGEST_PEAK)
        lighting = Daylight(peak=peak, white=white, power=power)
    brightest = lighting.apply(linear).max(axis=-1)
    reference, shortest = (
        max(float(np.quantile(brightest, 1 - share)), DARKEST) for share in (clipped, DAY_LOST)
    )
    return replace(lighting, scale=min(1 / reference, contrast / shortest))


def _power(brightness: np.ndarray, median: float, clipped: float, contrast: float) -> float:
    """The power, 1 to LARGEST_POWER, that takes the median of `brightness` down to `median`.

    It is found for both scales of `draw_daylight`, by the reference and by the shortest exposure, and the
    reference still clips the smallest share of DAY_CLIPPED.
    """
    shares = (0.5, 1 - clipped, 1 - DAY_CLIPPED[0], 1 - DAY_LOST)
    middle, level, smallest, top = np.log(np.maximum(np.quantile(brightness, shares), DARKEST))
    wanted = (
        np.log(median) / min(middle - level, -0.01),
        np.log(median / contrast) / min(middle - top, -0.01),
        np.log(contrast) / max(top - smallest, 0.01),
    )
    return float(np.clip(min(wanted), 1, LARGEST_POWER))
