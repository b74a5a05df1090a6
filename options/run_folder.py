"""The folder of a run that begins: a run that was there is kept, and the options are recorded."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from options import record
from util import progress
from util.device import Place
from util.errors import UserError
from util.files import remove_partial
from util.locks import locked
from util.logger import has_steps
from util.parser import iterations
from util.provenance import provenance

READ_IN_TRAINING = ("dataroot", "cache_dir", "structure_label_path")


@contextmanager
def owned(opt: argparse.Namespace, place: Place) -> Iterator[None]:
    """Be the only training of this name; what a killed one left unfinished is removed.

    Raises:
        UserError: another process trains under this name; or its folder cannot be looked at.
    """
    folder = Path(opt.checkpoints_dir) / opt.name
    try:
        folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:  # a name that is too long, links in a circle, no permission
        raise UserError(f"cannot use {folder}: {error.strerror}") from None
    if not place.is_main:
        yield
        return
    with locked(folder, "wait until that training has ended, or give another --name"):
        remove_partial(folder, depth=2)
        yield


def open_run(opt: argparse.Namespace, folder: Path, start: str | Path | None, step: int) -> None:
    """Make `folder` that of this run: a run of the same name moves aside, unless `--resume` goes on with it.

    Its options are recorded: on resuming those given now, but with the weights that the run once began with.

    Args:
        start: weights that were read for it. step: steps made so far.

    Raises:
        UserError: the earlier run cannot be moved; the record cannot be written.
    """
    if opt.resume:
        _keep_start(opt, folder)
    elif is_run(folder):
        root, begun = folder.resolve(), Path(start).resolve() if start else None
        aside = set_aside(opt, folder)
        print(f"the earlier run in {folder} is now in {aside} (--resume True would have gone on with it)")
        if begun and root in begun.parents:  # the record says where they are now
            opt.load_path, opt.load_iter = str(aside / begun.relative_to(root)), None
    record.write_options(opt, folder, provenance(opt, step))


def is_run(folder: Path) -> bool:
    """Whether a folder holds what training left: a state, weights, or a log of steps."""
    return (folder / progress.FILE).exists() or any(folder.glob("*_model_*.pth")) or has_steps(folder)


def set_aside(opt: argparse.Namespace, folder: Path) -> Path:
    """Move the run in a folder to <folder>.1 or the next free number, and record it under that name.

    Raises:
        UserError: it cannot be moved, or holds data that the run to come reads.
    """
    for name in READ_IN_TRAINING:
        place = getattr(opt, name, None)
        if place and folder.resolve() in Path(place).resolve().parents:
            found = f"--{name} {place} is in the folder of an earlier run, which is to be moved aside"
            raise UserError(f"{found}: keep it elsewhere, or give another --name")
    number = 1
    while os.path.lexists(aside := folder.with_name(f"{folder.name}.{number}")):
        number += 1
    try:
        folder.rename(aside)
    except OSError as error:
        raise UserError(f"cannot move {folder} to {aside}: {error.strerror}") from None
    record.rename(aside, f"{opt.name}.{number}")
    return aside


def _keep_start(opt: argparse.Namespace, folder: Path) -> None:
    """Take the weights that a run began with from its record: those of its state are what it goes on with."""
    opt.load_path = opt.load_iter = None
    if (folder / record.FILE).is_file():
        recorded = record.read_options(folder / record.FILE)
        opt.load_path = recorded.get("load_path")
        opt.load_iter = iterations(recorded["load_iter"]) if "load_iter" in recorded else None
