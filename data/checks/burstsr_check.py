"""What can be wrong with BurstSR in its published layout (`python -m data.check`)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data.burstsr_dataset import (
    CAMERA,
    FRAMES,
    IMAGE,
    PHONE,
    phone_meta,
    read_frames,
    read_target,
    split_of,
)
from data.checks.base_check import ALL_CLIPPED, LEVEL_TOLERANCE, MOSTLY_CLIPPED, BaseCheck, Finding
from data.reading.folders import subfolders
from util.errors import UserError

CLIPPED = 0.9  # of what values are divided by: black was taken away
EXPOSURE_TOLERANCE = 1.1  # factor between frames of one exposure
GREENS = ([1, 2], [1])  # planes of a frame, and of the target
TARGET_TOLERANCE = LEVEL_TOLERANCE**2  # two cameras, whose pixels are not equally sensitive


class BurstsrCheck(BaseCheck):
    """Checks of a data set of class BurstsrDataset; a sample is the folder of a burst."""

    split_names = ("train", "val")

    def layout(self) -> Iterator[Finding]:
        """Missing splits, too few bursts, and those of scenes that belong to another split."""
        yield from super().layout()
        for split in self.splits:
            for burst in subfolders(split):
                if split_of(burst) != split.name:
                    text = f"its scene is of the split '{split_of(burst)}': it is not read"
                    yield Finding(burst, text, is_fault=False)

    def sample(self, folder: Path) -> list[Finding]:
        """All findings in the frames and the target of a burst."""
        findings: list[Finding] = []
        frames: dict[int, np.ndarray] = {}
        for number in range(FRAMES):
            try:
                frames[number] = read_frames(folder, [number])[0]
            except UserError as error:
                findings.append(_finding(folder / PHONE.format(number), error))
        if 0 not in frames:
            return findings
        for number, frame in frames.items():
            path = folder / PHONE.format(number) / IMAGE
            findings += [Finding(path, text) for text in _frame_faults(frame, frames[0])]
        findings += _exposures(folder, frames)
        try:
            target = read_target(folder, frames[0].shape[1:])
        except UserError as error:
            return [*findings, _finding(folder / CAMERA, error)]
        return findings + [
            Finding(folder / CAMERA / IMAGE, text) for text in _target_faults(target, frames[0])
        ]


def _finding(path: Path, error: UserError) -> Finding:
    return Finding(path, str(error).removeprefix(str(path)).lstrip("/: "))


def _frame_faults(frame: np.ndarray, first: np.ndarray) -> Iterator[str]:
    """What is wrong with a frame (4, h, w)."""
    share = float((frame > CLIPPED).mean())
    if frame.min() == frame.max():
        yield "all values are the same"
    elif share > MOSTLY_CLIPPED:
        yield f"{share:.0%} of the values are clipped"
    if frame.shape != first.shape:
        yield f"{frame.shape[1:]} px, but frame 0 has {first.shape[1:]}"


def _exposures(folder: Path, frames: dict[int, np.ndarray]) -> Iterator[Finding]:
    """Frames that were not exposed as frame 0 was: they are taken for equally bright."""
    light = phone_meta(folder, 0).light
    for number in frames:
        ratio = phone_meta(folder, number).light / light
        if not 1 / EXPOSURE_TOLERANCE < ratio < EXPOSURE_TOLERANCE:
            text = f"exposed {ratio:.3g} times as long as frame 0: all frames have one exposure"
            yield Finding(folder / PHONE.format(number), text)


def _target_faults(target: np.ndarray, frame: np.ndarray) -> Iterator[str]:
    """What is wrong with a target (3, 8h, 8w) beside frame 0 (4, h, w)."""
    if float((target >= target.max()).mean()) > ALL_CLIPPED:
        yield "all values are the same"
        return
    seen, shown = (float(image[planes].mean()) for image, planes in zip((frame, target), GREENS, strict=True))
    ratio = (shown + 1e-3) / (seen + 1e-3)
    if not 1 / TARGET_TOLERANCE < ratio < TARGET_TOLERANCE:
        yield f"its green is {ratio:.3g} times that of frame 0, after the exposures were matched"
