"""The published bursts that denoising is scored on: gray of KPN, colour of BPN (Deep-Rep specification, 6).

Gray: one .npz with truth (M, H, W), noisy (M, H, W, 8), white_level, sig_read and sig_shot, M being six
levels of as many images; the last four are the gains 1, 2, 4 and 8. Colour: 1.npz, 2.npz, 4.npz and 8.npz, a
file for each gain, with truth (M, H, W, 3), noisy (M, H, W, 8, 3), white_level, sig_read and sqrt_sig_shot.
"""

import argparse
import itertools
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.base_dataset import BaseDataset
from data.reading.npz_members import NpzMembers
from data.simulate.unprocessing import NoiseLevels
from util.errors import UserError
from util.task import Task

GAINS = (1, 2, 4, 8)
COLOUR_FILES = {gain: f"{gain}.npz" for gain in GAINS}
GRAY_LEVELS = 6  # of the gray file
FIRST_LEVEL = 2  # of it: that of gain 1
SHOT = {"color": "sqrt_sig_shot", "grayscale": "sig_shot"}  # both times the root of a value: its deviation
COLOUR = Task(
    channels=3, white=1.0, reference=0, scale=1, carries=("noise_map",), bracketed=False, result_channels=3
)
TASKS = {"color": COLOUR, "grayscale": COLOUR._replace(channels=1, result_channels=1)}


def add_colour_option(parser: argparse.ArgumentParser) -> None:
    """Add `--colors` to the options of a data set."""
    parser.add_argument(
        "--colors", choices=tuple(TASKS), default="color", help="of frames and result: RGB, or gray"
    )


class Item(NamedTuple):
    """A burst: in which file, under which number there, and how it is called."""

    file: "BurstFile"
    number: int
    gain: int
    name: str


class BurstDenoiseDataset(BaseDataset):
    """Bursts to validate and test on, by gain, each with a mean of its own.

    `frames` (T, C, H, W) are linear with noise, which may be negative, C 3 (RGB) or 1, `gt` (C, H, W) is
    frame 0 without noise; `noise_map` (T, C, H, W) is estimated from the noisy values and the levels in the
    file. White is at the `white_level` of `meta`. Fewer frames are the first ones.
    """

    border = 8
    task = COLOUR
    scores = "display"
    frame_num = 8

    @classmethod
    def modify_commandline_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> None:
        add_colour_option(parser)
        parser.add_argument(
            "--noise_level",
            choices=(*map(str, GAINS), "all"),
            default="all",
            help="gain of the bursts that are restored",
        )
        parser.set_defaults(frame_num=cls.frame_num)

    @staticmethod
    def describe_layout() -> str:
        return f"{', '.join(COLOUR_FILES.values())} for --colors color, one other .npz for --colors grayscale"

    @staticmethod
    def task_of(opt: argparse.Namespace) -> Task:
        """The task by `--colors`."""
        return TASKS[opt.colors]

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        super().__init__(opt, split)
        if split == "train":
            raise UserError(
                "--dataset_name burst_denoise is to validate and test on: train on photographs, by "
                "--dataset_name burst_denoise_train"
            )
        self.task = self.task_of(opt)
        gains = GAINS if opt.noise_level == "all" else (int(opt.noise_level),)
        find = color_items if opt.colors == "color" else gray_items
        items = find(self.root, gains)
        kept = _by_turns(items)[: opt.max_dataset_size]
        self.items = [item for item in items if item in kept]
        if lacking := sorted(set(gains) - {item.gain for item in items}) if items else []:
            missing = ", ".join(map(str, lacking))
            print(
                f"note: {self.root} has no bursts of gain {missing}: means are without them", file=sys.stderr
            )
        if not self.items:
            raise UserError(f"{self.root} has no bursts; expected: {self.describe_layout()}")
        for item in self.items:
            if not 0 < opt.frame_num <= item.file.frames:
                have = f"the bursts of {item.file.path} have {item.file.frames} frames"
                raise UserError(f"--frame_num {opt.frame_num}: {have}")

    def __len__(self) -> int:
        return len(self.items)

    def whole(self, index: int) -> dict:
        item = self.items[index]
        frames, truth = item.file.frames_of(item.number, self.opt.frame_num), item.file.truth_of(item.number)
        scene = f"noise_{item.gain}"
        return {
            "frames": frames,
            "exposure": np.ones(len(frames), np.float32),
            "gt": truth,
            "noise_map": item.file.levels_of(item.number).deviation(frames),
            "meta": {"white_level": np.array(item.file.white_level_of(item.number), np.float32)},
            "name": f"{scene}-{item.name}",
            "scene": scene,
            "frame": item.name,
        }

    def source(self, index: int, part: str) -> str:
        item = self.items[index]
        return f"{item.file.path}: image {item.number}, {part}"

    def group(self, sample: dict) -> str | None:
        """By gain."""
        scene = sample["scene"]
        return scene if isinstance(scene, str) else scene[0]


