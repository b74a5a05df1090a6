"""BurstSR, cropped: bursts of a phone and what a camera saw of the same (DeepRep specification, 6 and 9)."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.augment import Augmentation, augment_cfa
from data.base_dataset import BaseDataset
from data.draws import Draw, random_corner
from data.reading.burstsr_meta import BurstSrMeta, read_meta
from data.reading.folders import subfolders
from data.reading.plane_png import read_planes
from data.synburst_dataset import SynburstDataset
from util.errors import UserError

PATCH = 56  # packed px of a frame
FRAMES = 14
IMAGE, CAMERA, PHONE = "im_raw.png", "canon", "samsung_{:02d}"
PHONE_WHITE, CAMERA_WHITE = 1023, 16383  # that values are divided by, after black is taken away
SCALE = SynburstDataset.task.scale
LOST = SCALE // 2  # px of the target for each of the mosaic

SCENE = re.compile(r"\d{4}")
SCENES = 222
# By the first four characters of a name; "unused" and "test", whose camera was not published, are left out.
SPLITS = {
    "val": "8 10 19 33 36 55 60 71 77 85 97 101 105 120 127 156 157 169 172 178 186 197 212",
    "test": "21 27 52 63 79 93 109 114 122 125 143 148 161 166 171 173 184 188 191 206 213 215 220",
    "unused": "14 32 35 47 51 100 102 119 129 137 149 151 152 163 201 211",
}
SPLIT_OF = {int(scene): split for split, scenes in SPLITS.items() for scene in scenes.split()}
FOLDERS = {"train": "train", "val": "val", "test": "val"}


class BurstsrDataset(BaseDataset):
    """Bursts of a phone, with the ground truth of a camera that was beside it.

    `frames` (T, 4, h, w) are raw without black level, negative values kept; `gt` (3, 8h, 8w) is the camera's
    linear RGB, multiplied by how much more light the phone's exposure took, and not clipped: it may be
    negative or above 1. Its colours are the camera's, and it is not exactly aligned.

    Frame 0 shows the target. The others come in the order of their numbers, in training in random order as
    published; fewer are the first ones of that order. Patches are mirrored so that the mosaic stays RGGB.
    """

    border = 40
    task = SynburstDataset.task
    scores = "aligned"
    one_per_scene = True
    frame_num = FRAMES

    @classmethod
    def modify_commandline_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> None:
        parser.set_defaults(frame_num=cls.frame_num)
        if is_train:
            parser.set_defaults(patch_size=PATCH)

    @staticmethod
    def describe_layout() -> str:
        return (
            f"train/ and val/ with <burst>/samsung_<2 digits>/ and <burst>/{CAMERA}/, each with {IMAGE} and "
            "meta_info.pkl or meta_info.json"
        )

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        super().__init__(opt, split)
        if not 0 < opt.frame_num <= FRAMES:
            raise UserError(f"--frame_num {opt.frame_num}: bursts of burstsr have {FRAMES} frames")
        folder = self.root / FOLDERS[split]
        if not folder.is_dir():
            hint = "; --val_freq 0 trains without validation" if split == "val" else ""
            raise UserError(
                f"{self.root} has no folder {folder.name}{hint}; expected: {self.describe_layout()}"
            )
        self.bursts = [burst for burst in subfolders(folder) if split_of(burst) == folder.name]
        self.bursts = self.bursts[: opt.max_dataset_size]
        if not self.bursts:
            raise UserError(f"{folder} holds no bursts of this split; expected: {self.describe_layout()}")
        if split == "train" and not opt.skip_damaged:
            self._check_patch(self.bursts[0], read_frames(self.bursts[0], [0]))

    def __len__(self) -> int:
        return len(self.bursts)

    def _check_patch(self, folder: Path, frames: np.ndarray) -> None:
        room = min(frames.shape[2:])
        if self.opt.patch_size > room:
            raise UserError(f"--patch_size {self.opt.patch_size} is larger than the {room} px of {folder}")

    def patch(self, draw: Draw) -> dict:
        folder, rng = self.bursts[draw.index], draw.generator()
        others = 1 + rng.permutation(FRAMES - 1)
        frames = read_frames(folder, [0, *others[: self.opt.frame_num - 1].tolist()])
        self._check_patch(folder, frames)
        side = self.opt.patch_size
        top, left = random_corner(rng, [size - side + 1 for size in frames.shape[2:]])
        target = read_target(folder, frames.shape[2:])
        frames = frames[:, :, top : top + side, left : left + side]
        target = target[:, SCALE * top : SCALE * (top + side), SCALE * left : SCALE * (left + side)]
        how = Augmentation.draw(rng)._replace(transpose=False)
        return {
            "frames": mirrored_frames(frames, how),
            "exposure": np.ones(len(frames), np.float32),
            "gt": mirrored_target(target, how),
            "name": folder.name,
        }

    def whole(self, index: int) -> dict:
        folder = self.bursts[index]
        frames = read_frames(folder, range(self.opt.frame_num))
        return {
            "frames": frames,
            "exposure": np.ones(len(frames), np.float32),
            "gt": read_target(folder, frames.shape[2:]),
            "meta": phone_meta(folder, 0).rendering(),
            "name": f"{folder.name}-00",
            "scene": folder.name,
            "frame": "00",
        }


def split_of(burst: Path) -> str:
    """The split of a burst: by its scene, or for one that is not of BurstSR by the folder that it is in."""
    match = SCENE.match(burst.name)
    if not match or int(match[0]) >= SCENES:
        return burst.parent.name
    return SPLIT_OF.get(int(match[0]), "train")


def phone_meta(folder: Path, number: int) -> BurstSrMeta:
    """What is known of a frame of the burst in `folder`; UserError as of `read_meta`."""
    return read_meta(folder / PHONE.format(number), 4)


def read_frames(folder: Path, numbers: Sequence[int]) -> np.ndarray:
    """Frames of a burst by number, (T, 4, h, w) float32.

    Raises:
        UserError: one is missing, damaged, or of another size than the first of them.
    """
    stored = [read_planes(folder / PHONE.format(number) / IMAGE, 4) for number in numbers]
    for number, planes in zip(numbers, stored, strict=True):
        if planes.shape != stored[0].shape:
            path = folder / PHONE.format(number) / IMAGE
            raise UserError(f"{path}: {planes.shape[1:]} px, but another frame has {stored[0].shape[1:]}")
    black = np.stack([phone_meta(folder, number).black for number in numbers])
    return without_black(np.stack(stored), black, PHONE_WHITE)


def read_target(folder: Path, size: tuple[int, int]) -> np.ndarray:
    """The target (3, 8h, 8w) float32 of frames of this size (h, w), at the exposure of frame 0.

    Raises:
        UserError: it is missing, damaged, or of another size.
    """
    path = folder / CAMERA / IMAGE
    planes = read_planes(path, 3)
    expected = tuple(SCALE * side for side in size)
    if planes.shape[1:] != expected:
        raise UserError(f"{path}: {planes.shape[1:]} px, expected {expected}, {SCALE} times the frames' size")
    camera = read_meta(folder / CAMERA, 3)
    target = without_black(planes, camera.black, CAMERA_WHITE)
    target *= np.float32(phone_meta(folder, 0).light / camera.light)
    return target


def without_black(stored: np.ndarray, black: np.ndarray, white: int) -> np.ndarray:
    """Stored planes (..., C, h, w) -> (value - black) / white, float32, as published.

    So the white level is below 1. `black` is (..., C).
    """
    values = stored.astype(np.float32)
    values -= black[..., None, None]
    values /= np.float32(white)
    return values


def mirrored_frames(frames: np.ndarray, how: Augmentation) -> np.ndarray:
    """Packed RGGB frames (T, 4, h, w) mirrored as a mosaic, RGGB again and of the same size.

    The first and the last column (row) of a mirrored mosaic are left out, and its last cells repeated.
    """
    room = [(0, 0), *((0, int(not mirror)) for mirror in (how.vertical, how.horizontal)), (0, 0)]
    lost = [(0, 0), *((0, int(mirror)) for mirror in (how.vertical, how.horizontal)), (0, 0)]
    kept = augment_cfa(np.pad(frames.transpose(0, 2, 3, 1), room, "edge"), how)
    return np.ascontiguousarray(np.pad(kept, lost, "edge").transpose(0, 3, 1, 2))


def mirrored_target(target: np.ndarray, how: Augmentation) -> np.ndarray:
    """The target (3, 8h, 8w) that goes with `mirrored_frames`: 4 px are left out at either end, 8 repeated.

    The published code leaves out 2 and repeats 4, which displaces the target by 2 px.
    """
    for axis, mirror in ((1, how.vertical), (2, how.horizontal)):
        if mirror:
            inner = np.flip(target, axis).take(range(LOST, target.shape[axis] - LOST), axis)
            target = np.pad(inner, [(0, 2 * LOST * (place == axis)) for place in range(3)], "edge")
    return np.ascontiguousarray(target)
