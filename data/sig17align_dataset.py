"""Kalantari and Ramamoorthi's scenes (SIGGRAPH 2017) with what SelfHDR adds (specification, 8.1)."""

import argparse
from pathlib import Path

from data import ldr_scenes
from data.base_dataset import BaseDataset
from data.draws import Draw, random_corner
from data.ldr_scenes import sample, whole_sample
from data.reading import ldr_frames
from data.reading.block_cache import BlockCache
from data.reading.folders import subfolders
from data.reading.ldr_frames import RecentScenes, Scene, find_label, three_frames
from data.reading.stated_exposures import read_stated
from util.errors import UserError
from util.imaging.tiff_pictures import picture_size
from util.parser import boolean

FOLDERS = {"train": "Training", "val": "Test", "test": "Test"}
LABEL = "HDRImg"  # stem of true labels, and of colour labels beside aligned frames
FORMATS = ("exr", "hdr")  # of structure labels that are written
VALIDATION = 512  # px of the upper left corner that validation sees


class Sig17alignDataset(BaseDataset):
    """Three frames of a moving scene, and labels on the scale of the shortest.

    A training patch has the labels that `opt.targets` names; whole samples have the true one where there is
    one, and those of testing the colour label, the merge of aligned frames, as a baseline. With
    `--structure_labels` testing restores the aligned training scenes.
    """

    targets = ("gt", "color_label", "structure_label")
    task = ldr_scenes.TASK
    scores = "radiance"
    one_per_scene = True

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> None:
        ldr_scenes.add_options(parser)
        if is_train:
            parser.add_argument(
                "--structure_label_path",
                "--stru_lable_path",
                help="folder of structure labels <scene>.exr or .hdr, for a model that learns from them; "
                "default: none",
            )
        else:
            parser.add_argument(
                "--structure_labels",
                "--stage0_inference",
                type=boolean,
                default=False,
                help="restore the aligned training scenes: the results are structure labels",
            )
            parser.add_argument(
                "--label_format",
                choices=FORMATS,
                default="exr",
                help="of structure labels: exr, float32, or hdr, 8 bits and an exponent, which published "
                "programs read",
            )

    @staticmethod
    def describe_layout() -> str:
        scene = "<scene>/ that hold 3 *.tif from the shortest on, exposure.txt (stops) and HDRImg.hdr"
        return f"Training/ and Test/ with {scene}; aligned scenes likewise in Training_align/ and Test_align/"

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        super().__init__(opt, split)
        ldr_scenes.check_frame_num(opt)
        self.makes_labels = split == "test" and opt.structure_labels
        self.folder = self.root / ("Training" if self.makes_labels else FOLDERS[split])
        if not self.folder.is_dir():
            hint = "; --val_freq 0 trains without validation" if split == "val" else ""
            raise UserError(
                f"{self.root} has no folder {self.folder.name}{hint}; expected: {self.describe_layout()}"
            )
        self.folders = subfolders(self.folder)[: opt.max_dataset_size]
        if not self.folders:
            raise UserError(f"{self.folder} holds no scenes; expected: {self.describe_layout()}")
        self.aligned = self.makes_labels or ldr_scenes.takes_aligned(opt, split)
        self.scenes: dict[Path, Scene] = {}
        self.recent, self.cache = RecentScenes(), None
        if split == "train":
            self._prepare_training()
        else:
            for folder in self.folders:
                self._scene(folder)

    def _prepare_training(self) -> None:
        opt = self.opt
        if "structure_label" in opt.targets and not opt.structure_label_path:
            raise UserError(
                f"--model {opt.model} learns from structure labels: name their folder, --structure_label_path"
            )
        if opt.cache_dir:
            kind = f"{'aligned' if self.aligned else 'plain'} {opt.targets} {opt.structure_label_path}"
            planes = 3, 3 * len(opt.targets)
            self.cache = BlockCache(opt.cache_dir, self.root, kind, ldr_frames.FRAMES, scale=1, planes=planes)
        if not opt.skip_damaged:
            scenes = [self._scene(folder) for folder in self.folders]
            self._room(scenes[0])

    def __len__(self) -> int:
        return len(self.folders)

    def _scene(self, folder: Path) -> Scene:
        """The files of a scene, which are looked for once."""
        if folder not in self.scenes:
            frames = three_frames(folder, f"expected: {self.describe_layout()}")
            stated = read_stated(folder / "exposure.txt", len(frames), "stops")
            stated = stated._replace(is_trusted=self.opt.trust_exposures, is_linear=True)
            if self.aligned:
                frames = three_frames(self._beside(folder), self._how_to_align())
            self.scenes[folder] = Scene(folder.name, frames, stated, self._labels(folder))
        return self.scenes[folder]

    def _beside(self, folder: Path) -> Path:
        """The folder of a scene's aligned frames."""
        return self.root / f"{folder.parent.name}_align" / folder.name

    def _how_to_align(self) -> str:
        return ldr_scenes.how_to_align("sig17align", self.root)

    def _labels(self, folder: Path) -> dict[str, Path]:
        """Key in the sample -> file of the labels of a scene."""
        if self.split == "train":
            return {key: self._needed(folder, key) for key in self.opt.targets}
        if self.split == "val":
            return {"gt": self._needed(folder, "gt")}
        found = {"gt": find_label(folder, LABEL)}
        if self.split == "test":
            found["color_label"] = find_label(self._beside(folder), LABEL)
        return {key: path for key, path in found.items() if path}

    def _needed(self, folder: Path, key: str) -> Path:
        """The file of a label that is learnt from; UserError, with what makes it, if there is none."""
        place, stem, advice = {
            "gt": (folder, LABEL, "true labels are needed, but --val_freq 0 validates without"),
            "color_label": (self._beside(folder), LABEL, self._how_to_align()),
            "structure_label": (
                Path(self.opt.structure_label_path or ""),
                folder.name,
                "test.py --structure_labels True makes it, the label step of syn_bash/train_selfhdr.sh",
            ),
        }[key]
        path = find_label(place, stem)
        if path is None:
            raise UserError(f"there is no {place / stem}.hdr or .exr, {key} of scene {folder.name}: {advice}")
        return path

    def _room(self, scene: Scene) -> list[int]:
        """Numbers of rows and of columns that a patch can begin in."""
        room = [side - self.opt.patch_size + 1 for side in picture_size(scene.frames[0])]
        if min(room) < 1:
            side = min(room) - 1 + self.opt.patch_size
            raise UserError(
                f"--patch_size {self.opt.patch_size} is larger than the {side} px of {scene.frames[0]}"
            )
        return room

    def patch(self, draw: Draw) -> dict:
        folder, side = self.folders[draw.index], self.opt.patch_size
        scene = self._scene(folder)
        rng = draw.generator()
        top, left = random_corner(rng, self._room(scene), self.task.period)
        if self.cache:
            content = self.cache.read(
                folder, scene.sources, lambda: ldr_frames.decode(scene), top, left, side, side
            )
            top = left = 0
        else:
            content = self.recent.get(scene)
        return sample(scene, content, (slice(top, top + side), slice(left, left + side)))

    def whole(self, index: int) -> dict:
        scene = self._scene(self.folders[index])
        return whole_sample(scene, VALIDATION if self.split == "val" else None)
