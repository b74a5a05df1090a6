"""What can be wrong with a data set in the layout of BracketIRE or BracketIRE+ (`python -m data.check`)."""

import fnmatch
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data.checks.base_check import (
    ALL_CLIPPED,
    LEVEL_TOLERANCE,
    MOSTLY_CLIPPED,
    RATIO_TOLERANCE,
    BaseCheck,
    Finding,
)
from data.reading import measurements
from data.reading.arrays import MappedArray
from data.reading.folders import subfolders
from data.reading.measurements import black_level, green, level_ratio, percentiles
from data.reading.sound import colour_fault
from data.syn_dataset import EXPOSURES, WHITE_LEVEL, read_meta
from util.errors import UserError

SPLITS = {"Train": True, "Test": False, "NTIRE_Val": False}  # whether it is trained on
KNOWN_AT_ROOT = (*SPLITS, "simulation.json", "manifest.jsonl", "README*", "LICENSE*")
KNOWN_ARRAYS = ("raw_*.npy", "raw_gt.npy", "metadata.npy", "alignratio.npy", "x2", "x4")
KNOWN_IN_SAMPLE = (*KNOWN_ARRAYS, "rgb_vis_*.png", "parameters.json")
BLACK = 8.0  # DN that the darkest cells may share
CLIPPED = 1000  # DN from which a value counts as saturated
WELL_EXPOSED = (64.0, 900.0)  # DN
SHIFT_TOLERANCE = 4.0  # packed px, for hand-held brackets whose reference is the first frame
ALIKE = 0.3  # correlation under which two pictures do not show the same scene


class SynCheck(BaseCheck):
    """Checks of a data set of class SynDataset or a subclass, whose scenes hold several samples.

    Args:
        min_samples: samples that each scene should have.
    """

    split_names = tuple(SPLITS)

    def samples(self) -> list[Path]:
        """Folders of all samples of all splits."""
        return [frame for split in self.splits for scene in subfolders(split) for frame in subfolders(scene)]

    def layout(self) -> Iterator[Finding]:
        """What is wrong above the level of samples: strays, scenes with too few samples, a missing split."""
        yield from _strays(self.root, KNOWN_AT_ROOT)
        for name in ("Train", "Test"):
            if self.root / name not in self.splits:
                yield Finding(self.root / name, "there is no such folder", is_fault=False)
        for split in self.splits:
            scenes = subfolders(split)
            if not scenes:
                yield Finding(split, "holds no scenes")
            yield from _stray_files(split)
            for scene in scenes:
                yield from _stray_files(scene)
                count = len(subfolders(scene))
                if count < self.min_samples:
                    yield Finding(
                        scene, f"{count} samples in this scene, expected {self.min_samples} or more"
                    )

    def sample(self, folder: Path) -> list[Finding]:
        """All findings in the folder of a sample."""
        findings = [*_strays(folder, KNOWN_IN_SAMPLE), *_metadata(folder)]
        frames = []
        for exposure in EXPOSURES:
            path = folder / self.dataset.inputs / f"raw_{exposure}.npy"
            try:
                frames.append(_read(path, "uint16"))
            except UserError as error:
                findings.append(_finding(path, error))
        shapes = {frame.shape for frame in frames}
        if len(shapes) > 1:
            findings.append(Finding(folder / self.dataset.inputs, f"brackets of different shapes {shapes}"))
        whole = len(frames) == len(EXPOSURES) and len(shapes) == 1
        images = [green(frame) for frame in frames]
        if whole:
            findings += self._levels(folder / self.dataset.inputs, frames, images)
        return [*findings, *self._ground_truth(folder, images if whole else None)]

    def _levels(self, folder: Path, frames: list[np.ndarray], images: list[np.ndarray]) -> Iterator[Finding]:
        """Range, saturation, black level and exposures of a full set of brackets (H, W, 4), with their
        green (H, W).
        """
        for number, (exposure, frame) in enumerate(zip(EXPOSURES, frames, strict=True)):
            path = folder / f"raw_{exposure}.npy"
            if (highest := int(frame.max())) > WHITE_LEVEL:
                yield Finding(path, f"values up to {highest}, above the white level {WHITE_LEVEL}")
            if highest == int(frame.min()):
                yield Finding(path, f"every value is {highest}")
            share = float((frame >= CLIPPED).mean())
            if share > (ALL_CLIPPED if number else MOSTLY_CLIPPED):
                yield Finding(path, f"{share:.0%} of the values are saturated")
        levels = [percentiles(image) for image in images]
        medians = [level[49] for level in levels]
        shared = black_level(levels[0][0], levels[1][0], EXPOSURES[1] / EXPOSURES[0])
        if medians == sorted(medians) and min(shared, *(level[0] for level in levels)) > BLACK:
            yield Finding(folder, f"the black level is about {shared:.0f}, not 0: subtract it")
        else:
            yield from _exposures(folder, levels)

    def _ground_truth(self, folder: Path, images: list[np.ndarray] | None) -> Iterator[Finding]:
        """Values of raw_gt.npy, and its agreement with the brackets' green where they could be read."""
        path = folder / "raw_gt.npy"
        if not path.exists():
            trained = SPLITS[folder.parent.parent.name]
            yield Finding(path, "no such file" if trained else "no ground truth", is_fault=trained)
            return
        try:
            target = _read(path, "float32")
        except UserError as error:
            yield _finding(path, error)
            return
        bad = [
            f"{count} values are {what}"
            for what, count in (
                ("NaN", int(np.isnan(target).sum())),
                ("infinite", int(np.isinf(target).sum())),
                ("negative", int((target < 0).sum())),
            )
            if count
        ]
        yield from (Finding(path, text) for text in bad)
        if images is None or bad:
            return
        scale = self.dataset.task.scale
        expected = tuple(side * scale for side in images[0].shape)
        if target.shape[:2] != expected:
            size = " x ".join(map(str, target.shape[:2]))
            yield Finding(path, f"{size} cells, expected {' x '.join(map(str, expected))} for these brackets")
        else:
            yield from _agreement(path, images, measurements.reduced(green(target), scale), scale)


