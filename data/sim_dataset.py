"""Brackets that are simulated on the fly: no disk, and no patch is ever seen twice."""

import argparse

import numpy as np

from data.base_dataset import BaseDataset
from data.draws import Draw
from data.simulate.camera import draw_camera
from data.simulate.motion import canvas_size, draw_shake
from data.simulate.photographs import TRAINING_PHOTOGRAPHS, draw_scene, read_photograph
from data.simulate.procedural import draw_picture
from data.simulate.sampling import STEPS, HandHeld, expose, measured, reduce, target
from data.syn_dataset import SynDataset

DRAWN_SHARE = 0.4  # of the patches show drawn pictures, the others photographs
MEDIAN_LEVELS = (0.004, 0.6)  # of a patch, where 1 is the third frame's white: parts of frames differ more
BRIGHTEST_LEVELS = (1.0, 96.0)  # than whole ones
COLOUR_STRENGTHS = (0.5, 3.0)  # factors of the difference from gray
CAST = 0.5  # standard deviation of the logarithm of the red, green and blue of a patch


class SimDataset(SynDataset):
    """Training patches by the physics of data.simulate; validation and test sets as in `syn`, from disk.

    A patch is a function of seed, epoch and position in the epoch alone. Its scene is one of the photographs
    that come with scikit-image, or a drawn picture, lit as a night; none of the photographs of the simulated
    Test set (`python -m data.simulate`) is used.
    """

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> None:
        """Nothing to add: the simulation varies more than flips would."""

    @staticmethod
    def describe_layout() -> str:
        return f"for validation and testing {SynDataset.describe_layout()}; training needs no files"

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        if split != "train":
            super().__init__(opt, split)
            return
        BaseDataset.__init__(self, opt, split)
        self._check_frame_num()
        self.exposure = self._exposures()
        self.scenes = list(TRAINING_PHOTOGRAPHS)[: opt.max_dataset_size]

    def __len__(self) -> int:
        return len(self.scenes) if self.split == "train" else super().__len__()

    def patch(self, draw: Draw) -> dict:
        rng = draw.generator()
        side = 2 * self.scale * self.opt.patch_size  # mosaic px
        scene = HandHeld(self._light(draw.index, rng, (side, side)), draw_shake(rng, STEPS), (side, side))
        camera = draw_camera(rng)
        clean = expose(scene, camera)[: self.opt.frame_num]
        frames, _ = measured(reduce(clean) if self.scale == 4 else clean, rng)
        gt = target(next(scene.views(range(1))), camera)
        return self._sample(f"{self.scenes[draw.index]}-{draw.epoch}-{draw.position}", np.stack(frames), gt)

    def _light(self, index: int, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        """A night scene that a camera of `size` mosaic px stays in while it shakes."""
        canvas = canvas_size(size)
        if rng.uniform() < DRAWN_SHARE:
            picture = draw_picture(rng, canvas)
        else:
            picture = read_photograph(self.scenes[index])
        light = draw_scene(rng, recoloured(rng, picture), canvas, True, MEDIAN_LEVELS, BRIGHTEST_LEVELS)
        cast = np.exp(rng.normal(0, CAST, 3))
        return light * np.float32(cast / cast.mean())


def recoloured(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) in [0, 1] with its colours exchanged and made paler or stronger.

    Few photographs hold few colours, and a network soon believes in them more than in the brackets.
    """
    gray = picture.mean(axis=-1, keepdims=True)
    strength = np.float32(rng.uniform(*COLOUR_STRENGTHS))
    return np.clip(gray + strength * (picture[..., rng.permutation(3)] - gray), 0, 1)
