"""How much brighter frames are than each other, measured in their px, against what is said of exposures.

All readers of brackets ask here: own photographs, real and developed sets, lists and EXIF.
"""

import argparse
import itertools
import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from util.errors import UserError
from util.parser import boolean

SOME = 16  # 2^SOME px, evenly spread, are looked at
CELLS = 64  # along the shorter side, over which px are averaged
DARK, CLIPPED = 0.01, 0.8  # levels between which the px of a cell tell
FAINT = 1e-4  # level above which the darker of two frames must lie
FEWEST = 60  # cells that tell
BURNT = 0.95  # mean of a cell from which on it is clipped
MANY, HARDLY_ANY = 0.1, 0.01  # shares of cells clipped in one frame alone
ALIKE_SCENE = 0.5  # part of the spread of levels that the spread of ratios may have in frames of one scene
FLAT = 0.01  # spread of levels, in logarithms, of a frame that shows nothing
UNANIMOUS = 0.9  # share of cells from which on there is no doubt which of two frames is the brighter
STOP, THIRD = math.log(2), math.log(2) / 3
STEEPEST, FLATTEST = 2.2, 1 / 1.75  # slopes of unknown tone curves against sRGB
SAME, RISEN = math.log(1.05), math.log(1.8)  # frames are copies, though their exposures cannot be
PRECISE, LEVEL = (
    0.01,
    0.03,
)  # errors in logarithms: of the ratio, and between the darker and the brighter half
OVERRIDE = "--trust_exposures True takes them as they are"


class Cells(NamedTuple):
    """Mean and largest value of the cells of a frame's green, (h, w) each."""

    mean: np.ndarray
    largest: np.ndarray


class Ratio(NamedTuple):
    """How many times as bright a frame is as another, in logarithms.

    Attributes:
        value: the median over the cells that are neither dark nor clipped in both frames.
        is_clear: the cells agree on how much brighter. is_precise: well enough to refine an exposure by.
        brighter: share of the cells that are brighter at all.
    """

    value: float
    is_clear: bool
    is_precise: bool
    brighter: float


class Claim(NamedTuple):
    """What is said of the frames of a scene.

    Attributes:
        files: from the shortest to the longest. exposures: of each (T,), in any unit.
        source: the list that says it; None: EXIF.
        is_linear: whether values are proportional to light; else a tone curve bends them that is not known.
        may_be_misread: whether a list can be in another unit, or reversed, that has not been ruled out.
    """

    files: Sequence[Path]
    exposures: np.ndarray
    source: Path | None
    is_linear: bool = True
    may_be_misread: bool = True


def add_trust_option(parser: argparse.ArgumentParser) -> None:
    """The option by which exposures count without a look at the frames."""
    parser.add_argument(
        "--trust_exposures",
        type=boolean,
        default=False,
        help="take exposures as lists and EXIF tell them, even where the frames' brightness contradicts them",
    )


def thinned(image: np.ndarray) -> np.ndarray:
    """Evenly spread px of (H, W, ...), about 2^SOME of them."""
    step = max(1, math.isqrt(image.shape[0] * image.shape[1] >> SOME))
    return image[::step, ::step]


