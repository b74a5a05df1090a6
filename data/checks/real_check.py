"""What can be wrong with real brackets in their published layout (`python -m data.check`)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data.checks.base_check import ALL_CLIPPED, MOSTLY_CLIPPED, RATIO_TOLERANCE, BaseCheck, Finding
from data.reading.arrays import MappedArray
from data.reading.exif import Shot, read_shot
from data.reading.exposures import LISTS, contradiction, from_shots, read_list
from data.reading.measurements import level_ratio, percentiles
from data.reading.raw import RawImage, normalise, read_raw
from data.real_dataset import FEWEST, WHY_FEWEST, dng_files
from util.errors import UserError

KNOWN_IN_SCENE = (*LISTS, "raw_gt.npy", "parameters.json")
PUBLISHED_FRAMES = 5
CLIPPED = 0.98  # of the white level
WELL_EXPOSED = (0.05, 0.9)
BLACK_TOLERANCE = 0.01  # by which most of the shortest frame may lie under the black level


class RealCheck(BaseCheck):
    """Checks of a data set of class RealDataset."""

    def sample(self, folder: Path) -> list[Finding]:
        """All findings in the folder of a scene."""
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        files = dng_files(folder)
        findings = [
            Finding(entry, "does not belong here")
            for entry in entries
            if entry not in files and entry.name not in KNOWN_IN_SCENE
        ]
        if len(files) < FEWEST:
            short = f"{len(files)} files *.dng, {FEWEST} or more are needed: {WHY_FEWEST}"
            return [*findings, Finding(folder, short)]
        if len(files) != PUBLISHED_FRAMES:
            findings.append(Finding(folder, f"{len(files)} brackets, published are 5", is_fault=False))
        images = {}
        for file in files:
            try:
                images[file] = read_raw(file)
            except UserError as error:
                findings.append(Finding(file, str(error).removeprefix(str(file)).lstrip(": ")))
        exposures, wrong = _exposures(folder, files)
        findings += [*_alike(images), *_target(folder / "raw_gt.npy", images), *wrong]
        if len(images) == len(files) and exposures is not None:
            findings += _levels(images, exposures)
        return findings


def _alike(images: dict[Path, RawImage]) -> Iterator[Finding]:
    """Whether all frames are of the first one's kind."""
    kinds = {
        file: f"{image.planes.shape[0]} x {image.planes.shape[1]} packed px, {image.cfa}, "
        f"white {image.white:g}, camera '{image.camera}'"
        for file, image in images.items()
    }
    first = next(iter(kinds.values()), "")
    for file, kind in kinds.items():
        if kind != first:
            yield Finding(file, f"is {kind}; the first file is {first}")


def _target(path: Path, images: dict[Path, RawImage]) -> Iterator[Finding]:
    """What is wrong with the target of a simulated scene, if it has one."""
    if not path.exists():
        return
    try:
        array = MappedArray(path, "float32", 4)
    except UserError as error:
        yield Finding(path, str(error).removeprefix(f"{path}: "))
        return
    target = np.empty(array.shape, np.float32)
    array.read(0, 0, target)
    if not np.isfinite(target).all():
        yield Finding(path, "holds values that are not finite")
    shape = next((image.planes.shape for image in images.values()), array.shape)
    if array.shape != shape:
        yield Finding(path, f"shape {array.shape}, not {shape} as its brackets")


def _shot(file: Path) -> Shot:
    try:
        return read_shot(file, is_raw=True)
    except UserError:  # of which the image's own finding tells
        return Shot()


def _exposures(folder: Path, files: list[Path]) -> tuple[np.ndarray | None, list[Finding]]:
    """Exposures of the files (T,), None if they are useless, and what is wrong with them."""
    shots = [_shot(file) for file in files]
    try:
        listed = read_list(folder, files)
        exposures = listed[0] if listed else from_shots(files, shots)
    except UserError as error:
        return None, [Finding(folder, str(error).removeprefix(f"{folder}/"))]
    findings = []
    if listed and (note := contradiction(*listed, files, shots)):
        findings.append(Finding(listed[1], note.removeprefix(f"{listed[1]}: "), is_fault=False))
    if (np.diff(exposures) > 0).all():
        return exposures, findings
    return None, [*findings, Finding(folder, f"exposures {exposures} do not rise as the names do")]


def _levels(images: dict[Path, RawImage], exposures: np.ndarray) -> Iterator[Finding]:
    """Saturation, black level and brightness of a full set of frames against their exposures."""
    levels = []
    for number, (file, image) in enumerate(images.items()):
        values = normalise(image.planes, image.black, image.white)
        green = (values[..., 1] + values[..., 2]) / 2
        levels.append(percentiles(green))
        share = float((values > CLIPPED).mean())
        if share > (ALL_CLIPPED if number else MOSTLY_CLIPPED):
            yield Finding(file, f"{share:.0%} of the values are saturated")
        if levels[-1][49] < -BLACK_TOLERANCE:
            yield Finding(
                file, f"half of the values lie {-levels[-1][49]:.1%} of the range under the black level"
            )
        if number == 0:
            continue
        factor = exposures[number] / exposures[number - 1]
        ratio = level_ratio(levels[number - 1], levels[number], *WELL_EXPOSED)
        if ratio is not None and not 1 / RATIO_TOLERANCE < ratio / factor < RATIO_TOLERANCE:
            yield Finding(
                file, f"{ratio:.2g} times as bright as the frame before, expected {factor:.3g}: mislabelled?"
            )