def _exposures(folder: Path, levels: list[np.ndarray]) -> Iterator[Finding]:
    """Whether each frame is brighter than the one before by as much as its exposure is longer.

    Where nothing is well exposed, noise hides the factor; a longer exposure is brighter all the same.
    """
    for number in range(1, len(levels)):
        short, long = EXPOSURES[number - 1], EXPOSURES[number]
        below, above = levels[number - 1], levels[number]
        ratio, factor = level_ratio(below, above, *WELL_EXPOSED), long / short
        if above.mean() < below.mean():
            ratio = above.mean() / below.mean()
        if ratio is not None and not 1 / RATIO_TOLERANCE < ratio / factor < RATIO_TOLERANCE:
            yield Finding(
                folder / f"raw_{long}.npy",
                f"{ratio:.2g} times as bright as raw_{short}.npy, expected {factor:.0f} times: "
                "swapped, repeated or mislabelled?",
            )


def _agreement(path: Path, images: list[np.ndarray], target: np.ndarray, scale: int) -> Iterator[Finding]:
    """Whether the ground truth (H, W), reduced to the size of the brackets, shows the same at the same level.

    It is the scene at the moment of the first frame; the second is the earliest that is bright enough.
    """
    low, high = WELL_EXPOSED
    number = 1 if (images[1] > low).mean() > 0.02 else 2
    exposure = EXPOSURES[number] / EXPOSURES[2]
    image = images[number] / (WHITE_LEVEL * exposure)
    limit = high / (WHITE_LEVEL * exposure)
    ratio = level_ratio(percentiles(target), percentiles(image), limit * low / high, limit)
    if ratio is not None and not 1 / LEVEL_TOLERANCE < ratio < LEVEL_TOLERANCE:
        yield Finding(path, f"{1 / ratio:.2g} times as bright as the brackets, expected 1")
    seen, wanted = (np.sqrt(np.clip(part, 0, limit)) for part in (image, target))
    if np.ptp(seen) == 0 or np.ptp(wanted) == 0:
        return
    x, y = measurements.displacement(wanted, seen)
    if max(abs(x), abs(y)) > max(SHIFT_TOLERANCE / scale, 2):
        yield Finding(
            path, f"lies {x:+.1f} px across and {y:+.1f} px down from the brackets (their packed px)"
        )
    elif (likeness := measurements.correlation(seen, wanted)) < ALIKE:
        yield Finding(path, f"does not look like the brackets (correlation {likeness:.2f})")


def _metadata(folder: Path) -> Iterator[Finding]:
    path = folder / "metadata.npy"
    try:
        meta = read_meta(folder)
    except UserError as error:
        yield _finding(path, error)
        return
    gains = meta["white_balance"].tolist()
    if not all(0 < gain < 100 for gain in gains):
        yield Finding(path, f"white-balance gains {gains} are not sensible")
    if fault := colour_fault({"cam2rgb": meta["cam2rgb"]}):
        yield Finding(path, fault)


def _read(path: Path, dtype: str) -> np.ndarray:
    """A whole array (H, W, 4); UserError if it is damaged or empty."""
    array = MappedArray(path, dtype, 4)
    if 0 in array.shape:
        raise UserError(f"{path}: empty, its shape is {array.shape}")
    content = np.empty(array.shape, array.dtype)
    array.read(0, 0, content)
    return content


def _finding(path: Path, error: UserError) -> Finding:
    return Finding(path, str(error).removeprefix(f"{path}: "))


def _strays(folder: Path, known: tuple[str, ...]) -> Iterator[Finding]:
    """Entries of a folder that are not hidden and match none of the known patterns."""
    for entry in sorted(folder.iterdir()):
        if not entry.name.startswith(".") and not any(fnmatch.fnmatch(entry.name, name) for name in known):
            yield Finding(entry, "does not belong here")


def _stray_files(folder: Path) -> Iterator[Finding]:
    for entry in sorted(folder.iterdir()):
        if not entry.name.startswith(".") and not entry.is_dir():
            yield Finding(entry, "does not belong here")
