"""What can be wrong with a short and a long raw frame of one scene, whatever their names."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.checks.base_check import ALL_CLIPPED, MOSTLY_CLIPPED, Finding
from data.reading.exif import Shot, read_shot
from data.reading.measurements import correlation, green, reduced
from data.reading.raw import RawImage, normalise, read_raw
from util.errors import UserError

CLIPPED = 0.98  # of the white level
BLACK_TOLERANCE = 0.01  # by which most of a frame may lie under the black level
CELL = 16  # px whose mean is compared, so that noise hardly counts
WELL_EXPOSED = 0.8  # of the long frame: cells that lie below it are compared
TELLING = 0.5  # correlation that noise must leave for a comparison, and share of it that is found at least
BRIGHTNESS_TOLERANCE = 1.5  # factor
OFFSET = 0.05  # of the amplified black level, where 1 is white
ROUNDING = 0.4  # of stored values, root mean square: above that of whole numbers, below any read noise
TIME_TOLERANCE = 1.1  # factor between names and EXIF


class Frame(NamedTuple):
    """A file that could be read, and how it was taken."""

    path: Path
    image: RawImage
    shot: Shot

    @property
    def values(self) -> np.ndarray:
        """Planes (h, w, 4), 0 at black and 1 at white as the file says, float32."""
        return normalise(self.image.planes, self.image.black, self.image.white)


def read_frame(path: Path, findings: list[Finding]) -> Frame | None:
    """A frame; None, and a finding, where it cannot be read."""
    try:
        return Frame(path, read_raw(path), read_shot(path, is_raw=True))
    except UserError as error:
        findings.append(Finding(path, str(error).removeprefix(str(path)).lstrip(": ")))
        return None


def frame_findings(frame: Frame, is_long: bool) -> Iterator[Finding]:
    """Black level and saturation of one frame."""
    values = frame.values
    middle = float(np.median(values))
    if middle < -BLACK_TOLERANCE:
        yield Finding(frame.path, f"half of the values lie {-middle:.1%} of the range under the black level")
    share = float((values > CLIPPED).mean())
    if share > (ALL_CLIPPED if is_long else MOSTLY_CLIPPED):
        yield Finding(frame.path, f"{share:.0%} of the values are saturated")
    elif share > MOSTLY_CLIPPED:
        yield Finding(frame.path, f"{share:.0%} of the values are saturated", is_fault=False)


def time_findings(frame: Frame, seconds: float) -> Iterator[Finding]:
    """Whether EXIF contradicts the exposure time in a name."""
    time = frame.shot.time
    if time is not None and not 1 / TIME_TOLERANCE < time / seconds < TIME_TOLERANCE:
        yield Finding(frame.path, f"was exposed {time:.4g} s by EXIF, {seconds:g} s by its name")


def exif_ratio(short: Frame, long: Frame) -> float | None:
    """How many times longer the long frame was exposed, ISO counted in; None where a file does not say."""
    values = (long.shot.time, long.shot.iso, short.shot.time, short.shot.iso)
    if None in values:
        return None
    return values[0] * values[1] / (values[2] * values[3])


def pair_findings(short: Frame, long: Frame, ratio: float) -> Iterator[Finding]:
    """Whether the frames are of one kind and scene, and one is `ratio` times as bright as the other."""
    kinds = [
        f"{frame.image.planes.shape[0]} x {frame.image.planes.shape[1]} packed px, {frame.image.cfa}, "
        f"camera '{frame.image.camera}'"
        for frame in (short, long)
    ]
    if kinds[0] != kinds[1]:
        yield Finding(short.path, f"is {kinds[0]}; {long.path.name} is {kinds[1]}")
        return
    if np.array_equal(short.image.planes, long.image.planes):
        yield Finding(short.path, f"is the same picture as {long.path.name}")
        return
    amplified, target = short.values * np.float32(ratio), long.values
    if _is_without_noise(short, amplified, target, ratio):
        yield Finding(short.path, f"is {long.path.name} made darker: it has no noise of its own")
    yield from _compared(short.path, long.path, green(amplified), green(target), ratio)


def _is_without_noise(short: Frame, amplified: np.ndarray, target: np.ndarray, ratio: float) -> bool:
    """Whether an amplified frame (h, w, 4) differs from the long one by the rounding of its values alone."""
    good = target < WELL_EXPOSED
    rounding = ROUNDING * ratio / float((short.image.white - short.image.black).mean())
    return bool(good.any()) and float(np.square(amplified - target)[good].mean()) < rounding**2


def _compared(
    short: Path, long: Path, amplified: np.ndarray, target: np.ndarray, ratio: float
) -> Iterator[Finding]:
    """What means over cells of the green planes (h, w) say of the scene, the ratio and the black level."""
    side = max(1, min(CELL, *(length // CELL for length in target.shape)))
    noise = float(np.diff(amplified, axis=1).std()) / (math.sqrt(2) * side)
    good = _cells(target > WELL_EXPOSED, side) == 0
    amplified, target = (_cells(image, side)[good] for image in (amplified, target))
    contrast = float(target.std()) if target.size else 0.0
    reachable = contrast / math.hypot(contrast, noise) if contrast else 0.0  # correlation that noise leaves
    if reachable < TELLING:
        return
    found = correlation(amplified, target)
    if found < TELLING * reachable:
        yield Finding(
            short,
            f"does not show what {long.name} shows: correlation {found:.2f}, noise leaves {reachable:.2f}",
        )
        return
    slope, offset = np.polyfit(target, amplified, 1)
    if not 1 / BRIGHTNESS_TOLERANCE < slope < BRIGHTNESS_TOLERANCE:
        text = f"amplified {ratio:.4g} times it is {slope:.2g} times as bright as {long.name}: mislabelled?"
        yield Finding(short, text)
    elif abs(offset) > OFFSET:
        text = (
            f"its black level seems to be {offset / ratio:.2%} of the range off, {offset:.0%} when amplified"
        )
        yield Finding(short, text, is_fault=False)


def _cells(image: np.ndarray, side: int) -> np.ndarray:
    """Means (h', w') of whole cells of an image (h, w)."""
    height, width = (length // side * side for length in image.shape)
    return reduced(image[:height, :width], side)
