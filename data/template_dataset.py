"""A data set to copy: change the name, the layout and what is read, and it is known by its file's name.

`data/<name>_dataset.py` with class <Name>Dataset is `--dataset_name <name>`: nothing else must be registered.
This one works: a folder of NumPy files, one pair per sample.

    python train.py --name mine --model template --dataset_name template --dataroot DIR
"""

import argparse
from pathlib import Path

import numpy as np

from data.base_dataset import BaseDataset
from data.draws import Draw, random_corner
from data.reading.arrays import open_map
from util.errors import UserError
from util.task import Task

FOLDERS = {"train": "train", "val": "test", "test": "test"}  # of the three splits


class TemplateDataset(BaseDataset):
    """Brackets float32 (T, H, W, 4), packed R, G, G, B with 1 = white level, and targets (H, W, 4).

    Frame t was exposed `--exposure_step` times as long as frame t - 1; the target is on the scale of frame
    T // 2.
    """

    # What is asked of a network: planes, white, the frame that the target shows, what else samples carry.
    task = Task(channels=4, white=16.0, reference=0)
    # Px of the output that test.py does not score, on each side (a black frame, say).
    border = 0

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> None:
        """Options of this data set alone (they appear in -h once it is named), and its own defaults."""
        parser.add_argument(
            "--exposure_step", type=float, default=4.0, help="ratio of neighbouring exposures"
        )
        if is_train:
            parser.set_defaults(patch_size=64)

    @staticmethod
    def describe_layout() -> str:
        """What the error for a wrong --dataroot prints: one line that tells how the files must lie."""
        return "train/ and test/ with <sample>.npy (T, H, W, 4) and <sample>_gt.npy (H, W, 4), float32"

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        """List the samples and check the options. Read no images here: a start should take no time."""
        super().__init__(opt, split)  # sets self.opt, self.split, self.root; refuses a root that is no folder
        files = sorted((self.root / FOLDERS[split]).glob("*.npy"))
        self.paths = [path for path in files if not path.stem.endswith("_gt")][: opt.max_dataset_size]
        if not self.paths:
            raise UserError(f"{self.root / FOLDERS[split]} holds no samples: {self.describe_layout()}")

    def __len__(self) -> int:
        """Number of samples. An epoch has --epoch_iters batches all the same."""
        return len(self.paths)

    def patch(self, draw: Draw) -> dict:
        """A training sample. All that is random comes from `draw`, so that runs can be repeated and resumed.

        Flips and other augmentation belong here too: apply the same to frames and target.
        """
        frames, target = self._open(draw.index)
        if target is None:
            raise UserError(f"{self.paths[draw.index]} has no target to train on")
        side, rng = self.opt.patch_size, draw.generator()
        room = [size - side for size in frames.shape[1:3]]
        if min(room) < 0:
            raise UserError(f"--patch_size {side} is larger than {self.paths[draw.index]}")
        top, left = random_corner(rng, [free + 1 for free in room], self.task.period)
        return self._sample(draw.index, frames, target, (slice(top, top + side), slice(left, left + side)))

    def whole(self, index: int) -> dict:
        """A sample for validation and testing: as for training, and where its results go and how they are
        shown.
        """
        everything = (slice(None), slice(None))
        colour = {"white_balance": np.ones(3, np.float32), "cam2rgb": np.eye(3, dtype=np.float32)}
        place = {"scene": self.split, "frame": self.paths[index].stem}
        return (
            self._sample(index, *self._open(index), everything) | place | {"meta": colour | {"cfa": "RGGB"}}
        )

    def source(self, index: int, part: str) -> Path:
        """The file that a part of a sample is read from, for the message where it holds no numbers."""
        path = self.paths[index]
        return path.with_name(f"{path.stem}_gt.npy") if part == "gt" else path

    def _open(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Frames and target (None where there is none) as maps of their files: only what is cut is read."""
        path = self.paths[index]
        frames = map_array(path, 4)[: self.opt.frame_num]
        path = path.with_name(f"{path.stem}_gt.npy")
        target = map_array(path, 3) if path.exists() else None
        if target is not None and target.shape != frames.shape[1:]:
            raise UserError(f"{path}: shape {target.shape}, expected {frames.shape[1:]}")
        return frames, target

    def _sample(
        self, index: int, frames: np.ndarray, target: np.ndarray | None, cut: tuple[slice, slice]
    ) -> dict:
        """The sample contract: measured values, not divided by their exposures; the model prepares them."""
        steps = np.arange(len(frames)) - len(frames) // 2
        sample = {
            "frames": np.array(frames[:, *cut]).transpose(0, 3, 1, 2),  # (T, 4, h, w)
            "exposure": np.float32(self.opt.exposure_step**steps),  # frames / exposure: on the target's scale
            "name": f"{self.split}-{self.paths[index].stem}",
        }
        if target is not None:
            sample["gt"] = np.array(target[cut]).transpose(2, 0, 1)  # (4, h, w)
        return sample


def map_array(path: Path, dimensions: int) -> np.ndarray:
    """A .npy file as a map. What is wrong with a file is a UserError that names it."""
    array = open_map(path)
    if array.ndim != dimensions or array.shape[-1] != 4 or array.dtype != np.float32:
        raise UserError(
            f"{path}: found {array.dtype} {array.shape}, expected float32 with 4 planes at the end"
        )
    return array
