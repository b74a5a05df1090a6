"""Small brackets of known light as DNG files, and data sets of them opened as train.py and test.py do."""

from pathlib import Path

import numpy as np

from data import create_dataset
from data.base_dataset import BaseDataset
from data.prepare import parse, prepare_all
from data.row_exposure import mosaicked
from options.test_options import TestOptions
from options.train_options import TrainOptions
from tests.photo_files import make_dng

BLACK, WHITE, WELL = 512, 16383, 7500
FRAMES = 7
SIZE = (96, 128)  # px of a mosaic


def light_of(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Coloured light (H, W, 3), alike in the px of a cell, 1 = what saturates the shortest frame.

    It rises from 1/500 to 1/2; a lamp in the upper left corner clips even in the shortest frame.
    """
    rng = np.random.default_rng(seed)
    height, width = (side // 2 for side in size)
    rows, columns = np.mgrid[:height, :width] / np.reshape((height, width), (2, 1, 1))
    ramp = np.exp(np.log(1 / 500) + np.log(250) * columns)[..., None]
    light = ramp * (0.6 + 0.4 * np.sin(6 * rows[..., None] + rng.uniform(0, 6, 3)))
    light[: height // 4, : width // 4] = 3.0
    return light.repeat(2, axis=0).repeat(2, axis=1)


def write_bracket(
    folder: Path,
    light: np.ndarray,
    noise: np.random.Generator | None = None,
    left_out: tuple[int, ...] = (),
    gains: dict[int, float] | None = None,
    cfa: str = "RGGB",
) -> None:
    """Write 1.dng ... 7.dng, 1 EV apart; `light` (H, W, 3), or (7, H, W, 3) of a scene that moves.

    Frames `left_out`, counted from 1, are not written; `gains` are what their files do not say.
    """
    folder.mkdir(parents=True)
    lights = light if light.ndim == 4 else [light] * FRAMES
    for number, one in enumerate(lights, 1):
        if number in left_out:
            continue
        exposed = mosaicked(one, cfa) * 2.0 ** (number - 1) * (gains or {}).get(number, 1.0)
        if noise is not None:
            exposed = (noise.poisson(exposed * WELL) + noise.normal(0, 3, exposed.shape)) / WELL
        stored = np.clip(np.rint(exposed * (WHITE - BLACK)) + BLACK, 0, WHITE).astype(np.uint16)
        settings = {"black": BLACK, "white": WHITE, "iso": 800, "f_number": 8, "cfa": cfa}
        make_dng(folder / f"{number}.dng", stored, exposure_time=2.0**number / 1024, **settings)


def prepare(root: Path, *words: str):
    """Run data.prepare; returns its counts."""
    return prepare_all(parse(["--dataroot", str(root), *words]))


def opened(root: Path, split: str, *words: str) -> BaseDataset:
    """The data set; patches of 16 px unless told otherwise."""
    usual = ["--name", "x", "--model", "sve", "--dataset_name", "sve", "--dataroot", str(root)]
    if split == "test":
        return create_dataset(TestOptions().parse([*usual, *words]), split)
    return create_dataset(TrainOptions().parse([*usual, "--patch_size", "16", *words]), split)
