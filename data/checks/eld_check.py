"""What can be wrong with the ELD data set in its published layout (`python -m data.check`)."""

from collections.abc import Iterator
from pathlib import Path

from data.base_dataset import BaseDataset
from data.checks.base_check import BaseCheck, Finding
from data.checks.exposure_pairs import (
    TIME_TOLERANCE,
    Frame,
    exif_ratio,
    frame_findings,
    pair_findings,
    read_frame,
)
from data.eld_dataset import IMAGES, REFERENCES, images_of, reference_of, scenes_of
from data.reading.folders import subfolders
from data.simulate.sensors import SENSORS

IMAGES_OF_SCENE = range(1, 17)


class EldCheck(BaseCheck):
    """Checks of a data set of class EldDataset: its splits are cameras."""

    def __init__(self, dataset: type[BaseDataset], root: Path, min_samples: int = 1) -> None:
        self.split_names = tuple(folder.name for folder in subfolders(root) if scenes_of(folder))
        super().__init__(dataset, root, min_samples)

    def samples(self) -> list[Path]:
        """Folders of all scenes of all cameras."""
        return [scene for camera in self.splits for scene in scenes_of(camera)]

    def layout(self) -> Iterator[Finding]:
        """Cameras that are not calibrated or have too few scenes, and what does not belong to a camera."""
        yield from super().layout()
        for camera in self.splits:
            if camera.name not in SENSORS:
                yield Finding(camera, "its gains are not known: --include or --camera FILE", is_fault=False)
            scenes = scenes_of(camera)
            for entry in sorted(camera.iterdir()):
                if not (entry.name.startswith(".") or entry in scenes):
                    yield Finding(entry, "does not belong here: scenes are called scene-<n>")

    def sample(self, folder: Path) -> list[Finding]:
        """All findings in the folder of a scene."""
        files = images_of(folder)
        known, findings = set(files.values()), []
        for entry in sorted(folder.iterdir()):
            if not (entry.name.startswith(".") or entry in known):
                findings.append(Finding(entry, "does not belong here: images are called IMG_<nnnn>"))
        needed = sorted([*REFERENCES, *(number for numbers in IMAGES.values() for number in numbers)])
        for number in IMAGES_OF_SCENE:
            if number not in files:
                findings.append(Finding(folder, f"there is no IMG_{number:04d}", is_fault=number in needed))
        frames: dict[int, Frame] = {}
        for number in needed:
            frame = read_frame(files[number], findings) if number in files else None
            if frame:
                frames[number] = frame
                findings += frame_findings(frame, is_long=number in REFERENCES)
        for ratio, numbers in IMAGES.items():
            for number in numbers:
                if {number, reference_of(number)} <= frames.keys():
                    findings += _pair(frames[number], frames[reference_of(number)], ratio)
        return findings


def _pair(short: Frame, long: Frame, nominal: float) -> Iterator[Finding]:
    """What is wrong with a dark frame against its reference."""
    ratio = exif_ratio(short, long)
    if ratio is None:
        yield Finding(short.path, "it or its reference does not tell its time and ISO, which give the ratio")
        return
    if not 1 / TIME_TOLERANCE < ratio / nominal < TIME_TOLERANCE:
        text = f"{long.path.name} was exposed {ratio:.4g} times longer by EXIF, expected {nominal:g}"
        yield Finding(short.path, text)
    yield from pair_findings(short, long, ratio)
