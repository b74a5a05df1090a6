"""One's own raw files, of which each is a shot whose row pairs are exposed in turn."""

import argparse
from pathlib import Path

from data.reading.raw import read_raw
from data.reading.row_pairs import row_shot
from data.row_exposure import TASK, RowExposure
from util.errors import UserError
from util.task import Task


def shot_task(opt: argparse.Namespace) -> Task:
    """What is asked for shots whose rows are exposed in turn; they have no targets."""
    return TASK._replace(scale=None, protocol=RowExposure.of(opt, ratio=1.0).protocol())


def check_shot_options(opt: argparse.Namespace) -> None:
    """Raise a UserError if options are given that are not for shots whose rows are exposed in turn."""
    usual = {"response": "debevec", "border": 0, "ratio": None, "camera": None, "white": None}
    for name, default in usual.items():
        if (value := getattr(opt, name)) != default:
            raise UserError(f"--{name} {value}: that is not for --sve True")
    if opt.frame_num not in (None, 2):
        raise UserError(f"--frame_num {opt.frame_num}: with --sve True a raw file has 2 exposures")


def read_rows(file: Path, opt: argparse.Namespace) -> dict:
    """What a sample holds of a raw file whose rows are exposed in turn, but names of the scene.

    Raises:
        UserError: its rows do not alternate, or it cannot be read.
    """
    shot = row_shot(file, read_raw(file), opt.row_order)
    sample = RowExposure.of(opt, shot.ratio).sample(shot.values)
    return {**sample, "meta": shot.meta, "frame": file.stem}
