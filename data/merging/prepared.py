"""What data.prepare makes of brackets, as it lies on disk, and what tells of which files it was made.

PREPARED/<truth>/record.json tells how; a folder for each scene there, named as in the data set, holds
    scene.json      the files it was made of, exposures, levels, what moved, colours
    truth.npy       float32 (H, W, 3), camera RGB, 1 = what saturates the shortest frame
    valid.npy       uint8 (H, W, 1), 0 where that frame is clipped
    frame_<n>.npy   uint16 (h, w, 4), packed planes R, G, G, B of the n-th frame from the shortest, from 1
and scene.json alone where the scene moved. H, W are h, w where `--sve_truth` is "binned", else twice those.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.merging import scenes
from util.errors import UserError
from util.files import write_atomically
from util.json_record import as_json, differences, read_json
from util.parser import positive

VERSION = 1  # of the preparation: another one gives other arrays
TRUTHS = ("binned", "demosaiced")
RECORD, SCENE, TRUTH, VALID = "record.json", "scene.json", "truth.npy", "valid.npy"
BY_DEFAULT = ".prepared"  # in the dataroot
FEWEST = 2


def frame_name(number: int) -> str:
    """Of the file of frame `number`, from 0."""
    return f"frame_{number + 1}.npy"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options that preparation and data set must agree on."""
    parser.add_argument(
        "--sve_truth",
        choices=TRUTHS,
        default=TRUTHS[0],
        help="ground truth: cells of the merged mosaic as px, at half its size, or the mosaic demosaiced",
    )
    parser.add_argument(
        "--prepared", type=Path, help=f"folder of what data.prepare makes; default: DATAROOT/{BY_DEFAULT}"
    )
    parser.add_argument(
        "--bracket_frames", type=positive, default=scenes.FRAMES, help="raw files of a scene, 1 EV apart"
    )


class Preparation(NamedTuple):
    """How and where scenes are prepared.

    Attributes:
        root: of the data set. folder: of the prepared scenes.
        truth: one of TRUTHS. frames: of a bracket.
    """

    root: Path
    folder: Path
    truth: str
    frames: int

    @classmethod
    def of(cls, opt: argparse.Namespace) -> "Preparation":
        """By the options of `add_options`."""
        root = Path(opt.dataroot)
        folder = (opt.prepared or root / BY_DEFAULT) / opt.sve_truth
        return cls(root, folder, opt.sve_truth, opt.bracket_frames)

    @classmethod
    def found(cls, root: Path, truth: str) -> "Preparation":
        """Where scenes of a data set are prepared by default, with as many frames as its record tells."""
        folder = root / BY_DEFAULT / truth
        found = read_json(folder / RECORD, f"delete {folder}") if (folder / RECORD).is_file() else {}
        frames = found.get("bracket_frames") if isinstance(found, dict) else None
        return cls(root, folder, truth, frames if isinstance(frames, int) else scenes.FRAMES)

    def command(self) -> str:
        """What prepares the scenes so."""
        words = ["python -m data.prepare --dataset_name sve --dataroot", str(self.root)]
        if self.truth != TRUTHS[0]:
            words += ["--sve_truth", self.truth]
        if self.folder != self.root / BY_DEFAULT / self.truth:
            words += ["--prepared", str(self.folder.parent)]
        if self.frames != scenes.FRAMES:
            words += ["--bracket_frames", str(self.frames)]
        return " ".join(words)

    def place(self, folder: Path) -> Path:
        """Where a scene of the data set is prepared."""
        return self.folder / folder.relative_to(self.root)

    def record(self) -> dict[str, object]:
        """What the arrays depend on besides the files, in JSON's types."""
        return {"version": VERSION, "truth": self.truth, "bracket_frames": self.frames}

    def check_record(self, motion_limit: float | None = None) -> None:
        """Check that what is prepared, if anything is, was prepared so.

        Raises:
            UserError: it was not; or, where `motion_limit` is given, scenes were left out by another one.
        """
        if not (self.folder / RECORD).is_file():
            return
        found = read_json(self.folder / RECORD, f"delete {self.folder}")
        found = dict(found) if isinstance(found, dict) else {}
        wanted = self.record() | {"motion_limit": motion_limit}
        if motion_limit is None:
            wanted["motion_limit"] = found.get("motion_limit")
        if differing := differences(found, wanted):
            text = f"{self.folder} was prepared with {differing}"
            raise UserError(f"{text}: rename it, name another one by --prepared, or prepare alike")

    def write_record(self, motion_limit: float) -> None:
        """Write down how scenes are prepared.

        Raises:
            UserError: it cannot be written.
        """
        with write_atomically(self.folder / RECORD) as temporary:
            temporary.write_text(as_json(self.record() | {"motion_limit": motion_limit}))


class Facts(NamedTuple):
    """What is known of a prepared scene.

    Attributes:
        sources: name, size and time of change (ns) of its raw files, from the shortest exposure on.
        exposures: of the frames relative to the first, by EXIF and measured gain.
        levels: of each frame black of the planes R, G, G, B, and white.
        moved: share of it that moved. is_left_out: whether that was too much.
        colours: arrays of `meta` by name, as lists.
    """

    sources: list[list[Any]]
    exposures: list[float]
    levels: list[list[float]]
    moved: float
    is_left_out: bool
    colours: dict[str, list]

    @property
    def frame_names(self) -> list[str]:
        """Names of the raw files without suffix."""
        return [Path(name).stem for name, _, _ in self.sources]

    def meta(self) -> dict[str, Any]:
        """What rendering needs, as a sample's `meta`; mosaics are RGGB."""
        return {name: np.float32(values) for name, values in self.colours.items()} | {"cfa": "RGGB"}


def sources_of(files: list[Path]) -> list[list[Any]]:
    """Name, size and time of change of raw files, by which others are told from them.

    Raises:
        UserError: one is not there.
    """
    try:
        stats = [file.stat() for file in files]
    except OSError as error:
        raise UserError(f"cannot read {error.filename}: {error.strerror}") from error
    return [[file.name, stat.st_size, stat.st_mtime_ns] for file, stat in zip(files, stats, strict=True)]


def read_facts(place: Path) -> Facts | None:
    """What is known of the scene that is prepared at `place`; None if nothing is.

    Raises:
        UserError: its record is damaged.
    """
    path = place / SCENE
    if not path.is_file():
        return None
    advice = f"delete {place} and prepare the scene again"
    found = read_json(path, advice)
    if not isinstance(found, dict) or found.keys() != set(Facts._fields):
        raise UserError(f"{path} is damaged: {advice}")
    return Facts(**found)
