"""Training brackets of any kind, simulated: any number of frames, ratio and ISO, raw or developed."""

import argparse
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import cv2
import numpy as np

from data.draws import Draw
from data.sim_dataset import Photograph, SimDataset
from data.simulate.bracketing import draw_bracketing, take_pictures, take_raw
from data.simulate.camera import draw_camera
from data.simulate.photographs import TRAINING_PHOTOGRAPHS
from data.simulate.sources import find_sources
from util.errors import UserError
from util.parser import fraction

FIRST_EXPOSURE = np.float32(1 / 16)  # of all brackets, on the scale of the target
LARGEST_SIDE = 1200  # px of a photograph
SHOWS_ANOTHER = 0.5  # share of the developed brackets of three and more frames that show their second one


class BracketsDataset(SimDataset):
    """As `sim`, but each bracket has frames of its own number: they are prepared first (models.prepare).

    Samples have `reference`, the number of the frame that the target shows. Developed ones are RGB.
    """

    differ = True

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> None:
        SimDataset.modify_commandline_options(parser, is_train)
        if is_train:
            parser.set_defaults(net="merge_unet")
            parser.add_argument(
                "--developed",
                type=fraction,
                default=0.25,
                help="share of the brackets that are developed pictures, not raw files",
            )

    def _find_sources(self, side: int) -> list[Photograph]:
        """The photographs of `--source`, if there are any, and those of scikit-image."""
        if side % 2:
            raise UserError(f"--patch_size {side}: brackets have an even number of px")
        files = [
            _File(each.name, str(each.source)) for each in find_sources(self.opt.source or [], "photographs")
        ]
        built_in = [Photograph(name) for name in TRAINING_PHOTOGRAPHS]
        return (files + built_in)[: self.opt.max_dataset_size]

    def patch(self, draw: Draw) -> dict:
        rng = draw.generator()
        developed = bool(rng.uniform() < self.opt.developed)
        half = self.opt.patch_size // 2
        self.size = (half, half) if developed else (2 * half, 2 * half)
        name, scene = self._scene(rng, draw.index)
        how = draw_bracketing(rng, developed)
        reference = 0
        if developed:
            reference = int(len(how.exposure) > 2 and rng.uniform() < SHOWS_ANOTHER)
            frames, gt = take_pictures(scene, how, reference, rng)
        else:
            frames, gt = take_raw(scene, draw_camera(rng), how, rng)
        scale = FIRST_EXPOSURE / np.float32(how.exposure[0])
        return {
            "frames": np.ascontiguousarray(frames.transpose(0, 3, 1, 2), np.float32),
            "exposure": np.float32(how.exposure) * scale,
            "gt": np.ascontiguousarray(gt.transpose(2, 0, 1), np.float32) / scale,
            "reference": reference,
            "name": f"{name}-{draw.epoch}-{draw.position}",
        }


@dataclass(frozen=True)
class _File(Photograph):
    """A user's photograph in as many kinds of light and colour as the built-in ones."""

    drawn: ClassVar[float] = 0.1

    def picture(self) -> np.ndarray:
        return _read(self.source)


@lru_cache(maxsize=24)
def _read(path: str) -> np.ndarray:
    """A photograph, reduced to LARGEST_SIDE, which makes it sharp to the px and takes off its own noise."""
    picture = cv2.imread(path, cv2.IMREAD_COLOR)
    if picture is None:
        raise UserError(f"--source: cannot read {path}")
    reduction = min(LARGEST_SIDE / max(picture.shape[:2]), 1)
    picture = cv2.resize(picture, None, fx=reduction, fy=reduction, interpolation=cv2.INTER_AREA)
    return picture[..., ::-1].astype(np.float32) / 255
