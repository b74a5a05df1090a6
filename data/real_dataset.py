"""The real BracketIRE data set in its published layout: night brackets as DNG (specification, 5.4)."""

import argparse
import functools
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.augment import Augmentation, add_option, augment_pattern, augment_pixels
from data.base_dataset import BaseDataset
from data.draws import Draw, random_corner
from data.reading.arrays import MappedArray
from data.reading.block_cache import BlockCache, Content
from data.reading.exif import read_shot
from data.reading.exposures import from_shots, read_list
from data.reading.folders import subfolders
from data.reading.measured_exposures import Claim, add_trust_option, confirmed, thinned
from data.reading.raw import RawImage, begin_with_red, normalise, packed_size, read_alike, stack
from data.syn_dataset import FOLDERS
from util.errors import UserError
from util.imaging.bayer import PLANES
from util.natural import by_name
from util.parser import boolean
from util.task import Task

FEWEST = 3  # frames of a scene
WHY_FEWEST = "exposures are relative to the third's"
SCENES_AT_HAND = 2  # that a process keeps decoded when there is no `--cache_dir`
NOTES = 7  # of a frame: black of the four planes, white, which of PATTERNS its mosaic has, and its exposure
PATTERNS = tuple(PLANES)


class RealDataset(BaseDataset):
    """Brackets of raw files without ground truth; `frames` are clipped to [0, 1] as published.

    Levels, pattern and size are what each file says. Exposures are those of exposure.txt, or of EXIF where
    there is none. A simulated scene may hold raw_gt.npy, float32 (h, w, 4), packed as its files are and on
    the scale of the third frame: for a model that does not enlarge it is the `gt` of whole samples; patches
    have none.

    Attributes:
        one_per_scene: files of results are named by the scene alone, as published.
    """

    task = Task(scale=None)  # whatever the model's is: there are no targets that would have to fit
    targets = ()
    channels = 4
    one_per_scene = True
    validation_size, validation_corner = (128, 512), (1000, 1000)  # packed px

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> None:
        parser.add_argument(
            "--centre_quarter",
            type=boolean,
            help="restore the central quarter of both sides only; by default where --model enlarges",
        )
        parser.add_argument(
            "--phase",
            choices=("red", "file"),
            help="where mosaics begin: at their first red px, so that they are RGGB as synthetic data are, "
            "or where those of the files do, as published; default: file for --model real and realplus, "
            "else red",
        )
        add_trust_option(parser)
        if is_train:
            add_option(parser)

    @staticmethod
    def describe_layout() -> str:
        return "Train/ and Test/ with <scene>/ that hold exposure.txt and *.dng, by name from the shortest on"

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        super().__init__(opt, split)
        folder = self.root / FOLDERS[split]
        if not folder.is_dir():
            hint = "; --val_freq 0 trains without validation" if split == "val" else ""
            raise UserError(
                f"{self.root} has no folder {folder.name}{hint}; expected: {self.describe_layout()}"
            )
        self.folders = subfolders(folder)[:: 3 if split == "val" else 1][: opt.max_dataset_size]
        if not self.folders:
            raise UserError(f"{folder} holds no scenes; expected: {self.describe_layout()}")
        is_rggb = opt.phase == "red" and (split != "train" or opt.augment != "published")
        self.task = Task(scale=4 if opt.model.endswith("plus") else 1, mosaic=is_rggb)
        self.central = self.task.scale > 1 if opt.centre_quarter is None else opt.centre_quarter
        self.cache = None
        if opt.cache_dir:
            inputs = f"{opt.phase} trusted" if opt.trust_exposures else opt.phase
            self.cache = BlockCache(opt.cache_dir, self.root, inputs, opt.frame_num, 0, NOTES)
        if split == "train" and not opt.skip_damaged:
            self._check_patch(self._brackets(self.folders[0]))

    def __len__(self) -> int:
        return len(self.folders)

    def _brackets(self, folder: Path) -> "Brackets":
        opt = self.opt
        return open_brackets(folder, opt.frame_num, opt.phase == "red", opt.trust_exposures)

    def _extra(self) -> int:
        """Px that a patch is read wider, so that flips which keep the Bayer pattern can lose one."""
        return 1 if self.opt.augment == "cfa" else 0

    def _check_patch(self, brackets: "Brackets") -> None:
        room = min(brackets.room) - self._extra()
        if self.opt.patch_size > room:
            file = brackets.files[0]
            raise UserError(f"--patch_size {self.opt.patch_size} is larger than the {room} px of {file}")

    def patch(self, draw: Draw) -> dict:
        folder = self.folders[draw.index]
        brackets = self._brackets(folder)
        self._check_patch(brackets)
        rng = draw.generator()
        side = self.opt.patch_size + self._extra()
        top, left = random_corner(rng, [size - side + 1 for size in brackets.room], self.task.period)
        if self.cache:
            raw, _, notes = self.cache.read(
                folder, brackets.sources, lambda: decode(brackets), top, left, side, side
            )
        else:
            raw, _, notes = decode_recent(brackets)
            raw = raw[:, top : top + side, left : left + side]
        frames = _clipped(raw, notes[:, None, None, :4], notes[:, None, None, 4:5])
        frames = self._augmented(draw, rng, frames, PATTERNS[int(notes[0, 5])])
        return {
            "frames": frames.transpose(0, 3, 1, 2),
            "exposure": notes[:, 6],
            "name": brackets.name,
        }

    def _augmented(self, draw: Draw, rng: np.random.Generator, frames: np.ndarray, cfa: str) -> np.ndarray:
        """Frames (T, h, w, 4) after --augment."""
        if self.opt.augment == "none":
            return frames
        if self.opt.augment == "published":  # one draw for the whole batch
            return augment_pixels(frames, Augmentation.draw(draw.batch_generator()))
        return np.ascontiguousarray(augment_pattern(frames, Augmentation.draw(rng), cfa))

    def whole(self, index: int) -> dict:
        folder = self.folders[index]
        brackets = self._brackets(folder)
        files = read_alike(brackets.files)
        stored = next(files)
        first = self._begun(stored)
        images = itertools.chain([first], map(self._begun, files))
        window = self._window(first.planes.shape)
        values = (_clipped(image.planes[window], image.black, image.white) for image in images)
        frames = stack(len(brackets.files), values)
        sample = {
            "frames": frames,
            "exposure": brackets.confirmed(map(thinned, frames[:, 1])),
            "meta": first.cropped(*window).meta(),
            "name": brackets.name,
            "scene": folder.name,
            "frame": brackets.files[0].stem,
        }
        target = self._target(folder, stored)
        if target is not None:
            sample["gt"] = target[window].transpose(2, 0, 1)
        return sample

    def source(self, index: int, part: str) -> Path:
        folder = self.folders[index]
        return folder / "raw_gt.npy" if part == "gt" else dng_files(folder)[0]

    def _begun(self, image: RawImage) -> RawImage:
        """An image from where `--phase` lets it begin."""
        return image.from_red() if self.opt.phase == "red" else image

    def _window(self, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """Rows and columns of a frame of `shape` that validation and testing see."""
        size = shape[:2]
        if self.split == "val":
            sides = [min(*pair) for pair in zip(self.validation_size, size, strict=True)]
            corner = [
                min(first, whole - side)
                for first, whole, side in zip(self.validation_corner, size, sides, strict=True)
            ]
            return tuple(slice(first, first + side) for first, side in zip(corner, sides, strict=True))
        if self.central:
            return tuple(slice(3 * side // 8, 5 * side // 8) for side in size)
        return slice(0, size[0]), slice(0, size[1])

    def _target(self, folder: Path, image: RawImage) -> np.ndarray | None:
        """The scene's raw_gt.npy (h, w, 4), of the same part as the frames; None if there is none to use."""
        path = folder / "raw_gt.npy"
        if self.task.scale > 1 or not path.exists():
            return None
        array = MappedArray(path, "float32", 4)
        if array.shape != image.planes.shape:
            raise UserError(f"{path}: shape {array.shape}, not {image.planes.shape} as its brackets")
        target = np.empty(array.shape, np.float32)
        array.read(0, 0, target)
        if not np.isfinite(target).all():
            raise UserError(f"{path}: holds values that are not finite")
        return begin_with_red(target, image.cfa) if self.opt.phase == "red" else target


def _clipped(planes: np.ndarray, black: np.ndarray, white: np.ndarray | float) -> np.ndarray:
    values = normalise(planes, black, white)
    return np.clip(values, 0, 1, out=values)


class Brackets(NamedTuple):
    """The frames of a scene.

    Attributes:
        files, exposures: of each, from the shortest on; exposures relative to the third.
        source: the list that tells them; None: EXIF. is_trusted: whatever the frames show.
        from_red: whether mosaics begin at their first red px.
        room: height and width in packed px that windows lie in, at most one less than the frames have.
    """

    files: tuple[Path, ...]
    exposures: tuple[float, ...]
    source: Path | None
    is_trusted: bool
    from_red: bool
    room: tuple[int, int]

    @property
    def sources(self) -> list[Path]:
        """All files that the scene depends on."""
        return [*self.files, *([self.source] if self.source else [])]

    def confirmed(self, greens: Iterable[np.ndarray]) -> np.ndarray:
        """Exposures (T,) float32 that the frames' greens (h, w), thinned ones, agree with."""
        exposures = np.array(self.exposures)
        if not self.is_trusted:
            found = confirmed(Claim(self.files, exposures, self.source), greens)
            third = min(2, len(found) - 1)
            exposures = found * exposures[third] / found[third]
        return np.float32(exposures)

    @property
    def name(self) -> str:
        return f"{self.files[0].parent.name}-{self.files[0].stem}"


def dng_files(folder: Path) -> list[Path]:
    """The brackets in the folder of a scene by name, without hidden files."""
    files = (file for file in folder.iterdir() if not file.name.startswith("."))
    return by_name(file for file in files if file.suffix.lower() == ".dng")


@functools.cache
def open_brackets(folder: Path, frames: int, from_red: bool, is_trusted: bool) -> Brackets:
    """The first `frames` brackets of a scene; no image is read.

    Raises:
        UserError: too few files, no exposures, or such that do not rise with the names.
    """
    files, needed = dng_files(folder), max(frames, FEWEST)
    if len(files) < needed:
        reason = f"for --frame_num {frames}" if frames >= FEWEST else f"as {WHY_FEWEST}"
        raise UserError(f"{folder}: {len(files)} files *.dng, {needed} are needed {reason}")
    listed = read_list(folder, files)
    exposures = listed[0] if listed else from_shots(files, [read_shot(file, is_raw=True) for file in files])
    if not (np.diff(exposures) > 0).all():
        shown = ", ".join(f"{exposure:.4g}" for exposure in exposures)
        raise UserError(f"{listed[1] if listed else folder}: exposures {shown} do not rise as the names do")
    height, width = packed_size(files[0])
    return Brackets(
        files=tuple(files[:frames]),
        exposures=tuple((exposures[:frames] / exposures[2]).tolist()),
        source=listed[1] if listed else None,
        is_trusted=is_trusted,
        from_red=from_red,
        room=(height - from_red, width - from_red),
    )


def decode(brackets: Brackets) -> Content:
    """Whole brackets (T, H, W, 4) uint16, no target, and what a window of them must know.

    Raises:
        UserError: a file is damaged or does not fit the others, or the frames contradict their exposures.
    """
    images = [image.from_red() if brackets.from_red else image for image in read_alike(brackets.files)]
    greens = (normalise(thinned(image.planes)[..., 1], image.black[1], image.white) for image in images)
    exposures = brackets.confirmed(np.minimum(green, 1) for green in greens)
    notes = [
        [*image.black, image.white, PATTERNS.index(image.cfa), exposure]
        for image, exposure in zip(images, exposures, strict=True)
    ]
    raw = np.stack([image.planes for image in images])
    return Content(raw, np.empty((0, 0, 4), np.float32), np.float32(notes))


decode_recent = functools.lru_cache(SCENES_AT_HAND)(decode)
