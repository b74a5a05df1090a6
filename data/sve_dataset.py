"""Shots with rows exposed in turn, made of real brackets (SVEHDRI specification, section 6)."""

import argparse
import functools
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data import row_exposure
from data.augment import Augmentation, augment
from data.base_dataset import BaseDataset
from data.draws import Draw, random_corner
from data.merging import prepared
from data.merging.prepared import TRUTH, VALID, Facts, Preparation, frame_name, read_facts, sources_of
from data.merging.scenes import LAYOUT, pair_of, split_folders
from data.reading.arrays import OPEN_MAPS, MappedArray
from data.reading.raw import normalise
from data.row_exposure import PERIOD, RowExposure, mosaicked
from util.errors import UserError
from util.imaging.bayer import unpack
from util.task import Task

Window = tuple[int, int, int, int]  # top, left, height, width


class Scene(NamedTuple):
    """A prepared scene: its name, where it is, and what is known of it."""

    name: str
    place: Path
    facts: Facts


class SveDataset(BaseDataset):
    """Scenes that data.prepare merged; their shots have the rows of two of the real frames in turn.

    `frames` (2, 1, H, W), `mask` (1, H, W) as data.row_exposure.RowExposure.sample has them; `exposure` (2,)
    is 1 and the measured ratio, which may differ from the nominal one by what shutters do. `gt` (3, H, W) is
    camera RGB, 1 = what saturates the short exposure; `valid` (1, H, W) is 0 where even the shortest frame of
    the bracket is clipped. Px are cells of the raw mosaics, so that no truth is demosaiced, or with
    `--sve_truth demosaiced` their px.
    """

    border = 4
    task = row_exposure.TASK
    scores = "guided"
    one_per_scene = True

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> None:
        row_exposure.add_sampling_options(parser)
        prepared.add_options(parser)

    @staticmethod
    def describe_layout() -> str:
        return LAYOUT

    @classmethod
    def asked(cls, opt: argparse.Namespace) -> Task:
        """As of the base class; weights depend on ratio and mask."""
        return row_exposure.sampling_task(RowExposure.of(opt))

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        super().__init__(opt, split)
        row_exposure.check_frame_num(opt.frame_num)
        self.rows = RowExposure.of(opt)
        self.task = self.asked(opt)
        self.preparation = Preparation.of(opt)
        self.pair = pair_of(opt.delta_ev, opt.bracket_frames)
        if not (self.preparation.folder / prepared.RECORD).is_file():
            command = self.preparation.command()
            raise UserError(f"{self.root} is not prepared, there is no {self.preparation.folder}: {command}")
        self.preparation.check_record()
        self.scenes = self._scenes()
        if split == "train":
            row_exposure.check_patch_size(opt.patch_size)
            if not opt.skip_damaged:
                self._room(self._maps(self.scenes[0]), self.scenes[0])

    def __len__(self) -> int:
        return len(self.scenes)

    @property
    def is_binned(self) -> bool:
        """Whether px of the shots are cells of the raw mosaics."""
        return self.preparation.truth == prepared.TRUTHS[0]

    def _scenes(self) -> list[Scene]:
        """The scenes of the split that did not move."""
        folders = split_folders(self.root, self.split)
        found = [self._scene(folder) for folder in folders]
        scenes = [scene for scene in found if not scene.facts.is_left_out][: self.opt.max_dataset_size]
        moved = sum(scene.facts.is_left_out for scene in found)
        if not scenes:
            raise UserError(f"{self.root}: all scenes of split {self.split} ({moved}) moved and are left out")
        if moved:
            text = f"{moved} of {len(found)} scenes of split {self.split} moved and are left out"
            print(f"note: {self.root}: {text}", file=sys.stderr)
        return scenes

    def _scene(self, folder: Path) -> Scene:
        """A scene as it is prepared; UserError if it is not, or not as its files are now."""
        place = self.preparation.place(folder)
        facts, advice = read_facts(place), self.preparation.command()
        if facts is None:
            raise UserError(f"{folder} is not prepared: {advice}")
        if facts.sources != sources_of([folder / name for name, _, _ in facts.sources]):
            raise UserError(f"{folder} has changed since it was prepared: {advice}")
        if not facts.is_left_out:
            for number in self.pair:
                if not (place / frame_name(number)).is_file():
                    wanted = f"{advice} --delta_ev {self.opt.delta_ev:g}"
                    raise UserError(f"{place} lacks {frame_name(number)}: {wanted}")
        return Scene(folder.name, place, facts)

    def _maps(self, scene: Scene) -> "Maps":
        return open_maps(scene.place, self.pair, 1 if self.is_binned else 2)

    def _room(self, maps: "Maps", scene: Scene) -> list[int]:
        """Number of rows and columns of cells at which a patch may begin.

        Raises:
            UserError: the scene is smaller than a patch.
        """
        side = self.opt.patch_size if self.is_binned else self.opt.patch_size // 2 + 1
        height, width = maps.frames[0].shape[:2]
        if side > min(height, width):
            room = min(height, width) if self.is_binned else 2 * (min(height, width) - 1)
            wanted = f"--patch_size {self.opt.patch_size} is larger than the {room} px"
            raise UserError(f"{wanted} that {scene.place} has room for")
        return [height - side + 1, width - side + 1]

    def patch(self, draw: Draw) -> dict:
        scene = self.scenes[draw.index]
        maps, rng, side = self._maps(scene), draw.generator(), self.opt.patch_size
        top, left = random_corner(rng, self._room(maps, scene))
        how = Augmentation.draw(rng)
        if self.is_binned:
            view = self._binned(scene, maps, (top, left, side, side), how)
        else:
            view = self._demosaiced(scene, maps, (top, left, side, side), how)
        return self._sample(scene, *view)

    def whole(self, index: int) -> dict:
        scene = self.scenes[index]
        maps, still = self._maps(scene), Augmentation()
        height, width = maps.frames[0].shape[:2]
        if self.is_binned:
            view = self._binned(scene, maps, (0, 0, *whole_pattern(height, width)), still)
        else:
            view = self._demosaiced(scene, maps, (0, 0, *whole_pattern(2 * height, 2 * width)), still)
        places = {"scene": scene.name, "frame": self._frame(scene)}
        return self._sample(scene, *view) | places | {"meta": scene.facts.meta()}

    def source(self, index: int, part: str) -> Path:
        place = self.scenes[index].place
        return place / TRUTH if part == "gt" else place

    def _frame(self, scene: Scene) -> str:
        """The short frame's name."""
        return scene.facts.frame_names[self.pair[0]]

    def _binned(
        self, scene: Scene, maps: "Maps", window: Window, how: Augmentation
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mosaics (2, H, W) of the pair, and truth and validity (H, W, 4); `window` is in cells.

        Of the two greens of a cell, one is taken, which keeps its noise (section 6, step 6): the green beside
        red where the shot has red, that beside blue in the other rows.
        """
        planes = augment(self._values(scene, maps, window), how)
        red, green, blue_green, blue = np.moveaxis(planes, -1, 0)
        beside_red = np.arange(planes.shape[1])[:, None] % 2 == 0
        colours = np.stack([red, np.where(beside_red, green, blue_green), blue], axis=-1)
        return mosaicked(colours), augment(maps.truth_of(window), how)

    def _demosaiced(
        self, scene: Scene, maps: "Maps", window: Window, how: Augmentation
    ) -> tuple[np.ndarray, np.ndarray]:
        """The same with real mosaics; top and left of `window` are in cells, height and width in px.

        A mirrored mosaic begins with red again if a px at each end of its rows or columns is left out.
        """
        top, left, height, width = window
        cells = [side // 2 + mirrored for side, mirrored in ((height, how.vertical), (width, how.horizontal))]
        planes = self._values(scene, maps, (top, left, *cells))
        mosaics = unpack(planes.transpose(0, 3, 1, 2))[..., None]
        truth = maps.truth_of((2 * top, 2 * left, 2 * cells[0], 2 * cells[1]))
        part = np.s_[..., how.vertical : how.vertical + height, how.horizontal : how.horizontal + width, :]
        return augment(mosaics[part], how)[..., 0], augment(truth[part], how)

    def _values(self, scene: Scene, maps: "Maps", window: Window) -> np.ndarray:
        """Values in [0, 1] of the pair (2, h, w, 4) in a window of cells."""
        values = []
        for number, frame in zip(self.pair, maps.frames, strict=True):
            *black, white = scene.facts.levels[number]
            values.append(normalise(read_window(frame, window), np.float32(black), white))
        return np.clip(values, 0, 1)

    def _sample(self, scene: Scene, mosaics: np.ndarray, truth: np.ndarray) -> dict:
        """The sample of two mosaics (2, H, W), and truth and validity (H, W, 4)."""
        short, long = (scene.facts.exposures[number] for number in self.pair)
        gt = np.maximum(truth[..., :3].transpose(2, 0, 1) * np.float32(short), 0)
        rows = self.rows._replace(ratio=long / short)
        return rows.sample(rows.rows_of(*mosaics)) | {
            "gt": np.ascontiguousarray(np.minimum(gt, 1) if self.opt.clip_truth else gt),
            "valid": np.ascontiguousarray(truth[..., 3][None]),
            "name": f"{scene.name}-{self._frame(scene)}",
        }


def whole_pattern(height: int, width: int) -> tuple[int, int]:
    """The largest height and width up to these of which the pattern of rows is a whole part."""
    return height // PERIOD[0] * PERIOD[0], width // PERIOD[1] * PERIOD[1]


class Maps(NamedTuple):
    """The arrays of a prepared scene that shots are made of."""

    truth: MappedArray
    valid: MappedArray
    frames: tuple[MappedArray, ...]

    def truth_of(self, window: Window) -> np.ndarray:
        """Truth and validity (h, w, 4) float32 in a window."""
        return np.concatenate([read_window(self.truth, window), read_window(self.valid, window)], axis=-1)


@functools.lru_cache(OPEN_MAPS // 4)
def open_maps(place: Path, pair: tuple[int, int], scale: int) -> Maps:
    """The arrays of the scene that is prepared at `place`, whose truth is `scale` times as large as frames.

    Raises:
        UserError: one is missing, damaged, or of another size.
    """
    frames = tuple(MappedArray(place / frame_name(number), "uint16", 4) for number in pair)
    maps = Maps(MappedArray(place / TRUTH, "float32", 3), MappedArray(place / VALID, "uint8", 1), frames)
    size = frames[0].shape[:2]
    large = tuple(scale * side for side in size)
    if frames[1].shape[:2] != size or not maps.truth.shape[:2] == maps.valid.shape[:2] == large:
        raise UserError(f"{place} holds arrays of other sizes: delete it and prepare the scene again")
    return maps


def read_window(array: MappedArray, window: Window) -> np.ndarray:
    """A window of a mapped array."""
    top, left, height, width = window
    out = np.empty((height, width, array.shape[2]), array.dtype)
    array.read(top, left, out)
    return out
