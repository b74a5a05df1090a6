"""What data sets of short and long raw frames share (ExposureDiffusion specification, section 4)."""

import argparse
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.augment import Augmentation, add_option, augment_cfa, augment_pixels
from data.base_dataset import BaseDataset
from data.draws import Draw, random_corner
from data.reading.block_cache import BlockCache
from data.reading.exif import Shot
from data.reading.ldr_frames import RecentScenes
from data.reading.named_exposures import Pair
from data.reading.pair_files import ISO, NOTES, RawFile, check_alike, decode, read_recent, size_of
from data.reading.raw import normalise
from data.simulate.sensor_noise import C
from data.simulate.sensors import SENSORS, Sensor, named_sensor, read_sensor
from util.errors import UserError
from util.parser import boolean
from util.task import Task

PUBLISHED_WHITE = 16383.0  # of all files
CENTRE = 512  # packed px of a side that SID is scored on
LEAST_SYN_RATIO = 100.0  # of --syn_noise


class PairDataset(BaseDataset):
    """Pairs of a short frame, to be amplified, and a long one that shows what should come out.

    `frames` (1, 4, h, w) is the short one, clipped to [0, 1], `exposure` 1 / ratio, `gt` (4, h, w) the long
    one; mosaics begin at their first red px.

    Attributes:
        pairs: of this split. centre: whether testing sees the centre alone by default.
    """

    task = Task(channels=4, white=1.0, reference=0, carries=("gain", "ratio"))
    scores = "raw"
    centre = True
    pairs: list[Pair]

    @classmethod
    def modify_commandline_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> None:
        known = ", ".join(f"{number} {name}" for number, name in enumerate(SENSORS))
        parser.add_argument(
            "--include",
            type=int,
            choices=range(len(SENSORS)),
            help=f"camera by which the ISO tells the gain: {known}; default: {cls.camera_help()}",
        )
        parser.add_argument(
            "--camera",
            metavar="FILE",
            help="calibration of another camera, by data.calibrate; default: one of --include",
        )
        parser.add_argument(
            "--white_level",
            choices=("published", "file"),
            default="published",
            help=f"{PUBLISHED_WHITE:g} for all files, as published, or what each file says",
        )
        parser.add_argument(
            "--illumination_correction",
            type=boolean,
            default=True,
            help="fit a factor of brightness to the ground truth before scoring, as published",
        )
        parser.set_defaults(frame_num=1)
        if is_train:
            cls.add_training_options(parser)
        else:
            cls.add_test_options(parser)

    @staticmethod
    def camera_help() -> str:
        """Which camera it is without `--include`."""
        return f"{SENSORS.index('SonyA7S2')}"

    @classmethod
    def add_training_options(cls, parser: argparse.ArgumentParser) -> None:
        """Options of training patches."""
        add_option(parser)
        parser.add_argument(
            "--patches",
            choices=("random", "grid"),
            default="random",
            help="where patches lie: anywhere, or in a grid about the centre, as published",
        )

    @classmethod
    def add_test_options(cls, parser: argparse.ArgumentParser) -> None:
        """Options of whole samples and of their scores."""
        parser.add_argument(
            "--crop",
            choices=("center", "none"),
            default="center" if cls.centre else "none",
            help=f"restore the {CENTRE} x {CENTRE} packed px at the centre, or whole frames",
        )
        parser.add_argument(
            "--stage_eval",
            choices=("raw", "srgb"),
            default="raw",
            help="what is scored: the raw planes, or a simple sRGB view of them",
        )

    @classmethod
    def scored(cls, opt: argparse.Namespace) -> str:
        return getattr(opt, "stage_eval", cls.scores)

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        super().__init__(opt, split)
        if opt.frame_num != 1:
            raise UserError(f"--frame_num {opt.frame_num}: --dataset_name {opt.dataset_name} has 1 frame")
        if opt.camera and opt.include is not None:
            raise UserError("--camera and --include both name the camera: leave out one")
        self.own_sensor = read_sensor(Path(opt.camera)) if opt.camera else None
        self.recent, self.cache = RecentScenes(), None
        if opt.cache_dir:
            self.cache = BlockCache(opt.cache_dir, self.root, "one raw file from red on", 1, 0, NOTES)

    # Patches

    def __len__(self) -> int:
        return len(self.pairs) * self.cells

    @functools.cached_property
    def cells(self) -> int:
        """Patches of a frame that count as samples of their own."""
        if self.split != "train" or self.opt.patches == "random":
            return 1
        rows, columns = (side // self.opt.patch_size for side in size_of(self.pairs[0].long))
        if not rows * columns:
            raise UserError(f"--patch_size {self.opt.patch_size} is larger than {self.pairs[0].long}")
        return rows * columns

    def check_patch(self) -> None:
        """Raise a UserError if patches are larger than the first frame."""
        self.corner(np.random.default_rng(), self.pairs[0].long, 0)

    def corner(self, rng: np.random.Generator, path: Path, cell: int) -> tuple[int, int]:
        """Row and column that a patch begins at; cells are counted row by row.

        Raises:
            UserError: the file is smaller than a patch.
        """
        size, side = size_of(path), self.opt.patch_size
        places = [whole - side - self.extra + 1 for whole in size]
        if min(places) < 1:
            room = min(size) - self.extra
            raise UserError(f"--patch_size {side} is larger than the {room} px of {path}")
        if self.opt.patches == "random":
            return random_corner(rng, places, self.task.period)
        row, column = divmod(cell, size[1] // side)
        start = (whole % side // 2 + number * side for whole, number in zip(size, (row, column), strict=True))
        top, left = (min(first, last - 1) for first, last in zip(start, places, strict=True))
        return top, left

    @property
    def extra(self) -> int:
        """Px that a patch is read wider, so that flips which keep the Bayer pattern can lose one."""
        return 1 if self.opt.augment == "cfa" else 0

    def window(self, path: Path, top: int, left: int) -> tuple[np.ndarray, np.ndarray]:
        """Values in [0, 1] of a patch (h, w, 4) of a file and its notes (NOTES,)."""
        side = self.opt.patch_size + self.extra
        if self.cache:
            raw, _, notes = self.cache.read(path, [path], lambda: decode(path), top, left, side, side)
        else:
            raw, _, notes = self.recent.get(RawFile(path), lambda file: decode(file.path))
            raw = raw[:, top : top + side, left : left + side]
        return self.values(raw[0], notes[0, :4], float(notes[0, 4])), notes[0]

    def values(self, planes: np.ndarray, black: np.ndarray, white: float) -> np.ndarray:
        """Stored planes (..., 4) -> values in [0, 1] by `--white_level`, float32."""
        values = normalise(planes, black, PUBLISHED_WHITE if self.opt.white_level == "published" else white)
        return np.clip(values, 0, 1, out=values)

    def augmented(self, planes: np.ndarray, how: Augmentation) -> np.ndarray:
        """Planes (..., h, w, 4) float32 after --augment."""
        if self.opt.augment == "none":
            return planes
        if self.opt.augment == "published":
            return augment_pixels(planes, how)
        return np.ascontiguousarray(augment_cfa(planes, how))

    def patch(self, draw: Draw) -> dict:
        pair, cell = self.pairs[draw.index // self.cells], draw.index % self.cells
        check_alike(pair)
        rng = draw.generator()
        place = self.corner(rng, pair.long, cell)
        short, notes = self.window(pair.short, *place)
        long, _ = self.window(pair.long, *place)
        frame, gt = self.augmented(np.stack([short, long]), Augmentation.draw(rng)).transpose(0, 3, 1, 2)
        gain, ratio = self.gain(pair, float(notes[ISO])) / self.span(notes), pair.ratio
        if self.opt.syn_noise:
            frame, ratio = longer(frame, gt, gain, ratio, rng)
        return sample(f"{pair.scene}-{pair.frame}", frame, gt, gain, ratio)

    # Whole samples

    def whole(self, index: int) -> dict:
        pair = self.pairs[index]
        check_alike(pair)
        (short, shot), (long, long_shot) = read_recent(pair.short), read_recent(pair.long)
        window = self._window(short.planes.shape)
        frame, gt = (
            self.values(image.planes[window], image.black, image.white).transpose(2, 0, 1)
            for image in (short, long)
        )
        gain = self.gain(pair, shot.iso) / self.span((*short.black, short.white))
        ratio = self.ratio(pair, shot, long_shot)
        return sample(f"{pair.scene}-{pair.frame}", frame, gt, gain, ratio) | {
            "meta": long.cropped(*window).meta(),
            "scene": pair.scene,
            "frame": pair.frame,
        }

    def source(self, index: int, part: str) -> Path:
        pair = self.pairs[index]
        return pair.short if part == "frames" else pair.long

    def _window(self, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """Rows and columns of a frame that validation and testing see."""
        if self.split == "test" and self.opt.crop == "none":
            return slice(0, shape[0]), slice(0, shape[1])
        starts = (max(side // 2 - CENTRE // 2, 0) for side in shape[:2])
        return tuple(slice(start, start + CENTRE) for start in starts)

    def group(self, sample: dict) -> str | None:
        """By ratio."""
        return f"x{float(sample['ratio'].ravel()[0]):.0f}"

    # Light

    def ratio(self, pair: Pair, short: Shot, long: Shot) -> float:
        """How many times longer the long frame was exposed."""
        return pair.ratio

    def sensor(self, pair: Pair) -> Sensor:
        """The camera whose gains are meant where none is named."""
        return named_sensor("SonyA7S2")

    def gain(self, pair: Pair, iso: float | None) -> float:
        """ADU per photoelectron of the short frame, by its ISO; UserError if that is not known."""
        if not (iso and np.isfinite(iso)):
            raise UserError(f"{pair.short} does not tell its ISO, by which the gain is known")
        if self.opt.include is not None:
            sensor = named_sensor(SENSORS[self.opt.include])
        else:
            sensor = self.own_sensor or self.sensor(pair)
        return sensor.gain_of_iso(iso)

    def span(self, notes: Sequence[float]) -> float:
        """ADU between 0 and 1: those of the published physics, or with `--white_level file` the file's own.

        Args:
            notes: black of the four planes, white.
        """
        published = self.opt.white_level == "published"
        return C if published else float(notes[4]) - float(np.mean(notes[:4]))


def sample(name: str, frame: np.ndarray, gt: np.ndarray, gain: float, ratio: float) -> dict:
    """Planes (4, h, w) of a short and a long frame as the sample contract has them."""
    return {
        "frames": np.ascontiguousarray(frame)[None],
        "exposure": np.float32([1 / ratio]),
        "gt": np.ascontiguousarray(gt),
        "gain": np.float32([gain]),
        "ratio": np.float32([ratio]),
        "name": name,
    }


def longer(
    frame: np.ndarray, gt: np.ndarray, gain: float, ratio: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """A short frame (4, h, w) exposed longer by photons that `gt` lets expect, and its ratio (4.5).

    The inverse of the ratio is uniform between the inverses of `ratio` and 100; a lower ratio stays.
    """
    if ratio <= LEAST_SYN_RATIO:
        return frame, ratio
    share = rng.uniform(1 / ratio, 1 / LEAST_SYN_RATIO)
    added = rng.poisson(gt * ((share - 1 / ratio) / gain)).astype(np.float32)
    return frame + added * np.float32(gain), 1 / share
