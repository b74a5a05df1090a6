"""Bursts that are made of photographs on the fly, to learn super-resolution (DeepRep specification, 4)."""

import argparse
from pathlib import Path

import cv2
import numpy as np

from data.base_dataset import BaseDataset
from data.draws import Draw, random_corner
from data.reading.photographs import LAYOUT, find_photographs
from data.simulate import burst
from data.simulate.burst import BORDER, REFERENCE, Motion
from data.simulate.unprocessing import NoiseLevels, SrgbCamera, unprocess_codes
from data.synburst_dataset import SynburstDataset
from util.imaging.images import read_picture

PATCH = 54  # packed px of a frame
FIXED = 0  # seed of what is validated and tested on
TO_16_BIT = 257  # of codes of 8 bits


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
        patch = opt.patch_size if opt.is_train else PATCH
        self.side = patch * self.task.scale + 2 * BORDER  # px of the picture that a burst is made of

    def __len__(self) -> int:
        return len(self.paths)

    def patch(self, draw: Draw) -> dict:
        return self._sample(self.paths[draw.index], draw.generator())

    def whole(self, index: int) -> dict:
        path = self.paths[index]
        return self._sample(path, np.random.default_rng((FIXED, index)), with_meta=True)

    def _sample(self, path: Path, rng: np.random.Generator, with_meta: bool = False) -> dict:
        """A burst of a random part of a photograph."""
        place, shake, noise = rng.spawn(3)  # so that the first frames do not depend on how many there are
        codes = random_part(read_picture(path), self.side, place)
        camera, levels = SrgbCamera.draw(place), NoiseLevels.draw(place)
        linear = unprocess_codes(codes, camera)
        motions = [REFERENCE, *(Motion.draw(shake) for _ in range(self.opt.frame_num - 1))]
        frames = np.stack(list(burst.frames(linear, motions, self.bits)))
        frames = levels.add(frames, noise.standard_normal(frames.shape, np.float32))
        sample = {
            "frames": np.clip(frames, 0, 1, out=frames),
            "exposure": np.ones(len(frames), np.float32),
            "gt": np.ascontiguousarray(linear[:, BORDER:-BORDER, BORDER:-BORDER]),
            "name": f"{self.split}-{path.stem}",
        }
        if with_meta:
            sample |= {"scene": self.split, "frame": path.stem, "meta": camera.meta()}
        return sample


def random_part(codes: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A random square of `side` px of a photograph (H, W, 3) of uint8 or uint16, mirrored or not.

    A photograph that is smaller is enlarged so that it just holds the square, as published, and is uint16
    then.
    """
    if min(codes.shape[:2]) < side:
        factor = side / min(codes.shape[:2])
        width, height = (max(side, round(factor * length)) for length in codes.shape[1::-1])
        deep = codes if codes.dtype == np.uint16 else codes.astype(np.uint16) * np.uint16(TO_16_BIT)
        codes = cv2.resize(deep, (width, height), interpolation=cv2.INTER_LINEAR)
    top, left = random_corner(rng, [length - side + 1 for length in codes.shape[:2]])
    part = codes[top : top + side, left : left + side]
    return cv2.flip(part, 1) if rng.random() < 0.5 else np.ascontiguousarray(part)
