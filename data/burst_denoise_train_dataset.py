"""Bursts that are made of photographs on the fly, to learn denoising (Deep-Rep specification, 5)."""

import argparse
from pathlib import Path

import numpy as np

from data.base_dataset import BaseDataset
from data.burst_denoise_dataset import BurstDenoiseDataset, add_colour_option
from data.draws import Draw
from data.reading.photographs import LAYOUT, find_photographs
from data.simulate.burst_noise import Geometry, take_noisy_burst
from util.errors import UserError
from util.imaging.images import read_picture
from util.parser import positive, whole

PATCH = 128  # px of a frame
FIXED = 0  # seed of what is validated and tested on


class BurstDenoiseTrainDataset(BaseDataset):
    """Bursts of photographs, as of OpenImages: frame 0 shows the target, the others are shifted against it.

    `frames` (T, C, h, w) are linear with noise, which may be negative, `gt` (C, h, w) is frame 0 without it,
    C 3 (RGB) or 1; `noise_map` (T, C, h, w) is estimated from the noisy values and the known law. White is at
    the `white_level` of `meta`, between 0.1 and 1. A training burst is a function of its `Draw`, one of
    validation or testing of its index. Fewer frames are the first ones.
    """

    border = BurstDenoiseDataset.border
    task = BurstDenoiseDataset.task
    scores = BurstDenoiseDataset.scores

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> None:
        add_colour_option(parser)
        parser.add_argument(
            "--pre_downsample",
            type=positive,
            default=Geometry.factor,
            help="px of a photograph per px of a frame, each way; small photographs need a smaller number",
        )
        parser.add_argument(
            "--small_jitter",
            type=whole,
            default=Geometry.small,
            help="px of a frame by which most frames are shifted at most, each way",
        )
        parser.add_argument(
            "--large_jitter",
            type=whole,
            default=Geometry.large,
            help="the same of some frames; photographs hold twice as many px of a frame besides the patch",
        )
        parser.add_argument(
            "--small_images",
            choices=("mirror", "published"),
            default="mirror",
            help="fills what a small photograph lacks: the photograph mirrored, or black, as published",
        )
        parser.set_defaults(frame_num=BurstDenoiseDataset.frame_num)
        if is_train:
            parser.set_defaults(patch_size=PATCH)

    @staticmethod
    def describe_layout() -> str:
        return LAYOUT

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        super().__init__(opt, split)
        if opt.small_jitter > opt.large_jitter:
            small, large = opt.small_jitter, opt.large_jitter
            raise UserError(f"--small_jitter {small} is more than --large_jitter {large}: exchange them")
        self.task = BurstDenoiseDataset.task_of(opt)
        self.paths = find_photographs(self.root, split)[: opt.max_dataset_size]
        side = opt.patch_size if opt.is_train else PATCH
        self.geometry = Geometry((side, side), opt.pre_downsample, opt.small_jitter, opt.large_jitter)

    def __len__(self) -> int:
        return len(self.paths)

    def patch(self, draw: Draw) -> dict:
        sample, _ = self._sample(self.paths[draw.index], draw.generator())
        return sample

    def whole(self, index: int) -> dict:
        path = self.paths[index]
        sample, white_level = self._sample(path, np.random.default_rng((FIXED, index)))
        meta = {"white_level": np.array(white_level, np.float32)}
        return sample | {"scene": self.split, "frame": path.stem, "meta": meta}

    def _sample(self, path: Path, rng: np.random.Generator) -> tuple[dict, float]:
        """A burst of a random part of a photograph, and the value of its white."""
        burst = take_noisy_burst(
            read_picture(path),
            self.geometry,
            self.opt.frame_num,
            rng,
            gray=self.task.channels == 1,
            black=self.opt.small_images == "published",
        )
        sample = {
            "frames": burst.frames,
            "exposure": np.ones(len(burst.frames), np.float32),
            "gt": burst.gt,
            "noise_map": burst.noise_map,
            "name": f"{self.split}-{path.stem}",
        }
        return sample, burst.white_level
