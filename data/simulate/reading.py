"""Reads footage as linear light: radiance and 16-bit pictures, coded pictures, video files and arrays."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from data.reading.arrays import CHANGED, open_map
from data.reading.dng_pixels import is_float
from data.reading.float_dng import read_float_dng
from util.errors import UserError
from util.files import regular
from util.imaging.images import read_picture
from util.imaging.radiance import read_radiance
from util.imaging.tonemap import srgb_decode
from util.library_lines import lines_of_libraries
from util.natural import by_name, parts

FLOAT_DNG = ".dng"  # those of floats are light, the others raw files
RADIANCE = (".exr", ".hdr", ".tif", ".tiff", FLOAT_DNG)  # hold linear light
CODED = (".png", ".jpg", ".jpeg")  # hold sRGB
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".m4v")
ARRAYS = (".npy",)


def decode_srgb(picture: np.ndarray) -> np.ndarray:
    """sRGB-coded picture (H, W, 3), uint8 or uint16 -> linear light float32 in [0, 1]."""
    highest = np.iinfo(picture.dtype).max
    table = srgb_decode(np.arange(highest + 1, dtype=np.float64) / highest).astype(np.float32)
    return table[picture]


def _counted(paths: Iterable[Path]) -> tuple[int, ...]:
    """The number of each name, if all are different and nothing else differs; else nothing."""
    names = [parts(path.stem) for path in paths]
    if len({len(name) for name in names}) != 1:
        return ()
    differing = [column for column in zip(*names, strict=True) if len(set(column)) > 1]
    is_counted = (
        len(differing) == 1
        and all(isinstance(part, int) for part in differing[0])
        and len(set(differing[0])) == len(names)
    )
    return differing[0] if is_counted else ()


@dataclass(frozen=True)
class Pictures:
    """Picture files of one kind, in order, with their numbers."""

    paths: tuple[Path, ...]
    numbers: tuple[int, ...]

    @classmethod
    def sorted(cls, paths: Iterable[Path]) -> "Pictures":
        """Files in the order of their names, numbered by what differs, by their last number, or from 0 on."""
        paths = by_name(paths)
        if counted := _counted(paths):
            return cls(tuple(paths), counted)
        numbers = [next((p for p in reversed(parts(path.stem)) if isinstance(p, int)), -1) for path in paths]
        if min(numbers) < 0 or len(set(numbers)) < len(numbers):
            numbers = list(range(len(paths)))
        return cls(tuple(paths), tuple(numbers))

    def is_numbered(self) -> bool:
        """Whether the names differ by one number, which has no gap."""
        counted = _counted(self.paths)
        return bool(counted) and counted[-1] - counted[0] == len(counted) - 1

    @property
    def path(self) -> Path:
        """The file, or the folder of several."""
        return self.paths[0] if len(self.paths) == 1 else self.paths[0].parent

    @property
    def coded(self) -> bool:
        """Whether light above white was cut off by a tone curve."""
        return self.paths[0].suffix.lower() in CODED

    def __len__(self) -> int:
        return len(self.paths)

    def number(self, index: int) -> int:
        """The number of a frame, after which its sample is named."""
        return self.numbers[index]

    def read(self, index: int, as_stored: bool = False) -> np.ndarray:
        """Linear light float32 (H, W, 3), of the primaries of the file if `as_stored`, else of sRGB.

        Raises:
            UserError: the file is damaged or holds values like NaN.
        """
        path = self.paths[index]
        if self.coded:
            return decode_srgb(read_picture(path, upright=True))
        is_dng = path.suffix.lower() == FLOAT_DNG
        light = read_float_dng(path) if is_dng else read_radiance(path, as_stored)
        if not np.isfinite(light).all():
            raise UserError(f"{path} holds values that are not finite: repair or remove it")
        return light


@dataclass(frozen=True)
class VideoFile:
    """A file that OpenCV can play, and how many frames it was found to have."""

    path: Path
    count: int
    coded = True

    @classmethod
    def open(cls, path: Path) -> "VideoFile":
        """Count the frames by decoding them: what a file says about itself may be wrong.

        Raises:
            UserError: the file cannot be played.
        """
        count = 0
        with lines_of_libraries(regular(path)):
            capture = cv2.VideoCapture(str(path))
            while capture.grab():
                count += 1
            if count == 0:
                raise UserError(f"{path} is damaged, or of a kind of video that OpenCV cannot play")
        return cls(path, count)

    def __len__(self) -> int:
        return self.count

    def number(self, index: int) -> int:
        return index

    def read(self, index: int) -> np.ndarray:
        """Linear light float32 (H, W, 3); UserError if the frame cannot be decoded."""
        with lines_of_libraries(self.path):
            frame = _player(self.path).frame(index)
            if frame is None:
                raise UserError(f"{self.path}: cannot decode frame {index}")
        return decode_srgb(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))


class _Player:
    """Plays a file forwards, since seeking is not exact in every container."""

    def __init__(self, path: Path) -> None:
        self.path, self.capture, self.next = path, cv2.VideoCapture(str(path)), 0

    def frame(self, index: int) -> np.ndarray | None:
        if index < self.next:
            self.capture, self.next = cv2.VideoCapture(str(self.path)), 0
        while self.next < index and self.capture.grab():
            self.next += 1
        self.next += 1
        return self.capture.read()[1]


@lru_cache(maxsize=1)
def _player(path: Path) -> _Player:
    return _Player(path)


@dataclass(frozen=True)
class FrameArray:
    """A `.npy` file of frames (F, H, W, 3) uint8, sRGB-coded."""

    path: Path
    count: int
    coded = True

    @classmethod
    def open(cls, path: Path) -> "FrameArray":
        """Look at the header.

        Raises:
            UserError: the file is damaged or holds something else.
        """
        return cls(path, len(cls._frames(path)))

    @staticmethod
    def _frames(path: Path) -> np.ndarray:
        frames = open_map(path)
        if frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape or frames.dtype != np.uint8:
            raise UserError(
                f"{path}: frames are uint8 (count, height, width, 3), not {frames.dtype} {frames.shape}"
            )
        return frames

    def __len__(self) -> int:
        return self.count

    def number(self, index: int) -> int:
        return index

    def read(self, index: int) -> np.ndarray:
        """Linear light float32 (H, W, 3); UserError if the file no longer has as many frames."""
        frames = self._frames(self.path)
        if len(frames) != self.count:
            raise UserError(f"{self.path} {CHANGED}: it has {len(frames)} frames, not {self.count}")
        return decode_srgb(np.asarray(frames[index]))


Frames = Pictures | VideoFile | FrameArray


def find_files(path: Path) -> Iterator[Path]:
    """All files in a folder and its subfolders that can hold footage, in order; hidden ones are left out.

    Raises:
        UserError: a folder cannot be read.
    """
    known = (*RADIANCE, *CODED, *VIDEOS, *ARRAYS)
    try:
        entries = sorted(path.iterdir())
    except OSError as error:
        raise UserError(f"cannot read folder {path}: {error.strerror or error}") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from find_files(entry)
        elif entry.suffix.lower() in known and (entry.suffix.lower() != FLOAT_DNG or is_float(entry)):
            yield entry
