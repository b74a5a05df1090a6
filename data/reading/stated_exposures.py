"""Exposures of published sets of developed pictures: a list whose unit the set decides.

What is measured in the frames can contradict it: `check_stated`.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.reading.measured_exposures import OVERRIDE
from data.reading.measurements import level_ratio, percentiles
from data.reading.number_list import read_numbers, read_text
from util.errors import UserError

PLAUSIBLE = (0.1, 8)  # stops between neighbours of a list
UNIT_TOLERANCE = 2.0  # factor by which pictures may differ from a list before its unit is in doubt
CLOSE = 1.25  # factor by which pictures may differ from a list that fits well
BETTER = 1.3  # factor by which the other unit must fit better, where it fits within CLOSE
EVEN = 0.1  # part by which the steps of a list may differ in stops and still be thought of as even
WELL_EXPOSED = (0.02, 0.8)  # linear values that tell how bright a picture is
FEWEST = 5  # such percentiles that tell it reliably
DARKER = 2 / 3  # of the brightness before: below that a frame was not exposed longer, whatever moved
ALIKE = 1.05  # factor below which all levels of frames of one exposure differ
RISEN = 1.8  # ratio of exposures from which frames cannot be that alike


class Stated(NamedTuple):
    """What a list of a unit that the data set decides says of some frames.

    Attributes:
        path: the list. numbers: those of the frames (T,), rising. unit: of UNITS.
        is_trusted: whether it counts whatever the frames show.
        is_linear: whether the frames' decoded values are proportional to light, as far as is known.
    """

    path: Path
    numbers: np.ndarray
    unit: str
    is_trusted: bool = False
    is_linear: bool = False

    @property
    def exposures(self) -> np.ndarray:
        """Exposures (T,) relative to the first frame's."""
        return in_unit(self.numbers, self.unit)

    def of(self, indices: Sequence[int]) -> "Stated":
        """Those of some of the frames."""
        return self._replace(numbers=self.numbers[list(indices)])


UNITS = {"stops": "times", "times": "stops"}  # and what each is mistaken for


def in_unit(numbers: np.ndarray, unit: str) -> np.ndarray:
    """Exposures (T,) relative to the first: 2^number of "stops", or "times" as they are."""
    return np.exp2(numbers - numbers[0]) if unit == "stops" else numbers / numbers[0]


def read_stated(path: Path, count: int, unit: str) -> Stated:
    """The list of a scene of `count` frames, a number each in `unit`, from the shortest exposure on.

    What follows # in a line is passed over.

    Raises:
        UserError: there is no such list, it is damaged or does not fit, or seems to be in the other unit.
    """
    try:
        text = read_text(path)
    except FileNotFoundError:
        found = _misnamed(path)
        problem = f"does not exist, but {found} does: rename that" if found else "does not exist"
        raise UserError(f"{path} {problem}: it must hold the frames' exposures in {unit}") from None
    numbers = read_numbers(path, text)
    if len(numbers) != count:
        raise UserError(f"{path}: {len(numbers)} numbers for {count} frames; one for each is needed")
    shown = " ".join(f"{number:g}" for number in numbers)
    if not np.isfinite(numbers).all():
        raise UserError(f"{path}: exposures {shown} are not finite")
    if unit == "times" and (numbers <= 0).any():
        raise UserError(f"{path}: exposures {shown} look like stops, but must be times, above 0")
    if (np.diff(numbers) <= 0).any():
        raise UserError(f"{path}: exposures {shown} do not rise as the frames' names do")
    steps = np.diff(numbers if unit == "stops" else np.log2(numbers))
    if ((steps < PLAUSIBLE[0]) | (steps > PLAUSIBLE[1])).any():
        meaning = {"stops": "stops (2 = four times)", "times": "times (4 = four times)"}[unit]
        raise UserError(f"{path}: exposures {shown} look like {UNITS[unit]}, but must be {meaning}")
    return Stated(path, numbers, unit)


def _misnamed(path: Path) -> str | None:
    """The name of a list beside `path` that is called almost as it is."""
    names = (file.name for file in sorted(path.parent.glob("*")) if file.is_file())
    return next((name for name in names if name.lower() in ("exposure.txt", "exposures.txt")), None)


class Ratio(NamedTuple):
    """How many times as bright a frame is as the one before.

    Attributes:
        usual, most: the median, and the largest, over the levels that are well exposed.
    """

    usual: float
    most: float


def measured_ratios(images: Sequence[np.ndarray]) -> list[Ratio | None]:
    """How many times as bright each image is as the one before, None where hardly anything is well exposed.

    Args:
        images: one plane (H, W) each of linear values, 1 = white.
    """
    levels = [percentiles(image) for image in images]
    return [_measured(*pair) for pair in itertools.pairwise(levels)]


def _measured(below: np.ndarray, above: np.ndarray) -> Ratio | None:
    """The ratio of two images, given their `percentiles` (99,), which do not ask where something lies."""
    good = (above > WELL_EXPOSED[0]) & (above < WELL_EXPOSED[1]) & (below > 0)
    if good.sum() < FEWEST:
        return None
    return Ratio(level_ratio(below, above, *WELL_EXPOSED), float((above[good] / below[good]).max()))


def check_stated(stated: Stated, ratios: Sequence[Ratio | None]) -> None:
    """Check that a list fits frames that are `ratios` times as bright as the one before each.

    Raises:
        UserError: frames get darker, or are alike, where the list rises; or the other unit fits.
    """
    steps = stated.exposures[1:] / stated.exposures[:-1]
    for number, (step, ratio) in enumerate(zip(steps, ratios, strict=True), 1):
        if ratio is None:
            continue
        pair = (
            f"of the frames used, number {number + 1} is {ratio.usual:.2g} times as bright as number {number}"
        )
        if ratio.most < 1 and ratio.usual < DARKER:
            raise UserError(
                f"{stated.path} rises, but {pair}: are they in order, from the shortest on? {OVERRIDE}"
            )
        if step > RISEN and ratio.usual > 1 / ALIKE and ratio.most < ALIKE:
            raise UserError(
                f"{stated.path} rises {step:.3g} times, but {pair}: have they the same exposure? {OVERRIDE}"
            )
    _check_unit(stated, [ratio and ratio.usual for ratio in ratios])


def _check_unit(stated: Stated, ratios: Sequence[float | None]) -> None:
    """Raise a UserError if the other unit fits the frames clearly better.

    A list of even steps is trusted: cameras bracket by stops, which are not even when read as the other unit.
    """
    other = UNITS[stated.unit]
    steps = np.diff(np.log2(stated.exposures))
    if np.ptp(steps) <= EVEN * steps.mean():
        return
    if other == "times" and (stated.numbers <= 0).any():
        return
    known = [number for number, ratio in enumerate(ratios) if ratio is not None]
    if not known:
        return
    seen = np.array([ratios[number] for number in known])
    errors = {}
    for unit in UNITS:
        exposures = in_unit(stated.numbers, unit)
        errors[unit] = np.exp(np.abs(np.log(seen / (exposures[1:] / exposures[:-1])[known])).max())
    is_far = errors[stated.unit] > UNIT_TOLERANCE > errors[other]
    is_further = errors[stated.unit] > max(BETTER * errors[other], CLOSE) and errors[other] < CLOSE
    if is_far or is_further:
        brighter = ", ".join(f"{ratio:.2g}" for ratio in seen)
        raise UserError(
            f"{stated.path} seems to hold {other}, but must hold {stated.unit}: "
            f"the frames are {brighter} times as bright as the one before; {OVERRIDE}"
        )