def _by_turns(items: list[Item]) -> list[Item]:
    """The first of each gain, then the second of each, ..."""
    by_gain = [list(group) for _, group in itertools.groupby(items, lambda item: item.gain)]
    return [item for turn in itertools.zip_longest(*by_gain) for item in turn if item]


class BurstFile:
    """A .npz file of bursts, read burst by burst.

    Attributes:
        images, frames: how many bursts there are, and frames in each.

    Raises:
        UserError: it is damaged, or an array is missing or has another shape.
    """

    def __init__(self, path: Path, colors: str) -> None:
        self.path = path
        self._arrays = arrays = NpzMembers(path)
        self._truth, self._noisy = arrays["truth"], arrays["noisy"]
        colour = (3,) if colors == "color" else ()
        shape = self._noisy.shape
        axes = "M, H, W, frames, 3" if colour else "M, H, W, frames"
        if len(shape) != 4 + len(colour) or shape[4:] != colour:
            raise UserError(f"{path}: noisy is {shape}, expected ({axes}) for --colors {colors}")
        if self._truth.shape != shape[:3] + colour:
            raise UserError(f"{path}: truth is {self._truth.shape}, expected {shape[:3] + colour}")
        self.images, self.frames = shape[0], shape[3]
        names = ("white_level", "sig_read", SHOT[colors])
        self._white, self._read, self._shot = (self._per_image(arrays[name], name) for name in names)

    def _per_image(self, values: np.ndarray, name: str) -> np.ndarray:
        """A value for each image."""
        if values.size not in (1, self.images):
            raise UserError(f"{self.path}: {name} is {values.shape}, expected {self.images} values")
        return np.broadcast_to(values.ravel(), self.images).astype(np.float64)

    def frames_of(self, number: int, count: int) -> np.ndarray:
        """The first `count` noisy frames of a burst, (count, C, H, W) float32.

        Raises:
            UserError: the file was cut short since it was opened; as `truth_of`.
        """
        self._arrays.check()
        noisy = self._noisy[number, :, :, :count]
        noisy = noisy if noisy.ndim == 4 else noisy[..., None]
        return np.array(noisy.transpose(2, 3, 0, 1), np.float32, order="C")

    def truth_of(self, number: int) -> np.ndarray:
        """What frame 0 of a burst shows without noise, (C, H, W) float32."""
        self._arrays.check()
        return np.array(np.atleast_3d(self._truth[number]).transpose(2, 0, 1), np.float32, order="C")

    def levels_of(self, number: int) -> NoiseLevels:
        """The noise of a burst."""
        return NoiseLevels(float(self._shot[number] ** 2), float(self._read[number] ** 2))

    def white_level_of(self, number: int) -> float:
        """The value of white in a burst."""
        return float(self._white[number])


def color_items(root: Path, gains: tuple[int, ...]) -> list[Item]:
    """The colour bursts of these gains; of several, those whose file is there."""
    paths = {gain: root / COLOUR_FILES[gain] for gain in gains}
    if len(gains) > 1:
        paths = {gain: path for gain, path in paths.items() if path.exists()}
    files = {gain: BurstFile(path, "color") for gain, path in paths.items()}
    return [
        Item(file, number, gain, f"{gain}_{number:02d}")
        for gain, file in files.items()
        for number in range(file.images)
    ]


def gray_items(root: Path, gains: tuple[int, ...]) -> list[Item]:
    """The gray bursts of these gains.

    Raises:
        UserError: there are several files, or the levels of the one have unlike numbers of images.
    """
    found = gray_files(root)
    if len(found) > 1:
        several = ", ".join(path.name for path in found)
        raise UserError(f"{root} holds several files of gray bursts, {several}: leave one there")
    if not found:
        return []
    file = BurstFile(found[0], "grayscale")
    count, rest = divmod(file.images, GRAY_LEVELS)
    if rest:
        raise UserError(f"{file.path}: {file.images} images, expected {GRAY_LEVELS} levels of as many each")
    items = []
    for gain in gains:
        level = FIRST_LEVEL + gain.bit_length() - 1
        items += [Item(file, level * count + i, gain, f"{level}_{i:02d}") for i in range(count)]
    return items


def gray_files(root: Path) -> list[Path]:
    """The .npz files that are not those of colour."""
    return sorted(path for path in root.glob("[!.]*.npz") if path.name not in COLOUR_FILES.values())
