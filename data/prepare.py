"""Merges the brackets of a data set to ground truth, and stores what training shots are made of.

    python -m data.prepare --dataset_name sve --dataroot DIR

Scenes that moved are found and left out, a line each. Scenes that are prepared already are kept, unless
their raw files have changed since; another `--delta_ev` adds the frames that it needs. SVEHDRI
specification, section 6, steps 1 to 4.
"""

import util.starting  # noqa: F401 isort: skip
import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

import data
from data import row_exposure
from data.merging import prepared
from data.merging.making import Job, left_out, prepare_scene
from data.merging.prepared import Preparation
from data.merging.scenes import find_folders, open_bracket, pair_of
from util.door import run
from util.errors import UserError
from util.files import remove_partial
from util.locks import locked
from util.parser import Parser, fraction, positive
from util.stop import StopRequest
from util.workers import do_all

NAMES = ("sve",)  # data sets that are prepared
MOTION_LIMIT = 0.01


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line.

    Raises:
        UserError: an unknown option, or a value that makes no sense.
    """
    parser = Parser(prog="python -m data.prepare", description=__doc__.splitlines()[0])
    parser.add_argument("--dataset_name", choices=NAMES, default="sve", help="layout of the data set")
    parser.add_argument("--dataroot", type=Path, required=True, help="folder of the data set")
    prepared.add_options(parser)
    row_exposure.add_ev_option(parser)
    parser.add_argument(
        "--motion_limit",
        type=fraction,
        default=MOTION_LIMIT,
        help="share of a scene that may move between frames; scenes where more does are left out",
    )
    parser.add_argument("--workers", "-j", type=positive, default=1, help="processes, each with one thread")
    options = parser.parse_strictly(arguments)
    if not options.dataroot.is_dir():
        layout = data.dataset_class(options.dataset_name).describe_layout()
        raise UserError(f"--dataroot {options.dataroot} is not a folder; expected: {layout}")
    if options.bracket_frames < prepared.FEWEST:
        raise UserError(f"--bracket_frames {options.bracket_frames}: a bracket is {prepared.FEWEST} or more")
    return options


class Count(NamedTuple):
    """Scenes that were prepared now, that are left out, and that there are in all."""

    written: int
    left_out: int
    prepared: int
    scenes: int


def find_jobs(options: argparse.Namespace) -> list[Job]:
    """All scenes of the data set; headers of all raw files are read.

    Raises:
        UserError: a scene does not have the frames that it must have.
    """
    preparation = Preparation.of(options)
    frames = pair_of(options.delta_ev, options.bracket_frames)
    is_binned = preparation.truth == prepared.TRUTHS[0]
    jobs = []
    for folder in tqdm(find_folders(options.dataroot), "exposures", unit="scene", disable=None):
        bracket = open_bracket(folder, options.bracket_frames)
        jobs.append(Job(bracket, preparation.place(folder), is_binned, frames, options.motion_limit))
    return jobs


def prepare_all(options: argparse.Namespace, stopped: Callable[[], bool] = lambda: False) -> Count:
    """Prepare the scenes that are not yet, or no longer as they are now.

    Raises:
        UserError: a scene or what is prepared does not fit, or cannot be read or written, or another process
            prepares it.
    """
    preparation = Preparation.of(options)
    with locked(preparation.folder, "wait until it has ended, or name another folder by --prepared"):
        return _prepare(options, preparation, stopped)


def _prepare(options: argparse.Namespace, preparation: Preparation, stopped: Callable[[], bool]) -> Count:
    preparation.check_record(options.motion_limit)
    jobs = find_jobs(options)
    preparation.write_record(options.motion_limit)
    remove_partial(preparation.folder, depth=2)
    todo = [job for job in jobs if not job.is_done()]
    outdated = [job for job in todo if job.place.is_dir() and job.facts() is None]
    if outdated:
        text = "were made of other raw files: they are prepared anew"
        first = outdated[0].bracket.folder.name
        print(f"note: scenes {text} ({len(outdated)}, {first} the first)", file=sys.stderr)
    done = [job for job in jobs if job not in todo]
    gone = [job for job in done if job.facts().is_left_out]
    for job in gone:
        text = left_out(job.facts().moved, job.motion_limit)
        print(f"note: {job.bracket.folder} {text}", file=sys.stderr)
    written, moved = _work(options, todo, stopped)
    return Count(written, len(gone) + moved, len(done) + written, len(jobs))


def _work(options: argparse.Namespace, jobs: Sequence[Job], stopped: Callable[[], bool]) -> tuple[int, int]:
    """How many scenes were prepared, and how many of these moved."""
    outcomes = do_all(prepare_scene, jobs, options.workers, stopped)
    written, moved = 0, 0
    for outcome in tqdm(
        outcomes, str(options.dataroot), len(jobs), unit="scene", disable=None if jobs else True
    ):
        for note in outcome.notes:
            tqdm.write(f"note: {note}", file=sys.stderr)
        written, moved = written + 1, moved + outcome.is_left_out
    return written, moved


def main() -> None:
    options = parse()
    stop = StopRequest()
    count = prepare_all(options, stop.__bool__)
    what = f"{count.written} scenes prepared now, {count.prepared} of {count.scenes} scenes in all"
    print(f"{options.dataroot}: {what}, {count.left_out} of them left out")
    if stop:
        raise stop.stopped("the same command goes on")


if __name__ == "__main__":
    run(main, "give fewer --workers")
