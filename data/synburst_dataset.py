"""SyntheticBurst: bursts that super-resolution is scored on (DeepRep specification, section 6)."""

import argparse
import re
from pathlib import Path

import numpy as np

from data.base_dataset import BaseDataset
from data.reading.burst_meta import NEUTRAL, STEM, read_burst_meta, sample_meta
from data.reading.folders import subfolders
from data.reading.plane_png import read_planes
from util.errors import UserError
from util.task import Task

LEVELS = 2**14  # of stored numbers: this one is 1
TARGET = "im_rgb.png"
FRAME = re.compile(r"im_raw_(\d+)\.png")


class SynburstDataset(BaseDataset):
    """The bursts of a folder, to validate and test on.

    `frames` (T, 4, h, w) are raw with noise, frame 0 shows the target; `gt` (3, 8h, 8w) is linear camera RGB
    before white balance, where there is a folder of targets. Fewer frames are the first ones.
    """

    border = 40
    task = Task(channels=4, white=1.0, reference=0, result_channels=3, scale=8, bracketed=False)
    scores = "linear14"
    one_per_scene = True
    frame_num = 14

    @classmethod
    def modify_commandline_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> None:
        parser.set_defaults(frame_num=cls.frame_num)

    @staticmethod
    def describe_layout() -> str:
        return (
            "bursts/<burst>/im_raw_<2 digits>.png, of 16 bits and 4 channels, and gt/<burst>/im_rgb.png with "
            "meta_info.pkl or meta_info.json"
        )

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        super().__init__(opt, split)
        if split == "train":
            raise UserError(
                "--dataset_name synburst is to validate and test on: train on photographs, by --dataset_name "
                "synburst_train"
            )
        if not (self.root / "bursts").is_dir():
            raise UserError(f"{self.root} has no folder bursts; expected: {self.describe_layout()}")
        self.bursts = subfolders(self.root / "bursts")[: opt.max_dataset_size]
        if not self.bursts:
            raise UserError(f"{self.root / 'bursts'} holds no bursts; expected: {self.describe_layout()}")
        self.has_targets = (self.root / "gt").is_dir()

    def __len__(self) -> int:
        return len(self.bursts)

    def whole(self, index: int) -> dict:
        folder = self.bursts[index]
        sample = read_burst(folder, self.opt.frame_num)
        if not self.has_targets:
            return sample | {"meta": sample_meta(NEUTRAL, folder)}
        target = self.root / "gt" / folder.name
        return sample | {
            "gt": read_target(target / TARGET, sample["frames"].shape[2:]),
            "meta": read_burst_meta(target),
        }

    def source(self, index: int, part: str) -> Path:
        folder = self.bursts[index]
        target = self.root / "gt" / folder.name
        if part == "meta" and self.has_targets:
            return min(target.glob(f"{STEM}.*"))  # .json, which is read where there are two
        return folder if part == "frames" else target / TARGET


def frame_paths(folder: Path) -> list[Path]:
    """The frames of a burst by number.

    Raises:
        UserError: there are none, or a number is missing.
    """
    numbers = sorted(int(match[1]) for entry in folder.iterdir() if (match := FRAME.fullmatch(entry.name)))
    if numbers != list(range(len(numbers))) or not numbers:
        missing = min(set(range(len(numbers) + 1)) - set(numbers))
        raise UserError(f"{folder} has no im_raw_{missing:02d}.png: copy the burst again")
    return [folder / f"im_raw_{number:02d}.png" for number in numbers]


def read_burst(folder: Path, count: int) -> dict:
    """The first `count` frames of a burst as a sample.

    Raises:
        UserError: there are fewer, or a frame is damaged or of another size than the first.
    """
    paths = frame_paths(folder)
    if len(paths) < count:
        raise UserError(f"{folder} has {len(paths)} frames: --frame_num {count} is too many")
    stored = [read_planes(path, 4) for path in paths[:count]]
    for path, planes in zip(paths, stored, strict=False):
        if planes.shape != stored[0].shape:
            raise UserError(f"{path}: {planes.shape[1:]} px, but frame 0 has {stored[0].shape[1:]}")
    return {
        "frames": np.stack(stored).astype(np.float32) / np.float32(LEVELS),
        "exposure": np.ones(count, np.float32),
        "name": f"{folder.name}-00",
        "scene": folder.name,
        "frame": "00",
    }


def read_target(path: Path, size: tuple[int, int]) -> np.ndarray:
    """The target (3, 8h, 8w) float32 of frames of this size (h, w); UserError if it is of another."""
    planes = read_planes(path, 3)
    expected = tuple(SynburstDataset.task.scale * side for side in size)
    if planes.shape[1:] != expected:
        raise UserError(f"{path}: {planes.shape[1:]} px, expected {expected}, 8 times the frames' size")
    return planes.astype(np.float32) / np.float32(LEVELS)
