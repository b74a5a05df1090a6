"""Training samples whose frames were aligned and merged beforehand (models.prepare)."""

import argparse
import json
import zipfile
from pathlib import Path

import numpy as np

from data.augment import Augmentation, augment, augment_cfa
from data.base_dataset import BaseDataset
from data.draws import Draw, random_corner
from data.syn_dataset import SynDataset
from util.errors import UserError
from util.files import write_atomically

RECORD = "prepared.json"  # what the samples were made of and by, and how many there are
PLANES = ("frames", "trust", "merge", "gt")  # what belongs to px, channels last


class PreparedDataset(SynDataset):
    """Patches of prepared samples; validation and test sets as in `syn`, from disk.

    A sample holds the aligned frames of as many slots as its network is shown, and carries what the network
    needs besides them.
    """

    task = SynDataset.task._replace(carries=("trust", "merge", "noise_law"))

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> None:
        if is_train:
            parser.set_defaults(net="merge_unet")
            parser.add_argument(
                "--prepared", type=Path, required=True, help="folder that models.prepare wrote"
            )

    @staticmethod
    def describe_layout() -> str:
        return f"for validation and testing {SynDataset.describe_layout()}; training reads --prepared"

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        if split != "train":
            self.task = SynDataset.task
            super().__init__(opt, split)
            return
        BaseDataset.__init__(self, opt, split)
        self.record = read_record(opt.prepared)
        self.task = self.task._replace(protocol=self.record["protocol"])
        self.files = [sample_file(opt.prepared, number) for number in range(self.record["samples"])]
        self.files = self.files[: opt.max_dataset_size]
        self.room = self.record["side"] - 1  # a flip that keeps the Bayer pattern loses one px
        if opt.patch_size > self.room:
            raise UserError(f"--patch_size {opt.patch_size}: samples in {opt.prepared} have {self.room} px")

    def __len__(self) -> int:
        return len(self.files) if self.split == "train" else super().__len__()

    def patch(self, draw: Draw) -> dict:
        rng = draw.generator()
        sample = read_sample(self.files[draw.index])
        side = self.opt.patch_size + 1
        top, left = random_corner(rng, (self.room + 2 - side,) * 2)
        how = Augmentation.draw(rng)
        planes = {
            name: _flipped(sample[name][..., top : top + side, left : left + side, :], how, sample["mosaic"])
            for name in PLANES
        }
        planes["trust"] = planes["trust"].min(1, keepdims=True) / 255
        return planes | {
            "exposure": sample["exposure"],
            "noise_law": sample["noise_law"],
            "name": f"{self.files[draw.index].stem}-{draw.epoch}-{draw.position}",
        }


def _flipped(planes: np.ndarray, how: Augmentation, is_mosaic: np.ndarray) -> np.ndarray:
    """Planes (..., h + 1, w + 1, 4) flipped, a mosaic's by its pattern: float32 (..., 4, h, w)."""
    flipped = augment_cfa(planes, how) if is_mosaic else augment(planes[..., :-1, :-1, :], how)
    return np.ascontiguousarray(np.moveaxis(flipped, -1, -3), np.float32)


def read_sample(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a prepared sample, as models.prepare wrote them.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path}: not a prepared sample ({error}): remove it, models.prepare goes on"
        ) from None


def write_sample(path: Path, sample: dict[str, np.ndarray], is_mosaic: bool) -> None:
    """Keep a sample: planes (..., 4, h, w), here as (..., h, w, 4).

    Measured values take 16 bits, whose relative precision of 0.05 % is finer than their noise; trust takes 8.

    Raises:
        UserError: it cannot be written.
    """
    kept = {name: np.moveaxis(sample[name], -3, -1) for name in PLANES}
    kept["frames"] = kept["frames"].astype(np.float16)
    kept["trust"] = np.rint(255 * np.broadcast_to(kept["trust"], kept["frames"].shape)).astype(np.uint8)
    with write_atomically(path) as temporary:
        np.savez(
            temporary, **kept, exposure=sample["exposure"], noise_law=sample["noise_law"], mosaic=is_mosaic
        )


def sample_file(folder: Path, number: int) -> Path:
    """The file of a sample, numbered from 0."""
    return folder / f"{number:06d}.npz"


def read_record(folder: Path) -> dict:
    """What the samples in a folder were made of, and the `protocol` of the data (util.task).

    Raises:
        UserError: the folder does not hold prepared samples, or not all of them yet.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_text())
        if record["made"] < record["samples"]:
            found = f"{record['made']} of {record['samples']} samples are made"
            raise UserError(f"--prepared {folder}: {found}: python -m models.prepare goes on")
        record["protocol"] = tuple(dict(record.get("protocol", {})).items())
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"--prepared {folder} holds no {RECORD} of python -m models.prepare") from None
    return record
