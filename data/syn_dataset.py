"""The synthetic BracketIRE data set in its official layout (Zhang et al., ICLR 2025)."""

import argparse
import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.augment import Augmentation, add_option, augment_cfa, augment_pixels, transpose_cfa
from data.base_dataset import BaseDataset
from data.draws import Draw, random_corner
from data.reading.arrays import OPEN_MAPS, MappedArray, read_metadata
from data.reading.block_cache import BlockCache, Content
from data.reading.folders import subfolders
from util.errors import UserError
from util.imaging.images import read_picture

EXPOSURES = (1, 4, 16, 64, 256)  # of the files raw_1.npy ... relative to the shortest
WHITE_LEVEL = 1023
FOLDERS = {"train": "Train", "val": "Test", "test": "Test"}


class SynDataset(BaseDataset):
    """Five packed RGGB brackets and an HDR target on the scale of the third one.

    Whole samples are cropped as published: validation takes every 20th sample and a strip of it, testing
    leaves out the black frame of the footage. Sizes are in packed px of the input.
    """

    inputs = "."  # folder of the brackets inside a sample's folder
    margin = 10  # patches keep this far from the frame's edges
    validation_rows, validation_columns = slice(10, 138), slice(10, 522)
    test_margin = 5

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> None:
        if is_train:
            add_option(parser)

    @staticmethod
    def describe_layout() -> str:
        brackets = "raw_{1,4,16,64,256}.npy (in x4/ for synplus)"
        return f"Train/ and Test/ with <scene>/<frame>/ that hold {brackets}, raw_gt.npy and metadata.npy"

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        super().__init__(opt, split)
        self._check_frame_num()
        folder = self.root / FOLDERS[split]
        self.protocol = getattr(opt, "protocol", "paper")
        if self.protocol == "ntire2024" and (self.root / "NTIRE_Val").is_dir():
            folder = self.root / "NTIRE_Val"
        if not folder.is_dir():
            hint = "; --val_freq 0 trains without validation" if split == "val" else ""
            raise UserError(
                f"{self.root} has no folder {folder.name}{hint}; expected: {self.describe_layout()}"
            )
        step = 20 if split == "val" else 1
        self.folders = [frame for scene in subfolders(folder) for frame in subfolders(scene)[::step]]
        self.folders = self.folders[: opt.max_dataset_size]
        if not self.folders:
            raise UserError(f"{folder} holds no samples; expected: {self.describe_layout()}")
        self.files = tuple(f"raw_{exposure}.npy" for exposure in EXPOSURES[: opt.frame_num])
        self.exposure = self._exposures()
        if split == "train" and getattr(opt, "augment", "") == "published":  # mirrored, cells begin otherwise
            self.task = self.task._replace(mosaic=False)
        self.border = 2 * self.task.scale * self._test_crop() if split == "test" else 0
        self.cache = None
        if opt.cache_dir:
            self.cache = BlockCache(opt.cache_dir, self.root, self.inputs, len(self.files), self.task.scale)
        if split == "train" and not opt.skip_damaged:
            self._check_patch(self._shape(self.folders[0]), self.folders[0])

    def __len__(self) -> int:
        return len(self.folders)

    def _check_frame_num(self) -> None:
        if self.opt.frame_num > len(EXPOSURES):
            raise UserError(f"--frame_num {self.opt.frame_num}: this data set has {len(EXPOSURES)} exposures")

    def _exposures(self) -> np.ndarray:
        return np.float32([e / EXPOSURES[2] for e in EXPOSURES[: self.opt.frame_num]])

    def _test_crop(self) -> int:
        return 0 if self.protocol == "ntire2024" else self.test_margin

    def _extra(self) -> int:
        """Px that a patch is read wider, so that flips which keep the Bayer pattern can lose one."""
        return 1 if self.opt.augment == "cfa" and self.task.scale == 1 else 0

    def _maps(self, folder: Path) -> "Maps":
        return open_sample(folder, self.inputs, self.files, self.task.scale)

    def _shape(self, folder: Path) -> tuple[int, ...]:
        return self._maps(folder).frames[0].shape

    def _check_patch(self, shape: tuple[int, ...], folder: Path) -> None:
        room = min(shape[:2]) - 2 * self.margin - self._extra()
        if self.opt.patch_size > room:
            raise UserError(
                f"--patch_size {self.opt.patch_size} is larger than the {room} px that {folder} has room for"
            )

    def _read(
        self, folder: Path, top: int, left: int, height: int, width: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """A window of the brackets (T, h, w, 4) and, if there is one, of the target (sh, sw, 4)."""
        maps = self._maps(folder)
        raw = np.empty((len(maps.frames), height, width, 4), np.uint16)
        for array, out in zip(maps.frames, raw, strict=True):
            array.read(top, left, out)
        if maps.target is None:
            return raw, None
        target = np.empty((self.task.scale * height, self.task.scale * width, 4), np.float32)
        maps.target.read(self.task.scale * top, self.task.scale * left, target)
        return raw, target

    def patch(self, draw: Draw) -> dict:
        folder = self.folders[draw.index]
        maps = self._maps(folder)
        if maps.target is None:
            raise UserError(f"{folder} has no raw_gt.npy to train on")
        shape = maps.frames[0].shape
        self._check_patch(shape, folder)
        rng = draw.generator()
        side = self.opt.patch_size + self._extra()
        room = [size - side - 2 * self.margin + 1 for size in shape[:2]]
        top, left = (self.margin + place for place in random_corner(rng, room, self.task.period))
        if self.cache:
            sources = [*(folder / self.inputs / file for file in self.files), folder / "raw_gt.npy"]
            raw, target, _ = self.cache.read(
                folder, sources, lambda: Content(*self._read(folder, 0, 0, *shape[:2])), top, left, side, side
            )
        else:
            raw, target = self._read(folder, top, left, side, side)
        raw, target = self._augmented(draw, rng, raw, target)
        return self._sample(sample_name(folder), raw, target)

    def _augmented(self, draw: Draw, rng: np.random.Generator, raw: np.ndarray, target: np.ndarray) -> tuple:
        """Brackets (T, h, w, 4) and target (sh, sw, 4) after --augment."""
        if self.opt.augment == "none":
            return raw, target
        if self.opt.augment == "published":  # one draw for the whole batch
            how = Augmentation.draw(draw.batch_generator())
            return augment_pixels(raw, how), augment_pixels(target, how)
        how = Augmentation.draw(rng)
        if self.task.scale == 1:
            return augment_cfa(raw, how), augment_cfa(target, how)
        # A pattern-keeping flip moves the target's planes by 1/scale input px, which the input cannot follow.
        return (transpose_cfa(raw), transpose_cfa(target)) if how.transpose else (raw, target)

    def _sample(self, name: str, raw: np.ndarray, target: np.ndarray | None) -> dict:
        """Measured values as the sample contract has them, from (T, h, w, 4) and (sh, sw, 4) or None."""
        frames = raw.astype(np.float32, order="C")
        frames /= WHITE_LEVEL
        sample = {
            "frames": frames.transpose(0, 3, 1, 2),
            "exposure": self.exposure,
            "name": name,
        }
        if target is not None:
            sample["gt"] = np.ascontiguousarray(target).transpose(2, 0, 1)
        return sample

    def whole(self, index: int) -> dict:
        folder = self.folders[index]
        height, width = self._shape(folder)[:2]
        crop = self._test_crop()
        rows, columns = slice(crop, height - crop), slice(crop, width - crop)
        if self.split == "val":
            rows, columns = self.validation_rows, self.validation_columns
        top, bottom, _ = rows.indices(height)
        left, right, _ = columns.indices(width)
        if bottom <= top or right <= left:
            raise UserError(f"{folder}: of {width}x{height} packed px nothing is left of what is scored")
        raw, target = self._read(folder, top, left, bottom - top, right - left)
        sample = self._sample(sample_name(folder), raw, target)
        return sample | {"scene": folder.parent.name, "frame": folder.name, "meta": read_meta(folder)}

    def source(self, index: int, part: str) -> Path:
        folder = self.folders[index]
        return folder / {"gt": "raw_gt.npy", "meta": "metadata.npy", "frames": self.inputs}[part]

    def picture(self, index: int) -> np.ndarray | None:
        path = self.folders[index] / "rgb_vis_gt.png"
        if not path.exists():
            return None
        picture = read_picture(path)
        height, width, _ = self._shape(self.folders[index])
        expected = (2 * self.task.scale * height, 2 * self.task.scale * width, 3)
        if picture.dtype != np.uint16 or picture.shape != expected:
            found = f"{picture.dtype} {picture.shape}"
            raise UserError(f"{path}: expected a 16-bit picture of shape {expected}, found {found}")
        return picture


class Maps(NamedTuple):
    """The open files of a sample: brackets (H, W, 4), and the target (sH, sW, 4) if there is one."""

    frames: list[MappedArray]
    target: MappedArray | None


@functools.lru_cache(maxsize=OPEN_MAPS // (len(EXPOSURES) + 1))
def open_sample(folder: Path, inputs: str, files: tuple[str, ...], scale: int) -> Maps:
    """Map the files of a sample; they stay open for later patches.

    Raises:
        UserError: one is missing or damaged, or their sizes do not fit together.
    """
    frames = [MappedArray(folder / inputs / file, "uint16", 4) for file in files]
    for file, array in zip(files, frames, strict=True):
        if array.shape != frames[0].shape:
            path, expected = folder / inputs / file, frames[0].shape
            raise UserError(f"{path}: shape {array.shape}, not {expected} as {files[0]}")
    path = folder / "raw_gt.npy"
    if not path.exists():
        return Maps(frames, None)
    target = MappedArray(path, "float32", 4)
    height, width, _ = frames[0].shape
    if target.shape != (scale * height, scale * width, 4):
        raise UserError(f"{path}: shape {target.shape}, expected {(scale * height, scale * width, 4)}")
    return Maps(frames, target)


def read_meta(folder: Path) -> dict:
    """White-balance gains (3,), matrix from camera RGB to linear sRGB (3, 3), and Bayer pattern of a sample.

    Raises:
        UserError: metadata.npy is missing, damaged or unsafe, or lacks one of them.
    """
    path = folder / "metadata.npy"
    content = read_metadata(path)
    try:
        red, blue = (float(np.ravel(content[key])[0]) for key in ("red_gain", "blue_gain"))
        matrix = np.asarray(content["cam2rgb"], np.float32).reshape(3, 3)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise UserError(f"{path}: no usable red_gain, blue_gain and cam2rgb ({error})") from None
    return {
        "white_balance": np.float32([red, 1.0, blue]),
        "cam2rgb": matrix,
        "cfa": "RGGB",
    }


def sample_name(folder: Path) -> str:
    """`scene-frame` of a sample's folder."""
    return f"{folder.parent.name}-{folder.name}"
