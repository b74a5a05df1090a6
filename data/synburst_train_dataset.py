"""Bursts that are made of photographs on the fly, to learn super-resolution (DeepRep specification, 4)."""

import argparse
from pathlib import Path

import numpy as np

from data.base_dataset import BaseDataset
from data.draws import Draw
from data.reading.photographs import LAYOUT, find_photographs
from data.simulate.burst import take_burst
from data.synburst_dataset import SynburstDataset
from util.imaging.images import read_picture

PATCH = 54  # packed px of a frame
FIXED = 0  # seed of what is validated and tested on


class SynburstTrainDataset(BaseDataset):
    """Bursts of photographs, as of ZurichRAW2RGB: frame 0 shows the target, the others are moved against it.

    `frames` (T, 4, h, w) are raw in [0, 1] with noise, `gt` (3, 8h, 8w) is linear camera RGB before white
    balance. A training burst is a function of its `Draw`, one of validation or testing of its index. Fewer
    frames are the first ones.
    """

    border = SynburstDataset.border
    task = SynburstDataset.task
    scores = SynburstDataset.scores

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> None:
        parser.add_argument(
            "--burst_bits",
            choices=("float", "8"),
            default="float",
            help="of the linear picture that frames are made of: not rounded, or 8 bits as published, which "
            "shows in the shadows",
        )
        parser.set_defaults(frame_num=SynburstDataset.frame_num)
        if is_train:
            parser.set_defaults(patch_size=PATCH)

    @staticmethod
    def describe_layout() -> str:
        return LAYOUT

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        super().__init__(opt, split)
        self.paths = find_photographs(self.root, split)[: opt.max_dataset_size]
        self.bits = None if opt.burst_bits == "float" else int(opt.burst_bits)
        self.patch_size = opt.patch_size if opt.is_train else PATCH

    def __len__(self) -> int:
        return len(self.paths)

    def patch(self, draw: Draw) -> dict:
        return self._sample(self.paths[draw.index], draw.generator())

    def whole(self, index: int) -> dict:
        path = self.paths[index]
        return self._sample(path, np.random.default_rng((FIXED, index)), with_meta=True)

    def _sample(self, path: Path, rng: np.random.Generator, with_meta: bool = False) -> dict:
        """A burst of a random part of a photograph."""
        size = (self.patch_size, self.patch_size)
        burst = take_burst(read_picture(path), size, self.opt.frame_num, rng, self.bits)
        sample = {
            "frames": burst.frames,
            "exposure": np.ones(len(burst.frames), np.float32),
            "gt": burst.gt,
            "name": f"{self.split}-{path.stem}",
        }
        if with_meta:
            sample |= {"scene": self.split, "frame": path.stem, "meta": burst.camera.meta()}
        return sample
