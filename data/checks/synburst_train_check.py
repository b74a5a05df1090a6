"""What can be wrong with photographs that bursts are made of (`python -m data.check`)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data.base_dataset import BaseDataset
from data.checks.base_check import BaseCheck, Finding
from data.reading.photographs import find_photographs
from data.simulate.burst import BORDER, SCALE
from data.synburst_train_dataset import PATCH
from util.errors import UserError
from util.imaging.images import read_picture

SPLITS = ("train", "val")


class SynburstTrainCheck(BaseCheck):
    """Checks of a data set of class SynburstTrainDataset; a sample is a photograph.

    Attributes:
        needed: px of each side. made_so: what is done with smaller photographs, and for which patches.
        smallest: share of `needed` that a photograph must have at least.
    """

    needed = SCALE * PATCH + 2 * BORDER
    made_so = f"enlarged to {needed} for patches of {PATCH} packed px"
    smallest = 0.5

    def __init__(self, dataset: type[BaseDataset], root: Path, min_samples: int = 1) -> None:
        self.dataset, self.root, self.min_samples = dataset, root, min_samples
        self.photographs, self.missing = [], {}
        for split in SPLITS:
            try:
                self.photographs += self.found(split)
            except UserError as error:
                self.missing[split] = str(error)

    def found(self, split: str) -> list[Path]:
        """The photographs of a split; UserError where there are none."""
        return find_photographs(self.root, split)

    def samples(self) -> list[Path]:
        """All photographs, of training and of validation."""
        return self.photographs

    def layout(self) -> Iterator[Finding]:
        """A split without photographs, and too few of them."""
        for split, text in self.missing.items():
            yield Finding(self.root, text, is_fault=split == "train")
        if len(self.photographs) < self.min_samples:
            text = f"{len(self.photographs)} photographs, expected {self.min_samples} or more"
            yield Finding(self.root, text)

    def sample(self, path: Path) -> list[Finding]:
        """A photograph that cannot be read, is too small, or shows nothing."""
        try:
            codes = read_picture(path)
        except UserError as error:
            return [Finding(path, str(error))]
        findings, side = [], min(codes.shape[:2])
        if side < self.needed:
            text = f"{side} px high or wide, {self.made_so}"
            findings.append(Finding(path, text, is_fault=side < self.smallest * self.needed))
        if codes.min() == codes.max():
            findings.append(Finding(path, f"all values are {codes.max()}"))
        elif np.array_equal(codes[..., 0], codes[..., 1]) and np.array_equal(codes[..., 1], codes[..., 2]):
            findings.append(Finding(path, "has no colours", is_fault=False))
        return findings
