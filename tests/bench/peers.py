"""Other programs that merge brackets: HDRMerge, OpenCV's Debevec and Mertens, and enfuse."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import cv2
import numpy as np

from data.reading.dng_pixels import read_pixels
from data.reading.exif import numbers, read_tags
from data.reading.ldr_frames import GAMMA
from util.imaging.bayer import PLANES, pack
from util.imaging.tiff_pictures import read_tiff


class NotInstalledError(Exception):
    """A program is not there."""


def _run(*command: str | Path) -> None:
    """Run a program without a display.

    Raises:
        NotInstalledError: there is none of that name.
        subprocess.CalledProcessError: it failed.
    """
    if shutil.which(str(command[0])) is None:
        raise NotInstalledError("not installed")
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1"}
    subprocess.run(list(map(str, command)), check=True, capture_output=True, env=environment)


def hdrmerge(folder: Path) -> np.ndarray:
    """HDRMerge's mosaic of the DNG files in a folder, packed R, G, G, B: (h, w, 4) on a scale of its own."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "merged.dng"
        _run("hdrmerge", "-b", "32", "-o", out, *sorted(folder.glob("*.dng")))
        stored, tags = read_pixels(out), read_tags(out)
    top, left, bottom, right = (int(side) for side in numbers(tags, "ActiveArea", 4))
    # Around the active area lies garbage.
    bottom, right = bottom - (bottom - top) % 2, right - (right - left) % 2
    mosaic = stored.reshape(stored.shape[:2])[top:bottom, left:right]
    letters = "".join("RGB"[colour] for colour in bytes(tags["CFAPattern"]))
    assert letters in PLANES, letters
    (black,) = np.unique(numbers(tags, "BlackLevel"))
    return pack(mosaic.astype(np.float32) - np.float32(black), letters).transpose(1, 2, 0)


def _codes8(frames: list[np.ndarray], aligned: bool) -> list[np.ndarray]:
    """Frames of 16 bits as OpenCV takes them, moved to the middle one if they are to be `aligned`."""
    small = [np.ascontiguousarray((frame >> 8).astype(np.uint8)[..., ::-1]) for frame in frames]
    if aligned:
        cv2.createAlignMTB().process(small, small)
    return small


def debevec(frames: list[np.ndarray], exposures: np.ndarray, aligned: bool) -> np.ndarray:
    """OpenCV's radiance (H, W, 3), linear RGB, with the curve of the frames, gamma 2.2, given."""
    curve = ((np.arange(256, dtype=np.float32) + 0.5) / 256) ** GAMMA
    response = np.repeat(curve[:, None, None], 3, axis=2)
    merged = cv2.createMergeDebevec().process(
        _codes8(frames, aligned), exposures.astype(np.float32), response
    )
    return np.nan_to_num(merged[..., ::-1])


def mertens(frames: list[np.ndarray], aligned: bool) -> np.ndarray:
    """OpenCV's fused picture (H, W, 3), about 0 to 1."""
    return cv2.createMergeMertens().process(_codes8(frames, aligned))[..., ::-1]


def enfuse(files: list[Path], aligned: bool) -> np.ndarray:
    """Enfuse's picture (H, W, 3) in 0 to 1; `aligned` to the middle file by align_image_stack."""
    with tempfile.TemporaryDirectory() as place:
        if aligned:
            middle = len(files) // 2
            ordered = [files[middle], *files[:middle], *files[middle + 1 :]]
            _run("align_image_stack", "-a", Path(place) / "aligned", *ordered)
            files = sorted(Path(place).glob("aligned*.tif"))
        _run("enfuse", "-o", Path(place) / "fused.tif", *files)
        return read_tiff(Path(place) / "fused.tif")[..., :3].astype(np.float32) / 65535
