"""What can be wrong with bursts in the layout of SyntheticBurst (`python -m data.check`)."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import cv2
import numpy as np

from data.checks.base_check import LEVEL_TOLERANCE, MOSTLY_CLIPPED, BaseCheck, Finding
from data.reading.burst_meta import read_burst_meta
from data.reading.folders import subfolders
from data.reading.plane_png import read_planes
from data.reading.sound import colour_fault
from data.simulate.burst import COLOURS, FACTOR, SCALE
from data.synburst_dataset import LEVELS, SynburstDataset, frame_paths, read_target
from util.errors import UserError
from util.imaging.bayer import PLANES

SHIFTS = range(-FACTOR, FACTOR + 1)  # px of the target by which it is tried to fit better
BETTER = 0.95  # of the squared difference: a target that fits so much better elsewhere is displaced
SMOOTH = np.float32([0.25, 0.5, 0.25])  # what frame 0 sees of the target, each way


class SynburstCheck(BaseCheck):
    """Checks of a data set of class SynburstDataset; a sample is the folder of a burst."""

    split_names = ("bursts", "gt")

    def samples(self) -> list[Path]:
        """The folders of bursts."""
        return subfolders(self.root / "bursts") if (self.root / "bursts").is_dir() else []

    def layout(self) -> Iterator[Finding]:
        """A missing folder, targets without a burst, and too few frames."""
        for name in self.split_names:
            if not (self.root / name).is_dir():
                yield Finding(self.root / name, "there is no such folder", is_fault=name == "bursts")
        known = {folder.name for folder in self.samples()}
        for target in subfolders(self.root / "gt") if (self.root / "gt").is_dir() else []:
            if target.name not in known:
                yield Finding(target, "there is no burst of this name")

    def sample(self, folder: Path) -> list[Finding]:
        """All findings in the frames, the target and the camera of a burst."""
        findings: list[Finding] = []
        reference = self._frames(folder, findings)
        target = self.root / "gt" / folder.name
        if not (self.root / "gt").is_dir():
            return findings
        try:
            if fault := colour_fault(read_burst_meta(target)):
                findings.append(Finding(target, fault))
        except UserError as error:
            findings.append(Finding(target, str(error)))
        if reference is not None:
            path = target / "im_rgb.png"
            try:
                gt = read_target(path, reference.shape[1:])
            except UserError as error:
                return [*findings, Finding(path, str(error))]
            findings += [Finding(path, text) for text in _target_faults(gt, reference)]
        return findings

    def _frames(self, folder: Path, findings: list[Finding]) -> np.ndarray | None:
        """Frame 0 in [0, 1] if it can be read; what is wrong with all frames is added to the findings."""
        try:
            paths = frame_paths(folder)
        except UserError as error:
            findings.append(Finding(folder, str(error)))
            return None
        expected = max(SynburstDataset.frame_num, self.min_samples)
        if len(paths) < expected:
            text = f"{len(paths)} frames, expected {expected}"
            findings.append(Finding(folder, text, is_fault=len(paths) < self.min_samples))
        stored: dict[Path, np.ndarray] = {}
        for path in paths:
            try:
                stored[path] = read_planes(path, 4)
            except UserError as error:
                findings.append(Finding(path, str(error)))
        first = stored.get(paths[0])
        for path, planes in stored.items():
            findings += [Finding(path, text) for text in _frame_faults(planes, first)]
        return None if first is None else first.astype(np.float32) / LEVELS


def _frame_faults(planes: np.ndarray, first: np.ndarray | None) -> Iterator[str]:
    """What is wrong with the stored planes (4, h, w) of a frame."""
    if planes.max() > LEVELS:
        yield f"values up to {planes.max()}: {LEVELS} is white"
    elif planes.min() == planes.max():
        yield f"all values are {planes.max()}"
    elif (share := float((planes == LEVELS).mean())) > MOSTLY_CLIPPED:
        yield f"{share:.0%} of the values are white"
    if first is None:
        return
    if planes.shape != first.shape:
        yield f"{planes.shape[1:]} px, but frame 0 has {first.shape[1:]}"
    elif not 1 / LEVEL_TOLERANCE < (planes.mean() + 1) / (first.mean() + 1) < LEVEL_TOLERANCE:
        yield f"mean {planes.mean():.0f}, but frame 0 has {first.mean():.0f}: all frames have one exposure"


def _target_faults(gt: np.ndarray, frame: np.ndarray) -> Iterator[str]:
    """What is wrong with a target (3, 8h, 8w) beside frame 0 (4, h, w), both in [0, 1]."""
    if gt.max() > 1:
        yield f"values up to {gt.max() * LEVELS:.0f}: {LEVELS} is white"
    if not 1 / LEVEL_TOLERANCE < (gt.mean() + 1e-4) / (frame.mean() + 1e-4) < LEVEL_TOLERANCE:
        yield f"mean {gt.mean():.4f}, but frame 0 has {frame.mean():.4f}"
        return
    seen = np.stack([cv2.sepFilter2D(plane, -1, SMOOTH, SMOOTH) for plane in gt])
    inner = frame[:, 1:-1, 1:-1]
    fits = {shift: _difference(seen, inner, shift) for shift in product(SHIFTS, SHIFTS)}
    here, best = fits[0, 0], min(fits, key=fits.get)
    if _difference(seen[::-1], inner, (0, 0)) < BETTER * here:
        yield "its colours are in reverse order: plane 0 of what OpenCV reads is red"
    elif fits[best] < BETTER * here:
        yield f"frame 0 fits better {best[1]:+d} px to the right and {best[0]:+d} px below"


def _difference(seen: np.ndarray, inner: np.ndarray, shift: tuple[int, int]) -> float:
    """Mean squared difference of a frame (4, h, w) without its outermost px from a target (3, 8h, 8w)."""
    expected = [
        seen[
            colour,
            SCALE + FACTOR * row + shift[0] : seen.shape[1] - SCALE + FACTOR * row + shift[0] : SCALE,
            SCALE + FACTOR * column + shift[1] : seen.shape[2] - SCALE + FACTOR * column + shift[1] : SCALE,
        ]
        for (row, column), colour in zip(PLANES["RGGB"], COLOURS, strict=True)
    ]
    return float(np.mean((np.stack(expected) - inner) ** 2))
