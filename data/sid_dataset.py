"""Short and long raw frames of See-in-the-Dark, Sony subset, in its published layout (specification, 4.2)."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from data.low_light import PairDataset
from data.reading.named_exposures import (
    DIGITS,
    LONG,
    SHORT,
    Pair,
    benchmark,
    find_pairs,
    is_whole_benchmark,
    read_pairs,
)
from util.errors import UserError
from util.parser import boolean

ROOT = "datasets/SID/Sony"


class SidDataset(PairDataset):
    """Pairs of SID. Scenes 0... are trained on, 2... are validated on, or 1... where there are none.

    By default the pairs of the published benchmark are tested, or those of all other scenes where its files
    are not there. The ratio is that of the names, at most 300.
    """

    without_effect: ClassVar[dict[str, str]] = dict.fromkeys(
        ("noise", "continuous_noise", "exclude"), "noise is that of the real short frames"
    )
    patches_per_epoch = 2240  # published, of real pairs

    @classmethod
    def modify_commandline_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> None:
        super().modify_commandline_options(parser, is_train)
        parser.set_defaults(dataroot=ROOT)
        if is_train:
            parser.set_defaults(epoch_iters=cls.patches_per_epoch)

    @classmethod
    def add_training_options(cls, parser: argparse.ArgumentParser) -> None:
        super().add_training_options(parser)
        parser.add_argument(
            "--syn_noise",
            type=boolean,
            default=False,
            help="expose short frames longer, to a random ratio down to 100, by photons drawn of long ones",
        )

    @classmethod
    def add_test_options(cls, parser: argparse.ArgumentParser) -> None:
        super().add_test_options(parser)
        parser.add_argument(
            "--pairs",
            metavar="all|benchmark|FILE",
            help="which are tested: all that are not trained on, the 45 of the published benchmark, or "
            "those of a list of `short long [ratio]`; default: benchmark where its files are there, else all",
        )

    @staticmethod
    def describe_layout() -> str:
        return f"{SHORT}/ and {LONG}/ with raw files <id>_<burst>_<t>s.<suffix>, such as 00001_00_0.1s.ARW"

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        super().__init__(opt, split)
        for folder in (SHORT, LONG):
            if not (self.root / folder).is_dir():
                raise UserError(f"{self.root} has no folder {folder}; expected: {self.describe_layout()}")
        self.pairs = self._pairs()[: opt.max_dataset_size]
        if not self.pairs:
            digits = DIGITS[split] if split == "train" else "1 or 2"
            hint = "; --val_freq 0 trains without validation" if split == "val" else ""
            raise UserError(
                f"{self.root} has no pairs of scenes {digits}...{hint}; expected: {self.describe_layout()}"
            )
        if split == "train" and not opt.skip_damaged:
            self.check_patch()

    def _pairs(self) -> list[Pair]:
        """The pairs of the split."""
        if self.split == "test" and self.opt.pairs not in (None, "all", "benchmark"):
            return read_pairs(Path(self.opt.pairs), self.root)
        found = find_pairs(self.root)
        if self.split == "train":
            return of_split(found, "train")
        if self.split == "val":
            return of_split(found, "val") or of_split(found, "test")
        published = benchmark(found)
        if self.opt.pairs == "benchmark" and not is_whole_benchmark(published):
            raise UserError(f"--pairs benchmark: {self.root} has {len(published)} of its 45 pairs")
        if self.opt.pairs == "all" or not is_whole_benchmark(published):
            return [*of_split(found, "test"), *of_split(found, "val")]
        if self.opt.pairs is None:
            print("note: the 45 pairs of the published benchmark; --pairs all takes all", file=sys.stderr)
        return published


def of_split(pairs: Sequence[Pair], split: str) -> list[Pair]:
    """Those whose scenes belong to a split by their first digit."""
    return [pair for pair in pairs if pair.scene.startswith(DIGITS[split])]
