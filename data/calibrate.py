"""Calibrates a camera for the noise model of low-light raw frames, from dark and from flat frames.

    python -m data.calibrate --dark DIR --flat DIR --out camera.json

Per ISO: gain by photon transfer, black and colour bias, row noise, read noise by the normal and by Tukey's
law; then the laws of these over the gain. Pictures of the fits lie beside the JSON, which --camera takes.
docs/calibration.md tells how to take the frames.
"""

import util.starting  # noqa: F401 isort: skip
import argparse
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np

from data.calibration.dark_frames import dark_noise
from data.calibration.frames import Frame, Group, find_groups, read_frames
from data.calibration.laws import Measured, misfits, sensor_of, write_sensor
from data.calibration.photon_transfer import pair_points, photon_transfer
from data.calibration.pictures import write_pictures
from util.door import run
from util.errors import UserError
from util.parser import Parser


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line.

    Raises:
        UserError: an unknown option, or a value that makes no sense.
    """
    parser = Parser(prog="python -m data.calibrate", description=__doc__.splitlines()[0])
    parser.add_argument("--dark", type=Path, required=True, help="folder of raw files without any light")
    parser.add_argument("--flat", type=Path, required=True, help="folder of raw files of an even surface")
    parser.add_argument("--out", type=Path, required=True, help="JSON to write, such as camera.json")
    parser.add_argument("--name", help="name of the camera; default: what the files say, or the JSON's name")
    options = parser.parse_strictly(arguments)
    if options.out.suffix != ".json":
        raise UserError(f"--out {options.out}: the name of the calibration must end in .json")
    return options


def measure(group: Group, frames: Iterator[Frame]) -> tuple[Measured, list[str]]:
    """What the frames of an ISO tell, and lines about flats that were left out.

    Raises:
        UserError: no line can be laid through the variance of the flats.
    """
    darks = np.stack([frame.planes for frame in islice(frames, len(group.darks))])
    dark = dark_noise(darks)
    points, lines = [], []
    for time, files in group.flats.items():
        flats = list(islice(frames, len(files)))
        found = [_pair(*pair, dark.bias) for pair in zip(flats[::2], flats[1::2], strict=False)]
        if sum(map(len, found)) == 0:
            lines.append(f"ISO {group.iso:g}: flats of {time:g} s are left out: they reach white")
        points += found
    transfer = photon_transfer(points)
    if transfer is None:
        raise UserError(
            f"ISO {group.iso:g}: variance of the flats does not rise with their brightness: "
            "take them below white, with at least two exposure times"
        )
    return Measured(group.iso, transfer, dark), lines


def _pair(first: Frame, second: Frame, bias: np.ndarray) -> np.ndarray:
    """Points of the photon transfer curve of two flats."""
    level = bias[:, None, None].astype(np.float32)
    return pair_points(first.planes - level, second.planes - level, first.clip - bias)


def table(measured: Sequence[Measured]) -> Iterator[str]:
    """A line per ISO of what was found."""
    yield f"{'ISO':>7}{'K ADU/e-':>10}{'read':>8}{'Tukey':>8}{'lambda':>8}{'row':>8}   black R G G B, ADU"
    for iso, transfer, dark in measured:
        black = " ".join(f"{value:+.2f}" for value in dark.bias)
        scales = f"{dark.gaussian:8.3f}{dark.tukey:8.3f}{dark.shape:8.3f}{dark.row:8.3f}"
        yield f"{iso:7g}{transfer.gain:10.4f}{scales}   {black}"


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    groups = find_groups(options.dark, options.flat)
    frames = read_frames([file for group in groups for file in group.files()])
    first = next(frames)
    frames = chain([first], frames)
    measured, remarks = [], []
    for group in groups:
        one, lines = measure(group, frames)
        measured.append(one)
        remarks += lines
    sensor = sensor_of(options.name or first.camera or options.out.stem, first.camera, measured)
    write_sensor(options.out, sensor)
    pictures = write_pictures(options.out.with_suffix(""), measured, sensor)
    print("\n".join(table(measured)))
    for line in [*remarks, *misfits(measured, sensor)]:
        print(f"note: {line}")
    print(f"{options.out}: {sensor.name}; fits in {', '.join(file.name for file in pictures)}")
    return 0


if __name__ == "__main__":
    run(main)
