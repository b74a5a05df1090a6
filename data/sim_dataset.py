"""Brackets that are simulated on the fly: no disk, and no patch is ever seen twice."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from data.base_dataset import BaseDataset
from data.draws import Draw
from data.simulate.camera import draw_camera
from data.simulate.footage import frames_needed
from data.simulate.foreground import Covered, Patch, draw_patch
from data.simulate.motion import canvas_size, draw_shake
from data.simulate.photographs import TRAINING_PHOTOGRAPHS, draw_scene, read_photograph
from data.simulate.procedural import draw_picture
from data.simulate.sampling import STEPS, HandHeld, Scene, expose, measured, reduce, target
from data.simulate.scenes import Photograph as FilePhotograph
from data.simulate.scenes import SceneCut, Shot, Video
from data.simulate.settings import SMALLEST, STEPS_PER_FRAME, Settings
from data.simulate.sources import Source, find_sources
from data.syn_dataset import SynDataset
from util.errors import UserError
from util.parser import fraction

DRAWN_SHARE = 0.4  # of the patches show drawn pictures, the others photographs
MEDIAN_LEVELS = (0.004, 0.6)  # of a patch, where 1 is the third frame's white: parts of frames differ more
BRIGHTEST_LEVELS = (1.0, 96.0)  # than whole ones
COLOUR_STRENGTHS = (0.5, 3.0)  # factors of the difference from gray
TRIES = 20  # parts of footage for a patch, before it is said that all have cuts
CAST = 0.5  # standard deviation of the logarithm of the red, green and blue of a patch


class SimDataset(SynDataset):
    """Training patches by the physics of data.simulate; validation and test sets as in `syn`, from disk.

    A patch is a function of seed, epoch and position in the epoch alone. Its scene is a part of the footage
    that `--source` names; without that, one of the photographs that come with scikit-image (none of those of
    the simulated Test set), or a drawn picture, lit as a night.
    """

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> None:
        if not is_train:
            return
        parser.add_argument(
            "--source",
            type=Path,
            action="append",
            help="footage to simulate from: pictures or videos; may be given several times; a patch "
            "of a video takes a second or so",
        )
        parser.add_argument(
            "--foreground",
            type=fraction,
            default=0.3,
            help="share of the photographs before which something moves",
        )

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
        side = self.task.scale * opt.patch_size  # packed px
        self.sources = self._find_sources(side)
        self.size = (side, side)

    def _find_sources(self, side: int) -> list["Source"]:
        """What patches of `side` packed px are made of."""
        built_in = [Photograph(name) for name in TRAINING_PHOTOGRAPHS]
        return footage(self.opt, side) if self.opt.source else built_in[: self.opt.max_dataset_size]

    def __len__(self) -> int:
        return len(self.sources) if self.split == "train" else super().__len__()

    def patch(self, draw: Draw) -> dict:
        rng = draw.generator()
        name, scene = self._scene(rng, draw.index)
        camera = draw_camera(rng)
        clean = expose(scene, camera, count=self.opt.frame_num)
        frames, _ = measured(reduce(clean, self.task.scale), rng)
        gt = target(next(scene.views(range(1))), camera)
        return self._sample(f"{name}-{draw.epoch}-{draw.position}", np.stack(frames), gt)

    def _scene(self, rng: np.random.Generator, index: int) -> tuple[str, Scene]:
        """The name of a source and a scene of it; of another, random one where frames show two scenes."""
        for _ in range(TRIES):
            source = self.sources[index]
            settings = Settings(int(rng.integers(2**62)), self.size, foreground=self.opt.foreground)
            starts = list(source.samples(settings, 1).values())
            start = starts[rng.integers(len(starts))]
            try:
                return source.name, source.scene(start, Shot("Train", source.name, 0, settings))[0]
            except SceneCut:
                index = int(rng.integers(len(self.sources)))
        raise UserError(
            f"--source: {TRIES} random parts of the footage show two scenes each, such as {source.source}: "
            "leave out videos with many cuts"
        )


def footage(opt: argparse.Namespace, side: int) -> list[Source]:
    """The sources of `--source`, each of which can give patches of `side` packed px.

    Raises:
        UserError: there are none, a file cannot be read, a source is too short or has too few px, or the
            patches are smaller than the simulation makes them.
    """
    if side < SMALLEST or side % 4:
        raise UserError(
            f"--patch_size {opt.patch_size}: with --source the targets are {side} packed px on a side, which "
            f"must be a multiple of 4 from {SMALLEST} on"
        )
    sources = find_sources(opt.source)[: opt.max_dataset_size]
    for source in sources:
        _check(source, (2 * side, 2 * side), opt.patch_size)
    return sources


def _check(source: Video | FilePhotograph, size: tuple[int, int], patch_size: int) -> None:
    """Refuse a video that is shorter than a bracket, and pictures that are smaller than patches of `size`."""
    is_video, needed = isinstance(source, Video), frames_needed(STEPS_PER_FRAME)
    if is_video and len(source.frames) < needed:
        raise UserError(
            f"--source: {source.source} has {len(source.frames)} frames, a patch of a video takes {needed}: "
            "give more frames, or leave it out"
        )
    found, canvas = source.frames.read(0).shape[:2], size if is_video else canvas_size(size)
    if found[0] < canvas[0] or found[1] < canvas[1]:
        raise UserError(
            f"--source: {source.source} has {found[1]}x{found[0]} px, --patch_size {patch_size} takes "
            f"{canvas[1]}x{canvas[0]}: give a smaller --patch_size, or leave it out"
        )


@dataclass(frozen=True)
class Photograph:
    """A photograph of scikit-image or a drawn picture, in more kinds of light and colour than footage."""

    name: str
    source: str = "scikit-image"
    drawn: ClassVar[float] = DRAWN_SHARE

    def samples(self, settings: Settings, count: int) -> dict[int, int]:
        return dict.fromkeys(range(count), 0)

    def scene(self, start: int, shot: Shot) -> tuple[Scene, dict]:
        rng = shot.rng("scene")
        size = (2 * shot.settings.size[0], 2 * shot.settings.size[1])
        scene = HandHeld(self._light(rng, canvas_size(size)), draw_shake(rng, STEPS), size)
        if rng.uniform() < shot.settings.foreground:
            scene = Covered(scene, self._foreground(rng, size))
        return scene, {}

    def _foreground(self, rng: np.random.Generator, size: tuple[int, int]) -> Patch:
        """What moves before it, in views of `size` px."""
        return draw_patch(rng, size, lamps=True)

    def picture(self) -> np.ndarray:
        """sRGB-coded, float32 (H, W, 3) in [0, 1]."""
        return read_photograph(self.name)

    def _light(self, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        """A night scene, linear sRGB (*size, 3)."""
        picture = draw_picture(rng, size) if rng.uniform() < self.drawn else self.picture()
        light = draw_scene(rng, recoloured(rng, picture), size, True, MEDIAN_LEVELS, BRIGHTEST_LEVELS)
        cast = np.exp(rng.normal(0, CAST, 3))
        return light * np.float32(cast / cast.mean())


def recoloured(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) in [0, 1] with its colours exchanged and made paler or stronger.

    Few photographs hold few colours, and a network soon believes in them more than in the brackets.
    """
    gray = picture.mean(axis=-1, keepdims=True)
    strength = np.float32(rng.uniform(*COLOUR_STRENGTHS))
    return np.clip(gray + strength * (picture[..., rng.permutation(3)] - gray), 0, 1)
