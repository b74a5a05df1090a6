"""Shots with rows exposed in turn, simulated on the fly (SVEHDRI specification, section 6, step 8)."""

import argparse
import math
from dataclasses import dataclass

import numpy as np

from data.augment import Augmentation, augment
from data.base_dataset import BaseDataset
from data.draws import Draw
from data.row_exposure import TASK, RowExposure, add_sampling_options, check_patch_size, sampling_task
from data.sim_dataset import DRAWN_SHARE, recoloured
from data.simulate.photographs import (
    PHOTOGRAPHS,
    TRAINING_PHOTOGRAPHS,
    draw_part,
    read_photograph,
    seen_by_lens,
)
from data.simulate.procedural import draw_picture
from data.simulate.radiance import LAYOUT, Shelf, find_radiance
from data.simulate.row_scenes import DIMMED, FileScene, RowScene, by_day, draw_radiance, draw_row_camera
from data.simulate.row_shots import FULL_WELL, KINDS, READ_NOISE, RowSensor, expose_rows
from util.errors import UserError
from util.imaging.tonemap import srgb_decode
from util.parser import amount, positive
from util.task import Task

SCENES = ("files", "built_in", "both")
BOTH = "both"  # one or the other, by chance
PATCH = 128  # px of the mosaic
SMALLEST = 32  # px of the same
SIZE = 512  # px of what is validated and tested on
FIXED = 0  # its seed


class SveSimDataset(BaseDataset):
    """Shots of files of linear light, of photographs, or of what scikit-image holds.

    `frames` (2, 1, H, W), `exposure`, `mask` and `meta` are as data/row_exposure.py makes them, `gt`
    (3, H, W) is linear camera RGB before white balance, where 1 is the saturation of the short exposure. It
    is known everywhere, so samples have no `valid`. A training patch is a function of its `Draw`, one of
    validation or testing of its index. Flips and transposition come before the mosaic, so they keep its
    pattern.
    """

    border = 4
    task = TASK
    scores = "guided"

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> None:
        add_sampling_options(parser)
        parser.add_argument(
            "--sim_scenes",
            choices=SCENES,
            default=SCENES[0],
            help="files of DATAROOT, built_in: photographs of scikit-image and, in training, drawn pictures; "
            "both in training",
        )
        parser.add_argument(
            "--sve_kind",
            choices=(*KINDS, BOTH),
            default=KINDS[0],
            help="what rows differ in: time of exposure, gain (two ISO speeds at once), or both by chance",
        )
        parser.add_argument(
            "--full_well",
            type=electrons,
            default=[FULL_WELL],
            metavar="E[,E]",
            help="electrons at which the short exposure clips; of two numbers, one between is drawn",
        )
        parser.add_argument(
            "--sve_read_noise", type=amount, default=READ_NOISE, help="electrons, standard deviation"
        )
        parser.add_argument(
            "--sim_size",
            type=positive,
            default=SIZE,
            help="sides of what is validated and tested on, at most; larger files are reduced",
        )
        if is_train:
            parser.set_defaults(patch_size=PATCH)

    @staticmethod
    def describe_layout() -> str:
        return LAYOUT

    @classmethod
    def asked(cls, opt: argparse.Namespace) -> Task:
        """As of the base class; weights depend on ratio and mask."""
        return sampling_task(RowExposure.of(opt))

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        super().__init__(opt, split)
        self.pattern = RowExposure.of(opt)
        self.task = sampling_task(self.pattern)
        if split == "train":
            check_patch_size(opt.patch_size)
        elif opt.sim_size % 4 or opt.sim_size < SMALLEST:
            whole = "so that the pattern of rows is whole, and something is left to score"
            raise UserError(f"--sim_size {opt.sim_size}: a multiple of 4 from {SMALLEST} on, {whole}")
        self.scenes = self._scenes()[: opt.max_dataset_size]

    def _scenes(self) -> list[RowScene]:
        """The scenes of the split."""
        scenes, is_train = self.opt.sim_scenes, self.split == "train"
        if scenes == "built_in" and not is_train:
            return [BuiltInScene(name) for name in PHOTOGRAPHS["Test"]]
        found: list[RowScene] = []
        if scenes != "built_in":
            shelf = Shelf(self.opt.cache_dir or "")
            found += [FileScene(name, path, shelf) for name, path in find_radiance(self.root, self.split)]
        if scenes != "files" and is_train:
            found += [BuiltInScene(name) for name in TRAINING_PHOTOGRAPHS]
        return found

    def __len__(self) -> int:
        return len(self.scenes)

    def patch(self, draw: Draw) -> dict:
        rng, scene = draw.generator(), self.scenes[draw.index]
        light = augment(scene.part(rng, self.opt.patch_size), Augmentation.draw(rng))
        sample, _ = self._sample(np.ascontiguousarray(light), rng, DIMMED)
        return sample | {"name": f"{scene.name}-{draw.epoch}_{draw.position}"}

    def whole(self, index: int) -> dict:
        rng, scene = np.random.default_rng((FIXED, index)), self.scenes[index]
        sample, meta = self._sample(scene.whole(rng, self.opt.sim_size), rng)
        return sample | {"name": f"{scene.name}-0", "scene": scene.name, "frame": "0", "meta": meta}

    def _sample(self, light: np.ndarray, rng: np.random.Generator, dimmed: float = 0.0) -> tuple[dict, dict]:
        """A shot of light (H, W, 3), and its `meta`."""
        camera = draw_row_camera(rng)
        radiance = draw_radiance(rng, light, camera, dimmed)
        full_well = math.exp(rng.uniform(*np.log([self.opt.full_well[0], self.opt.full_well[-1]])))
        kind = KINDS[rng.integers(len(KINDS))] if self.opt.sve_kind == BOTH else self.opt.sve_kind
        sensor = RowSensor(kind, full_well, self.opt.sve_read_noise)
        sample = self.pattern.sample(expose_rows(radiance, self.pattern, sensor, rng))
        truth = np.minimum(radiance, 1) if self.opt.clip_truth else radiance
        meta = {
            "white_balance": np.float32([camera.red_gain, 1, camera.blue_gain]),
            "cam2rgb": camera.metadata()["cam2rgb"],
            "cfa": "RGGB",
        }
        return sample | {"gt": np.ascontiguousarray(truth.transpose(2, 0, 1))}, meta


@dataclass(frozen=True)
class BuiltInScene:
    """A photograph of scikit-image by day; to train on under coloured lamps, or a drawn picture at times."""

    name: str

    def part(self, rng: np.random.Generator, side: int) -> np.ndarray:
        """A random part of it, or of a drawn picture, in more kinds of light and colour."""
        is_drawn = rng.random() < DRAWN_SHARE
        picture = draw_picture(rng, (side, side)) if is_drawn else read_photograph(self.name)
        window, lamps = draw_part(rng, picture.shape[:2], (side, side), lamps=True)
        part = recoloured(rng, np.clip(window.cut(picture), 0, 1))
        return seen_by_lens(by_day(rng, lamps.light(srgb_decode(part))))

    def whole(self, rng: np.random.Generator, most: int) -> np.ndarray:
        """Its upper left part with sides that are multiples of 4."""
        picture = read_photograph(self.name)
        height, width = (min(most, side // 4 * 4) for side in picture.shape[:2])
        return seen_by_lens(by_day(rng, srgb_decode(picture[:height, :width])))


def electrons(text: str) -> list[float]:
    """Value of `--full_well`: a number above 0, or two in rising order."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not 0 < numbers[0] <= numbers[-1] < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}': a number above 0, or two in rising order")
    return numbers
