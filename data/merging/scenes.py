"""Scenes of bracketed raw files: folders, splits, and frames from the shortest to the longest."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.reading.exif import read_shot
from data.reading.exposures import set_exposures
from data.reading.folders import subfolders
from data.reading.raw import SUFFIXES
from util.errors import UserError
from util.natural import by_name

FRAMES = 7  # of the published set
STEP = 1.0  # EV between neighbours
SNAP = 3  # parts of a stop that cameras set
SPLITS = {"train": ("Train",), "val": ("Val", "Test"), "test": ("Test",)}  # the first that exists
FOLDERS = ("Train", "Val", "Test")
HELD_OUT = 18 / 177  # share of the scenes for validation, and for testing (specification, section 6, step 7)
SEED = 0  # of the split, always: what was trained on must not be tested on later
LAYOUT = (
    f"<scene>/ that hold {FRAMES} raw files, 1 EV apart (CR2, DNG, ...), in Train/, Val/ and Test/, or "
    "directly: then they are split at random"
)


class Bracket(NamedTuple):
    """A scene: its folder, and its raw files from the shortest exposure on."""

    folder: Path
    files: tuple[Path, ...]


def find_folders(root: Path) -> list[Path]:
    """Folders of all scenes, sorted with numbers by value.

    Raises:
        UserError: there are none.
    """
    parents = [root / name for name in FOLDERS if (root / name).is_dir()] or [root]
    found = [folder for parent in parents for folder in _sorted(parent)]
    if not found:
        raise UserError(f"{root} holds no scenes; expected: {LAYOUT}")
    return found


def split_folders(root: Path, split: str) -> list[Path]:
    """Folders of the scenes of split "train", "val" or "test".

    Where there are no folders Train, Val, Test, the sorted scenes are shuffled, always alike, and split as
    141 / 18 / 18 of 177 are.

    Raises:
        UserError: there are none.
    """
    if any((root / name).is_dir() for name in FOLDERS):
        names = [name for name in SPLITS[split] if (root / name).is_dir()]
        found = _sorted(root / names[0]) if names else []
    else:
        found = _random_split(_sorted(root))[split]
    if not found:
        hint = "; --val_freq 0 trains without validation" if split == "val" else ""
        raise UserError(f"{root} holds no scenes of split {split}{hint}; expected: {LAYOUT}")
    return found


def _sorted(folder: Path) -> list[Path]:
    return by_name(subfolders(folder))


def _random_split(folders: Sequence[Path]) -> dict[str, list[Path]]:
    """The scenes of each split, sorted; of one scene, it is tested, of two, one is trained on."""
    held = max(1, round(HELD_OUT * len(folders)))
    val = held if len(folders) > 2 else 0
    order = np.random.default_rng(SEED).permutation(len(folders))
    parts = {"test": order[:held], "val": order[held : held + val], "train": order[held + val :]}
    return {split: [folders[index] for index in sorted(part)] for split, part in parts.items()}


def raw_files(folder: Path) -> list[Path]:
    """The raw files of a scene by name, without hidden ones; JPEG files beside them are passed over."""
    files = (file for file in folder.iterdir() if not file.name.startswith("."))
    return by_name(file for file in files if file.suffix.lower() in SUFFIXES)


def open_bracket(folder: Path, count: int = FRAMES) -> Bracket:
    """The frames of a scene; their headers are read.

    Exposures are those of a list in the folder or of EXIF, whose shutter times are nominal: they are rounded
    to thirds of a stop (specification, section 6, step 1).

    Raises:
        UserError: there are not `count` raw files, or they do not lie 1 EV apart.
    """
    files = raw_files(folder)
    holds = f"{folder} holds {len(files)} raw files"
    wanted = f"expected {count} (--bracket_frames): complete it, or take it out"
    if len(files) < 2:
        raise UserError(f"{holds}, {wanted}")
    exposures = set_exposures(folder, files, [read_shot(file, is_raw=True) for file in files])
    order = np.argsort(exposures)
    stops = np.round(np.log2(exposures[order] / exposures.min()) * SNAP) / SNAP
    files = [files[index] for index in order]
    for number, step in enumerate(np.diff(stops)):
        if step != STEP:
            fault = "a shot is missing" if step > STEP else "a shot does not belong here"
            pair = f"{files[number + 1].name} is {step:.3g} EV above {files[number].name}"
            raise UserError(f"{folder}: {pair}, expected {STEP:g}: {fault}")
    if len(files) != count:
        raise UserError(f"{holds} ({files[0].name} to {files[-1].name}), {wanted}")
    return Bracket(folder, tuple(files))


def pair_of(delta_ev: float, count: int = FRAMES) -> tuple[int, int]:
    """Numbers, from 0, of two frames `delta_ev` stops apart, in the middle of a bracket of `count`.

    Where two places are as near to the middle, it is that of the longer frames: 2 and 5 of 0 to 6 for 3 EV
    (specification, section 6, step 5).

    Raises:
        UserError: no two frames are so far apart.
    """
    apart = delta_ev / STEP
    if apart != int(apart) or apart > count - 1:
        most = f"frames are {STEP:g} EV apart and {STEP * (count - 1):g} EV at most"
        raise UserError(f"--delta_ev {delta_ev:g}: in brackets of {count}, {most}")
    first = -(-(count - 1 - int(apart)) // 2)
    return first, first + int(apart)
