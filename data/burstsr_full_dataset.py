"""BurstSR as it was taken: whole bursts of raw files of a phone (DeepRep specification, section 6)."""

import argparse
import itertools
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from data.base_dataset import BaseDataset
from data.burstsr_dataset import BurstsrDataset
from data.reading.raw import RawImage, read_alike, stack
from data.synburst_dataset import SynburstDataset
from util.errors import UserError

SUFFIX = ".dng"  # of the phone's files
DAMAGE = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError)


class BurstsrFullDataset(BaseDataset):
    """The bursts of `val`, or of `train`, to test on: whole frames, without ground truth.

    What the specification does not say of this set is taken so: a scene is `<id>.zip`, or a folder of that
    name; its phone's frames are the DNG files in it, at any depth, in the order of their paths, and the first
    is the base. The camera's picture beside them, which is not aligned and of another view, is left alone.
    A zip file is unpacked to a temporary folder, one burst at a time.

    `frames` (T, 4, h, w) are raw from the first red px on, without black level, and divided by the white
    level, as those of `burstsr`; negative values are kept. Fewer frames are the first ones.
    """

    border = SynburstDataset.border
    task = SynburstDataset.task
    scores = SynburstDataset.scores
    targets = ()
    one_per_scene = True

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> None:
        parser.set_defaults(frame_num=BurstsrDataset.frame_num)

    @staticmethod
    def describe_layout() -> str:
        return f"val/ (or train/) with <scene>.zip or <scene>/ that hold the *{SUFFIX} of a burst"

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        super().__init__(opt, split)
        if split != "test":
            raise UserError(
                "--dataset_name burstsr_full has no ground truth: train and validate on burstsr instead"
            )
        folder = next((self.root / name for name in ("val", "train") if (self.root / name).is_dir()), None)
        if folder is None:
            raise UserError(f"{self.root} has no folder val; expected: {self.describe_layout()}")
        self.scenes = find_scenes(folder)[: opt.max_dataset_size]
        if not self.scenes:
            raise UserError(f"{folder} holds no scenes; expected: {self.describe_layout()}")

    def __len__(self) -> int:
        return len(self.scenes)

    def whole(self, index: int) -> dict:
        scene, count = self.scenes[index], self.opt.frame_num
        with unpacked(scene) as folder:
            files = burst_files(folder)
            if len(files) < count:
                raise UserError(f"{scene} has {len(files)} files *{SUFFIX}: --frame_num {count} is too many")
            images = (image.from_red() for image in read_alike(files[:count]))
            first = next(images)
            frames = stack(count, (without_black(image) for image in itertools.chain([first], images)))
        return {
            "frames": frames,
            "exposure": np.ones(count, np.float32),
            "meta": first.meta(),
            "name": f"{scene.stem}-{files[0].stem}",
            "scene": scene.stem,
            "frame": files[0].stem,
        }


def find_scenes(folder: Path) -> list[Path]:
    """The scenes of a split by name; of a folder and a zip file of one name, the folder."""
    found: dict[str, Path] = {}
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            found[entry.name] = entry
        elif entry.suffix.lower() == ".zip":
            found.setdefault(entry.stem, entry)
    return [found[name] for name in sorted(found)]


@contextmanager
def unpacked(scene: Path) -> Iterator[Path]:
    """A folder with the DNG files of a scene, as long as the block lasts.

    Raises:
        UserError: it is a zip file that cannot be unpacked.
    """
    if scene.is_dir():
        yield scene
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(scene) as archive:
                names = [name for name in archive.namelist() if name.lower().endswith(SUFFIX)]
                archive.extractall(folder, names)
        except DAMAGE as error:
            raise UserError(f"{scene} cannot be unpacked: {error}") from error
        yield Path(folder)


def burst_files(folder: Path) -> list[Path]:
    """The DNG files in a folder and below it by path, without hidden ones."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() == SUFFIX and not path.name.startswith(".") and path.is_file()
    )


def without_black(image: RawImage) -> np.ndarray:
    """Packed planes (h, w, 4) -> (value - black) / white, float32, as those of BurstSR are made."""
    values = image.planes.astype(np.float32)
    values -= image.black
    values /= np.float32(image.white)
    return values
