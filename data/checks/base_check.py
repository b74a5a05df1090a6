"""What the checks of all data sets share (`python -m data.check`): splits with scenes, and findings."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from data.base_dataset import BaseDataset
from data.reading.folders import subfolders
from util.errors import UserError

MOSTLY_CLIPPED = 0.1  # share of the shortest frame beyond which highlights are lost
ALL_CLIPPED = 0.99  # share of any frame beyond which it tells nothing
RATIO_TOLERANCE = 2.5  # neighbours differ by 4: a repeated frame is off by that factor, a swapped one by 16
LEVEL_TOLERANCE = 2.0  # factor between the ground truth and the frames


class Finding(NamedTuple):
    """A line of the check: where, what, and whether it is a fault or only worth knowing."""

    path: Path
    text: str
    is_fault: bool = True


class BaseCheck:
    """Checks of a data set of class `dataset` at `root`, whose `splits` hold a folder for each scene.

    Args:
        min_samples: scenes that each split should have.

    Raises:
        UserError: `root` has none of the splits.
    """

    split_names: tuple[str, ...] = ("Train", "Test")

    def __init__(self, dataset: type[BaseDataset], root: Path, min_samples: int = 1) -> None:
        self.dataset, self.root, self.min_samples = dataset, root, min_samples
        self.splits = [root / name for name in self.split_names if (root / name).is_dir()]
        if not self.splits:
            raise UserError(f"--dataroot {root}: expected there: {dataset.describe_layout()}")

    def samples(self) -> list[Path]:
        """Folders of all samples of all splits."""
        return [scene for split in self.splits for scene in subfolders(split)]

    def layout(self) -> Iterator[Finding]:
        """What is wrong above the level of scenes: a missing split, and one with too few of them."""
        for name in self.split_names:
            split = self.root / name
            if split not in self.splits:
                yield Finding(split, "there is no such folder", is_fault=False)
            elif (count := len(subfolders(split))) < self.min_samples:
                yield Finding(split, f"{count} scenes, expected {self.min_samples} or more")

    def sample(self, folder: Path) -> list[Finding]:
        """All findings in the folder of a sample."""
        raise NotImplementedError
