"""Pictures that scenes are made of on the fly: linear light, photographs and raw files, kept at hand."""

import hashlib
import re
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from data.reading import raw
from data.reading.dng_pixels import is_float
from data.simulate.reading import CODED, RADIANCE, Pictures
from util.errors import UserError
from util.files import remove_partial, save_array, write_atomically

SUFFIXES = frozenset({*RADIANCE, *CODED}) | raw.SUFFIXES
SPLITS = {"train": "Train", "val": "Test", "test": "Test"}
HELD_OUT = 10  # of as many files one is not trained on
LAYOUT = (
    f"linear light ({' '.join(RADIANCE)}), photographs ({' '.join(CODED)}) or raw files in "
    f"Train/ and Test/, or all in one folder, of which every {HELD_OUT}th, or else the last, is for tests"
)
MOST_PIXELS = 8e6  # of a picture that is kept; larger ones are reduced
BYTES_AT_HAND = 512 << 20  # of pictures that a process keeps
BRIGHT = 0.999  # share of the px of a picture that are darker than what becomes 1
LARGEST, DARKEST = 6e4, 1e-6  # of light, as half precision has it


class Source(NamedTuple):
    """A file, and the name of the scene that it shows."""

    name: str
    path: Path


def find_radiance(root: Path, split: str) -> list[Source]:
    """The files of split "train", "val" or "test" by name; the layouts are those of LAYOUT.

    Raises:
        UserError: there are none.
    """
    if any((root / name).is_dir() for name in SPLITS.values()):
        root = root / SPLITS[split]
        found = _files(root)
    else:
        everything = _files(root)
        held_out = everything[HELD_OUT - 1 :: HELD_OUT] or everything[1:][-1:]
        found = [path for path in everything if (path in held_out) != (split == "train")]
    if not found:
        hint = "; --val_freq 0 trains without validation" if split == "val" else ""
        raise UserError(
            f"{root} holds no pictures for {split}{hint}; expected: {LAYOUT}; --sim_scenes built_in takes "
            "those of scikit-image"
        )
    return [Source(re.sub(r"\W", "_", str(path.relative_to(root))), path) for path in found]


def _files(folder: Path) -> list[Path]:
    """The pictures in a folder and its subfolders by name; hidden ones are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def is_coded(path: Path) -> bool:
    """Whether light above white was cut off in a file by a tone curve."""
    return path.suffix.lower() in CODED


def read_linear(path: Path) -> np.ndarray:
    """Linear sRGB float32 (H, W, 3), not negative; a raw file at half its size, without demosaicing.

    Raises:
        UserError: the file is missing, damaged, or of another kind.
    """
    if path.suffix.lower() not in raw.SUFFIXES or is_float(path):
        return np.maximum(Pictures.sorted([path]).read(0), 0)
    image = raw.read_raw(path)
    planes = raw.normalise(image.planes, image.black, image.white)
    rgb = np.stack([planes[..., 0], (planes[..., 1] + planes[..., 2]) / 2, planes[..., 3]], axis=-1)
    meta = image.meta()
    balanced = np.minimum(rgb, 1) * np.float32(meta["white_balance"])
    return np.maximum(cv2.transform(balanced, np.float32(meta["cam2rgb"])), 0)


def prepared(path: Path) -> np.ndarray:
    """A file's light as it is kept, float16 (H, W, 3): at most MOST_PIXELS, its bright parts at 1.

    Raises:
        UserError: as of `read_linear`.
    """
    light = read_linear(path)
    height, width = light.shape[:2]
    if height * width > MOST_PIXELS:
        zoom = (MOST_PIXELS / (height * width)) ** 0.5
        size = (round(width * zoom), round(height * zoom))
        light = cv2.resize(light, size, interpolation=cv2.INTER_AREA)
    level = max(float(np.quantile(light.max(axis=-1), BRIGHT)), DARKEST)
    return np.minimum(light / np.float32(level), LARGEST).astype(np.float16)


class Shelf:
    """The light of files, of which a process keeps those used last.

    Args:
        cache_dir: where decoded copies are kept, of which windows can be read alone; "" = nowhere.
        limit: bytes that the pictures at hand may take together; the one just used stays even where it is
            larger.
    """

    def __init__(self, cache_dir: str = "", limit: int = BYTES_AT_HAND) -> None:
        self.folder = Path(cache_dir) / "radiance" if cache_dir else None
        self.limit, self.held = limit, OrderedDict()

    def light(self, path: Path) -> np.ndarray:
        """`prepared` light of a file, as a map of its copy where there is a cache.

        Raises:
            UserError: it cannot be read, or the copy cannot be written.
        """
        if path not in self.held:
            self.held[path] = self._copy(path) if self.folder else prepared(path)
        self.held.move_to_end(path)
        while len(self.held) > 1 and sum(light.nbytes for light in self.held.values()) > self.limit:
            self.held.popitem(last=False)
        return self.held[path]

    def _copy(self, path: Path) -> np.ndarray:
        """A map of the copy of a file as it is now, which is made where there is none."""
        try:
            stat = path.stat()
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror or error}") from error
        told = f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}"
        copy = self.folder / f"{hashlib.sha256(told.encode()).hexdigest()[:32]}.npy"
        if not copy.exists():
            light = prepared(path)
            remove_partial(self.folder, depth=1)
            with write_atomically(copy) as temporary:
                save_array(temporary, light)
        return np.load(copy, mmap_mode="r")
