"""Scenes of three developed pictures of gamma 2.2 (SelfHDR specification, 1 and 8): frames and labels."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.reading.block_cache import Content
from data.reading.folders import subfolders
from data.reading.measured_exposures import Claim, confirmed, thinned
from data.reading.stated_exposures import Ratio, Stated, check_stated, measured_ratios
from util.errors import UserError
from util.imaging.radiance import read_radiance
from util.imaging.tiff_pictures import read_tiff
from util.natural import by_name

FRAMES = 3
GAMMA = 2.2
LINEAR = ((np.arange(1 << 16) / (1 << 16)) ** GAMMA).astype(np.float32)  # of each code of 16 bits
SUFFIXES = (".tif", ".tiff")
LABEL_SUFFIXES = (".exr", ".hdr")  # in any case; where there are both, the exact one counts
LEAST = -1e-3  # of a label; what is closer to 0 comes from rounding, and counts as 0
BYTES_AT_HAND = 512 << 20  # of decoded scenes that a process keeps


class Scene(NamedTuple):
    """The files of a scene.

    Attributes:
        frames: from the shortest to the longest. stated: what their exposures are.
        labels: key in the sample -> file, of linear RGB on the scale of the shortest frame.
    """

    name: str
    frames: tuple[Path, ...]
    stated: Stated
    labels: dict[str, Path]

    @property
    def sources(self) -> list[Path]:
        """All files that its content depends on."""
        return [*self.frames, *self.labels.values(), self.stated.path]


def tiff_files(folder: Path) -> list[Path]:
    """The TIFF files in a folder by name, without hidden ones."""
    files = (file for file in folder.iterdir() if not file.name.startswith("."))
    return by_name(file for file in files if file.suffix.lower() in SUFFIXES)


def three_frames(folder: Path, advice: str) -> tuple[Path, ...]:
    """The frames in a folder that must hold three.

    Raises:
        UserError: the folder is missing, or holds another number; `advice` says what to do.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}: {advice}")
    files = tiff_files(folder)
    if not files and any(tiff_files(place) for place in subfolders(folder)):
        raise UserError(
            f"{folder} holds folders of scenes: move those into {folder.parent}, "
            "as the folders PAPER and EXTRA of Kalantari's Test are to be flattened into Test"
        )
    if len(files) != FRAMES:
        raise UserError(f"{folder} holds {len(files)} frames *.tif, {FRAMES} are needed: {advice}")
    return tuple(files)


def find_label(folder: Path, stem: str) -> Path | None:
    """`<stem>.exr` or `<stem>.hdr` in a folder, their suffix in any case; None if there is neither."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [file for file in files if file.stem == stem and file.is_file()]
    ranked = (file for suffix in LABEL_SUFFIXES for file in found if file.suffix.lower() == suffix)
    return next(ranked, None)


def read_frame(path: Path) -> np.ndarray:
    """A frame uint16 (H, W, 3); 8 bits become the upper ones, so that u / 2^bits stays what it is.

    Raises:
        UserError: the file is missing or damaged, or holds floats.
    """
    picture = read_tiff(path)
    if picture.dtype == np.uint8:
        return picture.astype(np.uint16) << 8
    if picture.dtype != np.uint16:
        raise UserError(f"{path}: frames are pictures of 8 or 16 bits, it holds {picture.dtype}")
    return picture


def read_label(path: Path) -> np.ndarray:
    """A label, linear RGB float32 (H, W, 3) from 0 on; values down to LEAST become 0.

    Raises:
        UserError: it is damaged, or holds NaN, infinity or less.
    """
    label = read_radiance(path)
    if not np.isfinite(label).all():
        raise UserError(f"{path}: holds values that are not finite")
    if label.min() < LEAST:
        raise UserError(f"{path}: holds negative values, down to {label.min():.3g}: set them to 0")
    return np.maximum(label, 0)


def decode(scene: Scene) -> Content:
    """All of a scene: frames uint16 (3, H, W, 3), labels float32 (H, W, 3 per label).

    Raises:
        UserError: a file is damaged or of another size, or the frames contradict the list of exposures.
    """
    frames = [read_frame(path) for path in scene.frames]
    labels = [read_label(path) for path in scene.labels.values()]
    paths = [*scene.frames, *scene.labels.values()]
    check_sizes({path: image.shape[:2] for path, image in zip(paths, [*frames, *labels], strict=True)})
    if not scene.stated.is_trusted:
        check_frames(scene, frames)
    height, width, _ = frames[0].shape
    target = np.concatenate([np.empty((height, width, 0), np.float32), *labels], axis=2)
    return Content(np.stack(frames), target)


def check_frames(scene: Scene, frames: Sequence[np.ndarray]) -> None:
    """Raise a UserError if frames uint16 (H, W, 3) contradict the list of exposures of their scene."""
    stated = scene.stated
    check_stated(stated, brightness_ratios(frames))
    claim = Claim(scene.frames, stated.exposures, stated.path, stated.is_linear, may_be_misread=False)
    confirmed(claim, (LINEAR[thinned(frame[..., 1])] for frame in frames))


def brightness_ratios(frames: Sequence[np.ndarray]) -> list[Ratio | None]:
    """How many times as bright each frame uint16 (H, W, 3) is as the one before, by its green."""
    step = max(1, min(frames[0].shape[:2]) // 256)
    return measured_ratios([LINEAR[frame[::step, ::step, 1]] for frame in frames])


def check_sizes(sizes: dict[Path, tuple[int, int]]) -> None:
    """Raise a UserError if the images (H, W) of a scene are not all as large as the first."""
    first = next(iter(sizes))
    for path, size in sizes.items():
        if size != sizes[first]:
            found, expected = (f"{width} x {height} px" for height, width in (size, sizes[first]))
            rule = "all images of a scene must have the same size"
            raise UserError(f"{path}: {found}, but {first} has {expected}; {rule}")


class RecentScenes:
    """Decoded scenes, the last used ones of which stay in memory.

    Args:
        limit: bytes that they may take together; the one just used stays even where it is larger.
    """

    def __init__(self, limit: int = BYTES_AT_HAND) -> None:
        self.limit, self.held = limit, OrderedDict()

    def get(self, scene: Scene, load: Callable[[Scene], Content] = decode) -> Content:
        """The whole content of a scene."""
        key = tuple(scene.sources)
        if key not in self.held:
            self.held[key] = load(scene)
        self.held.move_to_end(key)
        while len(self.held) > 1 and self._bytes() > self.limit:
            self.held.popitem(last=False)
        return self.held[key]

    def _bytes(self) -> int:
        return sum(content.raw.nbytes + content.target.nbytes for content in self.held.values())