def cells(green: np.ndarray) -> Cells:
    """The cells of a frame's green (H, W), 0 = black, 1 = white."""
    side = max(1, min(green.shape) // CELLS)
    height, width = (length // side * side for length in green.shape)
    parts = green[:height, :width].reshape(height // side, side, width // side, side)
    return Cells(parts.mean((1, 3), dtype=np.float32), parts.max((1, 3)))


def measure(below: Cells, above: Cells) -> Ratio | None:
    """How many times as bright `above` is as `below`; None where too little is well exposed in both.

    The median over cells asks neither what moved in fewer than half of them nor, as cells are means, for
    noise. They are chosen in the brighter frame, so that noise in the darker one does not choose them.
    """
    well = (np.maximum(below.largest, above.largest) < CLIPPED) & (np.minimum(below.mean, above.mean) > FAINT)
    seen = well & (np.minimum(below.mean, above.mean) > DARK)
    if seen.sum() < FEWEST:
        return None
    factor = np.median(above.mean[seen] / below.mean[seen])
    brighter = above.mean if factor > 1 else below.mean
    seen = well & (brighter > DARK * max(factor, 1 / factor))
    if seen.sum() < FEWEST:
        return None
    ratios, levels = np.log(above.mean[seen] / below.mean[seen]), np.log(brighter[seen])
    spread, variety = _spread(ratios), _spread(levels)
    is_clear = variety > FLAT and spread < ALIKE_SCENE * variety
    is_bright = levels > np.median(levels)
    halves = [float(np.median(ratios[half])) for half in (is_bright, ~is_bright) if half.any()]
    error = 1.86 * spread / math.sqrt(len(ratios))  # of a median, by the median deviation of a Gaussian
    is_precise = bool(is_clear and error < PRECISE and np.ptp(halves) < LEVEL)
    return Ratio(float(np.median(ratios)), bool(is_clear), is_precise, float((ratios > 0).mean()))


def _spread(values: np.ndarray) -> float:
    return float(np.median(np.abs(values - np.median(values))))


def confirmed(claim: Claim, greens: Iterable[np.ndarray]) -> np.ndarray:
    """The exposures (T,) of a claim that the frames' green px (H, W), thinned ones, do not contradict.

    Times in EXIF are nominal (1/60 is 1/64): where values are linear and are measured well, the measured
    ratio of neighbours counts if it is within a third of a stop. A list counts as it is.

    Raises:
        UserError: frames that should be longer exposed are darker, or alike, or their ratio is more than a
            stop off.
    """
    pairs = list(itertools.pairwise(map(cells, greens)))
    ratios = [measure(*pair) for pair in pairs]
    for number, (pair, ratio) in enumerate(zip(pairs, ratios, strict=True)):
        if not ratio and _is_brighter(*pair):
            raise UserError(_clipped_first(claim, number))
    steps = np.diff(np.log(claim.exposures))
    for number, (step, ratio) in enumerate(zip(steps, ratios, strict=True)):
        if ratio and _contradicts(step, ratio, claim.is_linear):
            raise UserError(_contradiction(claim, ratios, number))
    if not claim.is_linear:
        return claim.exposures
    refined = claim.exposures.copy()
    for number, (step, ratio) in enumerate(zip(steps, ratios, strict=True)):
        if ratio and ratio.is_precise and abs(ratio.value - step) > THIRD:
            counts = "the list" if claim.source else "EXIF"
            print(f"note: {_pair(claim, ratio, number)}; {counts} counts", file=sys.stderr)
        elif ratio and ratio.is_precise and claim.source is None:
            refined[number + 1 :] *= math.exp(ratio.value - step)
    return refined


def _is_brighter(below: Cells, above: Cells) -> bool:
    """Whether `below` is clipped in many places where `above` is not, and hardly anywhere the other way."""
    alone = [
        ((one.mean >= BURNT) & (other.largest < CLIPPED)).mean()
        for one, other in ((below, above), (above, below))
    ]
    return bool(alone[0] > MANY and alone[1] < HARDLY_ANY)


def _clipped_first(claim: Claim, number: int) -> str:
    """The message about frames of which the one that is told to be the shorter is clipped."""
    short, long = claim.files[number : number + 2]
    told = f"{claim.source}: {long.name}" if claim.source else f"{long}"
    by, advice = ("", ": is the list reversed (1/shutter)?") if claim.source else (" by EXIF", "")
    exposed = f"was exposed longer than {short.name}{by}, but is darker: that one is clipped where it is not"
    return f"{told} {exposed}{advice}; {OVERRIDE}"


def _contradicts(step: float, ratio: Ratio, is_linear: bool) -> bool:
    """Whether frames cannot be `step` apart in exposure (from 0 on), both in logarithms."""
    if ratio.value < -SAME and step - ratio.value > STOP / 2 and ratio.brighter < 1 - UNANIMOUS:
        return True
    if not ratio.is_clear:
        return False
    if step > RISEN and abs(ratio.value) < SAME:
        return True
    off = abs(ratio.value - step) > STOP
    if is_linear:
        return off or (ratio.value < -SAME and step - ratio.value > STOP / 2)
    return off and not FLATTEST * step < ratio.value < STEEPEST * step


def _pair(claim: Claim, ratio: Ratio, number: int) -> str:
    """What is said of frame `number` and the next, and what is measured."""
    short, long = claim.files[number : number + 2]
    said = claim.exposures[number + 1] / claim.exposures[number]
    source = f"{claim.source}: {long.name}" if claim.source else f"{long}"
    by = "" if claim.source else " by EXIF"
    exposed = f"was exposed {said:.3g} times as long as {short.name}{by}"
    return f"{source} {exposed}, but is {math.exp(ratio.value):.3g} times as bright"


def _contradiction(claim: Claim, ratios: Sequence[Ratio | None], number: int) -> str:
    """The message about the frames `number` and `number` + 1, with what would fit."""
    advice = next((text for text, exposures in _others(claim, ratios) if _fits(claim, ratios, exposures)), "")
    return f"{_pair(claim, ratios[number], number)}{advice}; {OVERRIDE}"


def _fits(claim: Claim, ratios: Sequence[Ratio | None], exposures: np.ndarray) -> bool:
    """Whether other exposures of the frames agree with all that is measured."""
    pairs = zip(np.diff(np.log(exposures)), ratios, strict=True)
    return not any(
        ratio and _contradicts(abs(step), ratio._replace(**_turned(ratio, step)), claim.is_linear)
        for step, ratio in pairs
    )


def _turned(ratio: Ratio, step: float) -> dict[str, float]:
    """What of a ratio changes if its two frames are swapped because `step` falls."""
    return {} if step >= 0 else {"value": -ratio.value, "brighter": 1 - ratio.brighter}


def _others(claim: Claim, ratios: Sequence[Ratio | None]) -> list[tuple[str, np.ndarray]]:
    """What else could have been meant, in words, and the exposures (T,) that it stands for."""
    found, exposures = [], claim.exposures
    name = claim.source.name if claim.source and claim.may_be_misread else ""
    if name:
        found.append((": is the list reversed (1/shutter)?", 1 / exposures))
    if name == "exposure.txt" and np.ptp(exposures) < 40:
        found.append((": are these stops? then the list is called ev.txt", np.exp2(exposures)))
    if name == "ev.txt" and (np.log2(exposures) > 0).all():
        found.append((": are these times? then the list is called exposure.txt", np.log2(exposures)))
    if all(ratios):
        heights = np.concatenate([[0], np.cumsum([ratio.value for ratio in ratios])])
        sorted_as_seen = np.sort(exposures)[np.argsort(np.argsort(heights))]
        found.append((f": would {_listed(claim, sorted_as_seen)} be right?", sorted_as_seen))
        if claim.is_linear:
            seen = np.exp(heights - heights.min())
            found.append((f": the frames fit {_listed(claim, seen)}", seen))
    return found


def _listed(claim: Claim, exposures: np.ndarray) -> str:
    """Files with their exposures, the shortest 1, in the order of `exposures`."""
    order = np.argsort(exposures)
    return ", ".join(f"{claim.files[i].name} {exposures[i] / exposures[order[0]]:.3g}" for i in order)
