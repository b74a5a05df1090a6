"""What every data set offers."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from data.draws import Draw
from data.reading.sound import check_whole
from util.errors import UserError
from util.task import Task

if TYPE_CHECKING:
    import torch


class BaseDataset:
    """Samples of one split of a data set; a subclass reads them.

    A sample is a dict: `frames` float32 (T, C, H, W), measured values with 1 = white level; `exposure`
    float32 (T,), so that frames / exposure is on the scale of `gt`; `gt` float32 (C', sH, sW), where there
    is one; `meta`, what rendering needs; `name`, "scene-frame", and `scene`, `frame`, by which output files
    are named; and what `task.carries` names, as util.task.CARRIED has it.

    Attributes:
        border: px of the output that evaluation leaves out on each side.
        task: what is asked of a network: planes, scale, white, reference, and what samples carry.
        scores: what is scored: "picture", 16-bit pictures, "radiance", linear light, "raw", packed planes,
            "srgb", a simple view of these, or "guided", camera RGB apart for what a mask trusts.
        targets: keys under which training patches hold what is learnt from.
        without_effect: published options that decide nothing here, and why.
        differ: whether training samples have frames of different number, which no batch can hold.
        one_per_scene: whether files of results are named by the scene alone.
    """

    border = 0
    task = Task()
    scores = "picture"
    targets: tuple[str, ...] = ("gt",)
    one_per_scene = False
    differ = False
    without_effect: ClassVar[dict[str, str]] = {}

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> None:
        """Add options, or change defaults, for this data set."""

    @staticmethod
    def describe_layout() -> str:
        """The folders and files that a dataroot must have, in one line."""
        raise NotImplementedError

    @classmethod
    def scored(cls, opt: argparse.Namespace) -> str:
        """What is scored, by the options."""
        return cls.scores

    @classmethod
    def asked(cls, opt: argparse.Namespace) -> Task:
        """What is asked of a network, as far as options tell before data are read."""
        return cls.task

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        self.opt, self.split, self.scores = opt, split, self.scored(opt)
        self.root = Path(opt.dataroot)
        if not self.root.is_dir():
            raise UserError(
                f"--dataroot {self.root} is not a folder; expected there: {self.describe_layout()}"
            )

    def __len__(self) -> int:
        raise NotImplementedError

    def __getitem__(self, key: int | Draw) -> dict:
        """A random patch for a `Draw` (training), the whole sample for an index (validation, test).

        The arrays of `patch` and `whole` become tensors here.

        Raises:
            UserError: a file is damaged, or what a whole sample would be judged by is not sound. Training
                leaves out steps whose values are not finite.
        """
        if isinstance(key, Draw):
            return _as_tensors(self._patch(key))
        sample = self.whole(key)
        check_whole(sample, lambda part: self.source(key, part))
        return _as_tensors(sample)

    def _patch(self, draw: Draw) -> dict:
        """The patch of a draw, or with --skip_damaged of the next sample that can be read."""
        if not self.opt.skip_damaged:
            return self.patch(draw)
        for step in range(len(self)):
            try:
                return self.patch(draw._replace(index=(draw.index + step) % len(self)))
            except UserError as error:
                sys.stderr.write(f"left out: {error}\n")  # at once: worker processes share it
        raise UserError(f"no readable sample in {self.root}")

    def patch(self, draw: Draw) -> dict:
        """The random training patch that `draw` names, its values as arrays."""
        raise NotImplementedError

    def finish(self, batch: dict, device: "torch.device") -> dict:
        """A batch of training patches with what is made on the device that trains."""
        return batch

    def whole(self, index: int) -> dict:
        """Sample `index` as validation and testing see it, its values as arrays."""
        raise NotImplementedError

    def source(self, index: int, part: str) -> Path | str:
        """What `part` of whole sample `index`, "frames", "gt" or "meta", is read from, for messages."""
        return f"{self.root}, sample {index + 1}, {part}"

    def group(self, sample: dict) -> str | None:
        """The group of samples whose scores have a mean of their own, if there are groups."""
        return None

    def picture(self, index: int) -> np.ndarray | None:
        """The reference picture that comes with sample `index`, uint16 RGB (H, W, 3), if there is one."""
        return None


def _as_tensors(value: Any) -> Any:
    """A sample with tensors in place of its arrays, in dicts too; nothing is copied."""
    import torch  # not above: data sets can be opened, read and checked without it, and it takes seconds

    if isinstance(value, dict):
        return {key: _as_tensors(part) for key, part in value.items()}
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value
