"""The ELD data set, low light by four cameras, in its published layout, to test on (specification, 4.3)."""

import argparse
import re
from pathlib import Path
from typing import ClassVar

from data.low_light import PairDataset
from data.reading.exif import Shot
from data.reading.folders import subfolders
from data.reading.named_exposures import Pair
from data.reading.raw import SUFFIXES
from data.simulate.sensors import SENSORS, Sensor, named_sensor
from util.errors import UserError
from util.parser import whole_numbers

IMAGES = {100: (4, 9, 14), 200: (5, 10, 15)}  # of a scene, by how much darker they are than their references
REFERENCES = (1, 6, 11, 16)
SCENE, IMAGE = re.compile(r"scene-(\d+)"), re.compile(r"IMG_(\d{4})")


class EldDataset(PairDataset):
    """Dark frames and the nearest reference of their scene; the ratio is what EXIF says of time and ISO."""

    centre = False
    without_effect: ClassVar[dict[str, str]] = {"noise": "noise is that of the real dark frames"}

    @staticmethod
    def camera_help() -> str:
        """The folder says which camera took its pictures."""
        return "that of the folder's name"

    @classmethod
    def add_test_options(cls, parser: argparse.ArgumentParser) -> None:
        super().add_test_options(parser)
        parser.add_argument(
            "--camera_folder",
            metavar="NAME[,NAME...]",
            help="folders of cameras that are tested; default: all that are there",
        )
        parser.add_argument(
            "--ratios", type=whole_numbers, default=[*IMAGES], help="which of 100 and 200 are tested"
        )

    @staticmethod
    def describe_layout() -> str:
        return "<camera>/scene-<n>/IMG_<nnnn>.<suffix>, such as SonyA7S2/scene-1/IMG_0004.ARW"

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        super().__init__(opt, split)
        if split != "test":
            raise UserError("--dataset_name eld is for testing alone: train on sid or sid_syn")
        for ratio in opt.ratios:
            if ratio not in IMAGES:
                raise UserError(f"--ratios {ratio}: there are {', '.join(map(str, IMAGES))}")
        self.pairs = [pair for folder in self._cameras() for pair in self._of_camera(folder)]
        self.pairs = self.pairs[: opt.max_dataset_size]
        if not self.pairs:
            raise UserError(f"{self.root} holds no scenes; expected: {self.describe_layout()}")

    def _cameras(self) -> list[Path]:
        if self.opt.camera_folder is None:
            return subfolders(self.root)
        folders = [self.root / name for name in self.opt.camera_folder.split(",")]
        for folder in folders:
            if not folder.is_dir():
                there = ", ".join(other.name for other in subfolders(self.root)) or "none"
                raise UserError(f"--camera_folder: there is no {folder}; there are: {there}")
        return folders

    def _of_camera(self, folder: Path) -> list[Pair]:
        """The pairs of a camera by ratio, scene and image."""
        scenes = [(scene, images_of(scene)) for scene in scenes_of(folder)]
        return [
            Pair(
                image_of(scene, files, number),
                image_of(scene, files, reference_of(number)),
                None,
                f"{folder.name}_{scene.name}",
                f"x{ratio}_IMG_{number:04d}",
            )
            for ratio in self.opt.ratios
            for scene, files in scenes
            for number in IMAGES[ratio]
        ]

    def ratio(self, pair: Pair, short: Shot, long: Shot) -> float:
        products = []
        for path, shot in ((pair.short, short), (pair.long, long)):
            if shot.time is None or shot.iso is None:
                raise UserError(f"{path} does not tell its exposure time and ISO, which give the ratio")
            products.append(shot.time * shot.iso)
        ratio = products[1] / products[0]
        if ratio < 1:
            raise UserError(f"{pair.short} was exposed longer than its reference {pair.long.name} by EXIF")
        return ratio

    def sensor(self, pair: Pair) -> Sensor:
        name = pair.short.parent.parent.name
        if name not in SENSORS:
            raise UserError(f"no gains are known of camera {name}: name one by --include or --camera FILE")
        return named_sensor(name)

    def group(self, sample: dict) -> str | None:
        """By nominal ratio."""
        ratio = float(sample["ratio"].ravel()[0])
        return f"x{min(IMAGES, key=lambda nominal: abs(nominal - ratio))}"


def scenes_of(folder: Path) -> list[Path]:
    """The folders of a camera's scenes, by number."""
    scenes = [scene for scene in subfolders(folder) if SCENE.fullmatch(scene.name)]
    return sorted(scenes, key=lambda scene: int(scene.name.removeprefix("scene-")))


def images_of(scene: Path) -> dict[int, Path]:
    """The raw files of a scene by number."""
    found = ((IMAGE.fullmatch(path.stem), path) for path in sorted(scene.iterdir()))
    return {int(name[1]): path for name, path in found if name and path.suffix.lower() in SUFFIXES}


def image_of(scene: Path, files: dict[int, Path], number: int) -> Path:
    """The image of a number; UserError if it is missing."""
    if number not in files:
        raise UserError(f"{scene} has no IMG_{number:04d} with the suffix of a raw file")
    return files[number]


def reference_of(number: int) -> int:
    """The number of the reference of an image."""
    return min(REFERENCES, key=lambda reference: abs(reference - number))
