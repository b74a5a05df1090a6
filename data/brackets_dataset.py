"""Training brackets of any kind, simulated: any number of frames, ratio and ISO, raw or developed."""

import argparse
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import cv2
import numpy as np

from data.draws import Draw
from data.sim_dataset import BRIGHTEST_LEVELS, MEDIAN_LEVELS, Photograph, SimDataset
from data.simulate.bracketing import draw_bracketing, take_pictures, take_raw
from data.simulate.camera import draw_camera
from data.simulate.focus import draw_focus, draw_patch_focus
from data.simulate.foreground import Patch, draw_patch
from data.simulate.photographs import TRAINING_PHOTOGRAPHS, draw_scene
from data.simulate.sampling import Scene
from data.simulate.scenes import Shot
from data.simulate.sources import find_sources
from util.errors import UserError
from util.parser import share
from util.task import FRAME_PLANES

FIRST_EXPOSURE = np.float32(1 / 16)  # of all brackets, on the scale of the target
LARGEST_SIDE = 1200  # px of a photograph
NATURAL = 0.6  # share of the scenes of photographs that keep their colours
SPARKLING = 0.2  # share of the scenes with points of light that no lens has spread
SPARKS = (0.3, 100.0)  # their light, where 1 is the third frame's white of the published data
SPARK_COLOUR = 0.4  # standard deviation of the logarithm of their red, green and blue
EXTENTS = (0.15, 0.9)  # of what moves, as in data.simulate.foreground: patches are small
TRAVELS = (0.02, 0.6)
DEFOCUSED = 0.2  # share of the scenes of which a part or all is out of focus, sparks too
DENSEST_POINTS = 0.003  # of the px
MOST_LINES = 2
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
                type=share,
                default=0.25,
                help="share of the brackets that are developed pictures, not raw files",
            )

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        super().__init__(opt, split)
        if split == "train" and opt.developed in (0, 1):
            self.task = self.task._replace(protocol=((FRAME_PLANES, "3" if opt.developed else "4"),))

    def _find_sources(self, side: int) -> list[Photograph]:
        """The photographs of `--source`, if there are any, and those of scikit-image."""
        if side % 2:
            raise UserError(f"--patch_size {side}: brackets have an even number of px")
        files = [
            _File(each.name, str(each.source)) for each in find_sources(self.opt.source or [], "photographs")
        ]
        built_in = [_Seen(name) for name in TRAINING_PHOTOGRAPHS]
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
class _Seen(Photograph):
    """A photograph in which, now and then, single px are far brighter than all around, or all is soft."""

    def scene(self, start: int, shot: Shot) -> tuple[Scene, dict]:
        scene, facts = super().scene(start, shot)
        return draw_patch_focus(shot.rng("focus"), scene), facts

    def _foreground(self, rng: np.random.Generator, size: tuple[int, int]) -> Patch:
        return draw_patch(rng, size, lamps=True, extents=EXTENTS, travels=TRAVELS)

    def _light(self, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        return photographed(rng, super()._light(rng, size))


def photographed(rng: np.random.Generator, light: np.ndarray) -> np.ndarray:
    """Light (H, W, 3), in a share of the scenes with sparks in it, in a share out of focus."""
    if rng.uniform() < SPARKLING:
        light = np.maximum(light, draw_sparks(rng, light.shape[:2]))
    return draw_focus(rng, light) if rng.uniform() < DEFOCUSED else light


def draw_sparks(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """The light of points and of broken lines one px wide, linear (*size, 3), 0 elsewhere."""
    lines = np.zeros(size, np.uint8)
    for _ in range(rng.integers(MOST_LINES + 1)):
        bends = rng.integers(0, size[::-1], (3, 2), dtype=np.int32)
        cv2.polylines(lines, [bends], isClosed=False, color=1)
    lit = (lines > 0) & (rng.uniform(size=size) < rng.uniform())
    lit |= rng.uniform(size=size) < rng.uniform(0, DENSEST_POINTS)
    brightness = np.exp(rng.uniform(*np.log(SPARKS), size=size))
    colour = np.exp(rng.normal(0, SPARK_COLOUR, (*size, 3)))
    return np.float32((lit * brightness)[..., None] * colour)


@dataclass(frozen=True)
class _File(_Seen):
    """A user's photograph, mostly in its own colours, else in as many as the built-in ones."""

    drawn: ClassVar[float] = 0.1

    def _light(self, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        if rng.uniform() >= NATURAL:
            return super()._light(rng, size)
        light = draw_scene(rng, self.picture(), size, False, MEDIAN_LEVELS, BRIGHTEST_LEVELS)
        return photographed(rng, light)

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
