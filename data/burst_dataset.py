"""One's own bursts: raw files of one exposure in a folder, or a folder of such folders."""

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from data.base_dataset import BaseDataset
from data.reading.exif import Shot, read_shot
from data.reading.exposures import DIFFERENT
from data.reading.noise_law import noise_law
from data.reading.raw import agreed_orientation, normalise, read_alike, stack
from data.scene_files import find_scenes, frame_files, is_raw, one_kind
from data.simulate.sensors import read_sensor
from util.errors import UserError
from util.task import Task

FEWEST, MOST = 2, 14  # frames of a burst
SHARPEST = "sharpest"
COMMON = Task(channels=4, white=1.0, reference=0, carries=("noise_map",), bracketed=False)
TASKS = {"x4": COMMON._replace(result_channels=3, scale=8), "denoise": COMMON}


def shown(text: str) -> int | str:
    """Value of `--reference`."""
    if text == SHARPEST:
        return text
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"'{text}': the number of a frame, from 1, or {SHARPEST}")


class BurstDataset(BaseDataset):
    """Bursts to restore, without ground truth.

    Frames are packed planes of RGGB mosaics, which begin with the first red px, from black, 0, to white, 1;
    what noise has below black stays. They are in the order of their names, but that the one that is to be
    shown comes first. `noise_map` is by the file's NoiseProfile, a calibration, or measured.
    """

    task = COMMON._replace(scale=None)  # until options tell

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> None:
        parser.add_argument(
            "--burst_task",
            choices=tuple(TASKS),
            default="x4",
            help="x4: camera RGB of 4 times the mosaic's sides; denoise: the planes of one frame",
        )
        BurstDataset.add_reading_options(parser)
        parser.add_argument(
            "--camera",
            metavar="FILE",
            help="calibration of the camera, by data.calibrate; default: the files' NoiseProfile, else a "
            "calibration that comes with the project, else the noise of the frame that is shown",
        )
        if not is_train:
            parser.set_defaults(tonemap="reinhard")  # nothing is scored: the pictures are for the eye
        parser.set_defaults(frame_num=None, net="burst_merge")  # all frames, where no weights are named

    @staticmethod
    def add_reading_options(parser: argparse.ArgumentParser) -> None:
        """Options of bursts alone, of which restore.py has those of brackets as well."""
        parser.add_argument(
            "--reference",
            type=shown,
            default=1,
            metavar="N",
            help=f"of a burst: number of the frame, by name, that is shown, or {SHARPEST}; default: 1",
        )

    @staticmethod
    def describe_layout() -> str:
        return f"{FEWEST} to {MOST} raw files of one exposure, or folders that hold such bursts"

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        super().__init__(opt, split)
        if split != "test":
            raise UserError(
                "--dataset_name burst has no targets: test.py restores it, nothing is trained on it"
            )
        folders = find_scenes(self.root)
        if not folders:
            raise UserError(f"{self.root} holds no pictures; expected: {self.describe_layout()}")
        self.task = TASKS[opt.burst_task]
        self.sensor = read_sensor(Path(opt.camera)) if opt.camera else None
        self.bursts = [(folder, self._open(folder)) for folder in folders[: opt.max_dataset_size]]
        opt.frame_num = max(len(files) for _, files in self.bursts)

    def __len__(self) -> int:
        return len(self.bursts)

    def _open(self, folder: Path) -> list[Path]:
        """The files of a burst that `--frame_num` chooses; their headers are read."""
        files, wanted = one_kind(frame_files(folder)), self.opt.frame_num
        if not is_raw(files[0]):
            raise UserError(f"{files[0]} is no raw file: a burst is of raw files, brackets may be pictures")
        if len(files) < FEWEST:
            alone = f"{folder} holds a single raw file, {files[0].name}"
            raise UserError(f"{alone}: a burst is {FEWEST} to {MOST}, a dark one is restored without --burst")
        if wanted is None and len(files) > MOST:
            most = f"{MOST} are the most: --frame_num {MOST} takes the first"
            raise UserError(f"{folder} holds {len(files)} frames, {most}")
        if wanted is not None and not FEWEST <= wanted <= min(len(files), MOST):
            possible = f"{folder} holds {len(files)} frames, a burst is {FEWEST} to {MOST}"
            raise UserError(f"--frame_num {wanted}: {possible}")
        files = files[:wanted]
        if self.opt.reference != SHARPEST and self.opt.reference > len(files):
            raise UserError(f"--reference {self.opt.reference}: {folder} gives {len(files)} frames")
        check_alike(files, [read_shot(file, is_raw=True) for file in files])
        return files

    def whole(self, index: int) -> dict:
        folder, files = self.bursts[index]
        images = [image.from_red() for image in read_alike(files)]
        values = (normalise(image.planes, image.black, image.white) for image in images)
        frames = stack(len(files), (np.minimum(value, 1, out=value) for value in values))
        chosen = self.opt.reference
        first = sharpest(frames) if chosen == SHARPEST else chosen - 1
        order = sorted(range(len(files)), key=lambda number: number != first)
        frames = frames[order]
        upright = agreed_orientation(files, [image.orientation for image in images])
        law = noise_law(files[first], images[first], self.sensor)
        scene = folder.name or folder.resolve().name
        return {
            "frames": frames,
            "exposure": np.ones(len(files), np.float32),
            "noise_map": np.stack([law.deviation(frame) for frame in frames]),
            "meta": dataclasses.replace(images[first], orientation=upright).meta(),
            "name": f"{scene}-{files[first].stem}",
            "scene": scene,
            "frame": files[first].stem,
        }


def check_alike(files: list[Path], shots: list[Shot]) -> None:
    """Raise a UserError if two frames of a burst were exposed differently, as far as their files tell."""
    first = shots[0]
    for file, shot in zip(files, shots, strict=True):
        time, iso, f_number = (
            own / other if own and other else 1.0 for own, other in zip(shot, first, strict=True)
        )
        times = time * iso / f_number**2
        if not 1 / DIFFERENT < times < DIFFERENT:
            differs = f"{file} was exposed {times:.3g} times as much as {files[0].name}"
            raise UserError(f"{differs}: a burst has one exposure, brackets are restored without --burst")


def sharpest(frames: np.ndarray) -> int:
    """Number of the frame (T, 4, h, w) with the strongest detail beyond noise, which all have alike.

    Green is compared between cells that are two apart.
    """
    green = frames[:, 1] + frames[:, 2]
    across, down = green[:, :, 2:] - green[:, :, :-2], green[:, 2:] - green[:, :-2]
    return int(
        np.argmax([np.square(a).mean() + np.square(d).mean() for a, d in zip(across, down, strict=True)])
    )
