"""The scenes of Sen et al. (SIGGRAPH Asia 2012), to be restored (SelfHDR specification, 8.2)."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from data import ldr_scenes
from data.base_dataset import BaseDataset
from data.ldr_scenes import whole_sample
from data.reading.folders import subfolders
from data.reading.ldr_frames import Scene, three_frames, tiff_files
from data.reading.stated_exposures import read_stated
from util.errors import UserError


class SenDataset(BaseDataset):
    """Scenes of many frames without labels, three of which are taken.

    Attributes:
        folder, exposure_file, unit: of the scenes, and of the list in each.
        fewest: frames that a scene must have.
    """

    targets = ()
    task = ldr_scenes.TASK._replace(scale=None)  # there are no targets
    scores = "radiance"
    one_per_scene = True
    folder, exposure_file, unit = "Scenes", "exposures.txt", "stops"
    fewest = 3

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> None:
        ldr_scenes.add_options(parser)

    @classmethod
    def describe_layout(cls) -> str:
        frames = f"{cls.fewest} or more *.tif from the shortest on"
        scenes = f"{cls.folder}/<scene>/ that hold {frames} and {cls.exposure_file} ({cls.unit})"
        return f"{scenes}; aligned ones, 3 *.tif each, in {cls.folder}_align/"

    @staticmethod
    def chosen(count: int) -> Sequence[int]:
        """Which of `count` frames are taken, from 0: the middle one and its neighbours."""
        middle = (count + 2) // 2 - 1
        return (middle - 1, middle, middle + 1)

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        super().__init__(opt, split)
        if split != "test":
            name = f"--dataset_name {opt.dataset_name}"
            raise UserError(f"{name} has no labels: test.py restores it, nothing is trained on it")
        ldr_scenes.check_frame_num(opt)
        place = self.root / self.folder
        if not place.is_dir():
            raise UserError(f"{self.root} has no folder {self.folder}; expected: {self.describe_layout()}")
        folders = subfolders(place)[: opt.max_dataset_size]
        if not folders:
            raise UserError(f"{place} holds no scenes; expected: {self.describe_layout()}")
        self.scenes = [self._scene(folder) for folder in folders]

    def _scene(self, folder: Path) -> Scene:
        files = tiff_files(folder)
        if len(files) < self.fewest:
            layout = f"expected: {self.describe_layout()}"
            raise UserError(f"{folder} holds {len(files)} frames *.tif, {self.fewest} are needed; {layout}")
        stated = read_stated(folder / self.exposure_file, len(files), self.unit)
        stated = stated._replace(is_trusted=self.opt.trust_exposures)
        indices = self.chosen(len(files))
        frames = tuple(files[index] for index in indices)
        if ldr_scenes.takes_aligned(self.opt, self.split):
            folder = self.root / f"{self.folder}_align" / folder.name
            advice = ldr_scenes.how_to_align(self.opt.dataset_name, self.root)
            frames = three_frames(folder, f"{advice}; --align_inputs no does without")
        return Scene(folder.name, frames, stated.of(indices), {})

    def __len__(self) -> int:
        return len(self.scenes)

    def whole(self, index: int) -> dict:
        return whole_sample(self.scenes[index])
