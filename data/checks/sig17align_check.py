"""What can be wrong with a data set in the layout of Kalantari's scenes (`python -m data.check`)."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np

from data.alignment.sources import SOURCES, digest
from data.checks.base_check import (
    ALL_CLIPPED,
    LEVEL_TOLERANCE,
    MOSTLY_CLIPPED,
    RATIO_TOLERANCE,
    BaseCheck,
    Finding,
)
from data.ldr_scenes import TASK, how_to_align
from data.reading.folders import subfolders
from data.reading.ldr_frames import (
    LEAST,
    LINEAR,
    Scene,
    brightness_ratios,
    check_sizes,
    find_label,
    read_frame,
    three_frames,
)
from data.reading.measurements import level_ratio, percentiles
from data.reading.stated_exposures import Stated, check_stated, read_stated
from data.sig17align_dataset import FOLDERS, LABEL
from util.errors import UserError
from util.imaging.radiance import read_radiance

CLIPPED = LINEAR[65000]
WELL_EXPOSED = (0.02, 0.8)  # linear values
STEP = 2  # every such px is compared where frames are

Result = TypeVar("Result")


class Sig17alignCheck(BaseCheck):
    """Checks of a data set of class Sig17alignDataset."""

    split_names = tuple(dict.fromkeys(FOLDERS.values()))

    def layout(self) -> Iterator[Finding]:
        """Missing splits, splits with too few scenes, and aligned scenes without a scene."""
        yield from super().layout()
        for split in self.splits:
            aligned = split.with_name(f"{split.name}_align")
            if not aligned.is_dir():
                advice = how_to_align("sig17align", self.root)
                yield Finding(aligned, f"there is no such folder: {advice}", is_fault=False)
                continue
            names = {scene.name for scene in subfolders(split)}
            for scene in subfolders(aligned):
                if scene.name not in names:
                    yield Finding(scene, f"there is no scene {split / scene.name}")

    def sample(self, folder: Path) -> list[Finding]:
        """All findings in the folder of a scene, and of its aligned frames."""
        findings: list[Finding] = []
        images = self._images(folder, findings)
        path = folder / "exposure.txt"
        stated = images and _tried(findings, path, lambda: read_stated(path, len(images), "stops"))
        label = self._label(folder, findings, is_needed=False)
        aligned = folder.parent.with_name(f"{folder.parent.name}_align") / folder.name
        moved: dict[Path, np.ndarray] = {}
        merged = None
        if aligned.parent.is_dir():
            moved = self._images(aligned, findings)
            merged = self._label(aligned, findings, is_needed=folder.parent.name == FOLDERS["train"])
        everything = images | moved | dict(entry for entry in (label, merged) if entry)
        if not everything:
            return findings
        sizes = {path: image.shape[:2] for path, image in everything.items()}
        fits = _tried(findings, folder, lambda: check_sizes(sizes) or True)
        if fits and stated and images:
            findings += _levels(images, stated)
            findings += [
                found for entry in (label, merged) if entry for found in _label_level(*entry, images, stated)
            ]
            if moved:
                findings += _closer(aligned, images, moved, stated)
                findings += _outdated(aligned, Scene(folder.name, tuple(images), stated, {}))
        return findings

    def _images(self, folder: Path, findings: list[Finding]) -> dict[Path, np.ndarray]:
        """The frames in a folder that can be read, uint16 (H, W, 3); what is wrong goes to `findings`."""
        files = _tried(findings, folder, lambda: three_frames(folder, "a scene has short, medium, long"))
        read = {file: _tried(findings, file, lambda file=file: read_frame(file)) for file in files or ()}
        return read if all(image is not None for image in read.values()) else {}

    def _label(
        self, folder: Path, findings: list[Finding], is_needed: bool
    ) -> tuple[Path, np.ndarray] | None:
        """The label in a folder and its file, if it is good."""
        path = find_label(folder, LABEL)
        if path is None:
            findings.append(Finding(folder, f"there is no {LABEL}.hdr or .exr", is_needed))
            return None
        label = _tried(findings, path, lambda: read_radiance(path))
        if label is None:
            return None
        wrong = {"not finite": ~np.isfinite(label), "negative": label < LEAST}
        bad = [Finding(path, f"{mask.sum()} values are {what}") for what, mask in wrong.items() if mask.any()]
        findings += bad
        return None if bad else (path, label)


def _tried(findings: list[Finding], path: Path, read: Callable[[], Result]) -> Result | None:
    """What `read` gives; None, and a finding at `path`, where it raises a UserError."""
    try:
        return read()
    except UserError as error:
        findings.append(Finding(path, str(error).removeprefix(str(path)).lstrip(": ")))
        return None


def _levels(images: dict[Path, np.ndarray], stated: Stated) -> Iterator[Finding]:
    """Saturation, and brightness against the stated exposures."""
    files = list(images)
    for number, (file, image) in enumerate(images.items()):
        share = float((LINEAR[image[::STEP, ::STEP]] >= CLIPPED).mean())
        if share > (ALL_CLIPPED if number else MOSTLY_CLIPPED):
            yield Finding(file, f"{share:.0%} of the values are saturated")
    ratios = brightness_ratios(list(images.values()))
    try:
        check_stated(stated, ratios)
    except UserError as error:
        yield Finding(stated.path, str(error).removeprefix(f"{stated.path} "))
        return
    steps = stated.exposures[1:] / stated.exposures[:-1]
    for file, ratio, step in zip(files[1:], ratios, steps, strict=True):
        if ratio is not None and not 1 / RATIO_TOLERANCE < ratio.usual / step < RATIO_TOLERANCE:
            yield Finding(
                file,
                f"{ratio.usual:.2g} times as bright as the frame before, expected {step:.3g}: mislabelled?",
            )


def _label_level(
    path: Path, label: np.ndarray, images: dict[Path, np.ndarray], stated: Stated
) -> Iterator[Finding]:
    """Whether a label is as bright as the medium frame divided by its exposure."""
    exposure = stated.exposures[TASK.reference]
    frame = LINEAR[list(images.values())[TASK.reference][::STEP, ::STEP, 1]]
    below, above = percentiles(label[::STEP, ::STEP, 1] * exposure), percentiles(frame)
    ratio = level_ratio(below, above, *WELL_EXPOSED)
    if ratio is not None and not 1 / LEVEL_TOLERANCE < ratio < LEVEL_TOLERANCE:
        yield Finding(path, f"{1 / ratio:.2g} times as bright as the medium frame, expected 1")


def _outdated(folder: Path, scene: Scene) -> Iterator[Finding]:
    """Whether aligned frames, if data.align made them, were made of other frames or exposures."""
    sources = folder / SOURCES
    if sources.is_file() and sources.read_bytes() != digest(scene):
        yield Finding(folder, "was made of other frames or exposures: data.align makes it anew")


def _closer(
    folder: Path, images: dict[Path, np.ndarray], moved: dict[Path, np.ndarray], stated: Stated
) -> Iterator[Finding]:
    """Whether the aligned frames show what the medium one shows better than the plain ones do."""
    plain, aligned = (_distances(list(part.values()), stated) for part in (images, moved))
    for file, before, after in zip(moved, plain, aligned, strict=True):
        if after > before * 1.001:
            yield Finding(
                file, f"is further from the medium frame ({after:.3g}) than before aligning ({before:.3g})"
            )
    reference = list(images.values())[TASK.reference], list(moved.values())[TASK.reference]
    if not np.array_equal(*reference):
        yield Finding(folder, "its medium frame is not that of the scene")


def _distances(images: list[np.ndarray], stated: Stated) -> list[float]:
    """Mean differences (gamma 2.2) from the medium frame, each where neither is black or clipped."""
    small = [LINEAR[image[::STEP, ::STEP, 1]] for image in images]
    light = [(image / exposure) ** (1 / 2.2) for image, exposure in zip(small, stated.exposures, strict=True)]
    reference, distances = TASK.reference, []
    for image, level in zip(small, light, strict=True):
        seen = (image < CLIPPED) & (small[reference] < CLIPPED) & (small[reference] > LINEAR[1024])
        distances.append(float(np.abs(level - light[reference])[seen].mean()) if seen.any() else 0.0)
    return distances
