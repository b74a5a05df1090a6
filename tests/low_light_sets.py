"""Small sets of short and long raw frames, and data sets of them opened as train.py and test.py do."""

import itertools
from pathlib import Path

import numpy as np

from data import create_dataset
from data.base_dataset import BaseDataset
from data.reading.named_exposures import BENCHMARK, BENCHMARK_TIMES
from options.test_options import TestOptions
from options.train_options import TrainOptions
from tests.photo_files import make_dng
from util.imaging.bayer import unpack

BLACK, WHITE = 512, 16383
SIZE = (20, 28)  # packed px
TIMES = {"0.1": 1 / 10, "0.04": 1 / 25, "0.033": 1 / 30}


def opened(root: Path, name: str, split: str, *words: str) -> BaseDataset:
    """Data set `name`; patches of 8 px that are not augmented unless told otherwise."""
    usual = ["--name", "x", "--model", "eld", "--dataset_name", name, "--dataroot", str(root)]
    if split == "test":
        return create_dataset(TestOptions().parse([*usual, "--net", "unet", *words]), split)
    usual += ["--patch_size", "8", "--augment", "none"]
    return create_dataset(TrainOptions().parse([*usual, *words]), split)


def random_light(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """ADU above black (4, h, w) of a long exposure, without any that clip."""
    return np.random.default_rng(seed).integers(0, 15000, (4, *size)).astype(np.float64)


def long_values(seed: int) -> np.ndarray:
    """What a data set makes of the long frame of `write_scene`."""
    return (random_light(seed) / 15871).astype(np.float32)


def short_values(seed: int, time: float) -> np.ndarray:
    """The same of a short one."""
    return (np.rint(random_light(seed) * time / 10) / 15871).astype(np.float32)


def write_frame(path: Path, adu: np.ndarray, time: float, iso: int = 800, **changes) -> np.ndarray:
    """Write a raw file of ADU above black (4, h, w); returns what is stored, packed."""
    stored = np.clip(np.rint(adu) + BLACK, 0, WHITE).astype(np.uint16)
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = {"black": BLACK, "white": WHITE, "exposure_time": time, "iso": iso, "f_number": None}
    mosaic = unpack(stored, changes.get("cfa", "RGGB"))
    make_dng(path, mosaic, **settings | changes)
    return stored


def write_scene(root: Path, scene: str, seed: int, times: tuple[str, ...] = ("0.1",)) -> None:
    """A long frame of random values, and short ones that are as much darker."""
    light = random_light(seed)
    write_frame(root / "long" / f"{scene}_00_10s.dng", light, 10)
    for time in times:
        write_frame(root / "short" / f"{scene}_00_{time}s.dng", light * TIMES[time] / 10, TIMES[time])


def touch_benchmark(root: Path) -> None:
    """Empty files with the names of the published benchmark, and a test scene that is not in it."""
    for folder in ("short", "long"):
        (root / folder).mkdir(parents=True)
    for scene in (*BENCHMARK, "10003"):
        (root / "long" / f"{scene}_00_10s.ARW").touch()
    for scene, time in itertools.product((*BENCHMARK, "10003"), BENCHMARK_TIMES):
        (root / "short" / f"{scene}_00_{time}s.ARW").touch()


def write_eld(
    root: Path, camera: str = "SonyA7S2", scenes: tuple[int, ...] = (1, 2), noise: float = 0.0
) -> None:
    """The images of scenes that are evaluated and their references, with noise of this deviation in ADU."""
    rng = np.random.default_rng(0)
    shots = dict.fromkeys((1, 6, 11, 16), (100, 10.0))
    shots |= dict.fromkeys((4, 9, 14), (800, 1 / 80)) | dict.fromkeys((5, 10, 15), (800, 1 / 160))
    for scene, (number, (iso, time)) in itertools.product(scenes, shots.items()):
        path = root / camera / f"scene-{scene}" / f"IMG_{number:04d}.dng"
        light = random_light(scene) * (1 if iso == 100 else time * 8 / 10)
        write_frame(path, light + rng.normal(0, noise, light.shape), time, iso)
