"""What can be wrong with bursts for denoising in the published files (`python -m data.check`)."""

import math
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from data.base_dataset import BaseDataset
from data.burst_denoise_dataset import COLOUR_FILES, GRAY_LEVELS, BurstFile, gray_files
from data.checks.base_check import LEVEL_TOLERANCE, BaseCheck, Finding
from util.errors import UserError

SHOWN = 5  # bursts of a file whose faults are told, each in lines of its own
FARTHEST = 4  # px by which it is tried whether frame 0 fits better
BETTER = 0.95  # of the squared difference: a truth that fits so much better elsewhere is displaced
NOISE_TOLERANCE = 1.2  # factor between the deviation of the noise and that of the levels in the file
CERTAIN = 4  # standard errors of a mean
ROUNDING = 1e-3  # share of white by which values may be above it


class BurstDenoiseCheck(BaseCheck):
    """Checks of a data set of class BurstDenoiseDataset; a sample is a file."""

    def __init__(self, dataset: type[BaseDataset], root: Path, min_samples: int = 1) -> None:
        self.dataset, self.root, self.min_samples = dataset, root, min_samples
        self.colour = [path for name in COLOUR_FILES.values() if (path := root / name).is_file()]
        self.gray = gray_files(root)

    def samples(self) -> list[Path]:
        """The files of colour, and the gray ones."""
        return self.colour + self.gray

    def layout(self) -> Iterator[Finding]:
        """A gain without a file of colour, and more than one gray file."""
        there = {path.name for path in self.colour}
        for name in COLOUR_FILES.values() if there else ():
            if name not in there:
                yield Finding(self.root / name, "there is no such file", is_fault=False)
        for path in self.gray[1:]:
            yield Finding(path, f"is a gray file beside {self.gray[0].name}: leave one there")

    def sample(self, path: Path) -> list[Finding]:
        """All findings in a file; of faulty bursts those of the first ones."""
        try:
            file = BurstFile(path, "grayscale" if path in self.gray else "color")
        except UserError as error:
            return [Finding(path, str(error))]
        findings, per_level = [], file.images
        if path in self.gray:
            per_level, rest = divmod(file.images, GRAY_LEVELS)
            if rest:
                text = f"{file.images} images, expected {GRAY_LEVELS} levels of as many each"
                findings.append(Finding(path, text))
        if per_level < self.min_samples:
            findings.append(Finding(path, f"{per_level} images, expected {self.min_samples} or more"))
        if file.frames < self.dataset.frame_num:
            text = f"{file.frames} frames, expected {self.dataset.frame_num}"
            findings.append(Finding(path, text, is_fault=False))
        faults = {number: found for number in range(file.images) if (found := list(_faults(file, number)))}
        for number in list(faults)[:SHOWN]:
            findings += [Finding(path, f"image {number}: {text}") for text in faults[number]]
        if len(faults) > SHOWN:
            findings.append(Finding(path, f"{len(faults) - SHOWN} more images have faults"))
        return findings


def _faults(file: BurstFile, number: int) -> Iterator[str]:
    """What is wrong with a burst."""
    frames, truth = file.frames_of(number, file.frames), file.truth_of(number)
    white, levels = file.white_level_of(number), file.levels_of(number)
    for name, values in (
        ("noisy", frames),
        ("truth", truth),
        ("sig_read or sig_shot", (levels.read, levels.shot)),
    ):
        if not np.isfinite(values).all():
            yield f"{name} has values that are not finite"
            return
    if not 0 < white <= 1:
        yield f"white_level is {white:g}"
    elif truth.min() < 0 or truth.max() > white * (1 + ROUNDING):
        yield f"truth goes from {truth.min():.4g} to {truth.max():.4g}, white is {white:.4g}"
    if truth.min() == truth.max():
        yield f"truth is {truth.max():.4g} everywhere"
        return
    deviation = levels.deviation(truth)
    yield from _frame_faults(frames, truth, CERTAIN * float(deviation.mean()) / math.sqrt(truth.size))
    yield from _misfit(frames[0], truth, deviation)


def _frame_faults(frames: np.ndarray, truth: np.ndarray, uncertain: float) -> Iterator[str]:
    """What is wrong with the mean of frames (T, C, H, W), of which noise leaves so much uncertain."""
    lowest, highest = truth.mean() / LEVEL_TOLERANCE, truth.mean() * LEVEL_TOLERANCE
    for index, mean in enumerate(frames.mean(axis=(1, 2, 3))):
        if index and np.array_equal(frames[index], frames[0]):
            yield f"frame {index} is frame 0"
        elif not lowest - uncertain <= mean <= highest + uncertain:
            yield f"frame {index} has mean {mean:.4g}, truth {truth.mean():.4g}"


def _misfit(frame: np.ndarray, truth: np.ndarray, deviation: np.ndarray) -> Iterator[str]:
    """How frame 0 does not fit truth: it is displaced, or its noise is not of the stated deviation."""
    fits = {
        shift: _difference(frame.mean(axis=0), truth.mean(axis=0), shift)
        for shift in product(range(-FARTHEST, FARTHEST + 1), repeat=2)
    }
    best = min(fits, key=fits.get)
    if fits[best] < BETTER * fits[0, 0]:
        yield f"frame 0 fits truth better {best[1]:+d} px to the right and {best[0]:+d} px below"
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = float(np.sqrt(np.mean(((frame - truth) / deviation) ** 2)))
    if not 1 / NOISE_TOLERANCE < noise < NOISE_TOLERANCE:
        yield f"the noise of frame 0 is {noise:.3g} times that of sig_read and sig_shot"


def _difference(frame: np.ndarray, truth: np.ndarray, shift: tuple[int, int]) -> float:
    """Mean squared difference of the inner px of frame (H, W) from truth (H, W) rows and columns on."""
    rows, columns = (
        slice(FARTHEST + move, side - FARTHEST + move) for move, side in zip(shift, truth.shape, strict=True)
    )
    inner = slice(FARTHEST, -FARTHEST)
    return float(np.mean((frame[inner, inner] - truth[rows, columns]) ** 2))
