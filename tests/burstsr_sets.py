"""Tiny sets in the layout of BurstSR, whose pictures are known, as they are and spoiled."""

import pickle
from pathlib import Path

import cv2
import numpy as np

from data.burstsr_dataset import CAMERA, FRAMES, IMAGE, PHONE
from data.reading.plane_png import read_planes, write_planes
from tests.foreign import foreign_classes
from util.imaging.bayer import PLANES

SIZE = (12, 14)  # packed px of a frame
BLACK, CAMERA_BLACK = [63, 64, 64, 66], [2047, 2047, 2048]
WHITE_BALANCE = [2.0, 1.0, 1.0, 1.5]  # of the phone's planes
MATRIX = [[1.6, -0.5, -0.1], [-0.2, 1.5, -0.3], [0.0, -0.6, 1.6]]  # rows sum to 1
SHOT = {"ExposureTime": (1, 60), "FNumber": (17, 10), "ISOSpeedRatings": (200, 1)}
CAMERA_SHOT = {"ExposureTime": (1, 40), "FNumber": (56, 10), "ISOSpeedRatings": (800, 1)}
RATIO = (200 / 60 / 1.7**2) / (800 / 40 / 5.6**2)
BURSTS = {"train": ["0000_0001", "0001_0000"], "val": ["0008_0000", "0010_0003"]}


def truth(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A smooth target (3, 8h, 8w) float32 from about -0.2 to 1.2."""
    rough = np.random.default_rng(seed).uniform(-0.2, 1.2, (*(side + 2 for side in size), 3))
    smooth = cv2.resize(rough.astype(np.float32), (8 * size[1], 8 * size[0]), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(smooth.transpose(2, 0, 1))


def mosaicked(target: np.ndarray) -> np.ndarray:
    """What the phone sees of a target (3, 8h, 8w): (4, h, w), each px the mean of the 4x4 below it."""
    colours, height, width = target.shape
    means = target.reshape(colours, height // 4, 4, width // 4, 4).mean((2, 4))
    return np.stack(
        [
            means[colour, row::2, column::2]
            for (row, column), colour in zip(PLANES["RGGB"], (0, 1, 1, 2), strict=True)
        ]
    )


def write_set(root: Path, size: tuple[int, int] = SIZE) -> Path:
    """Two bursts per split; frame n is brighter than frame 0 by n / 1023."""
    for split, names in BURSTS.items():
        for seed, name in enumerate(names):
            write_burst(root / split / name, truth(seed, size))
    return root


def write_burst(folder: Path, target: np.ndarray) -> None:
    """The files of a burst as they are published."""
    levels = np.rint(np.clip(mosaicked(target), -0.05, 0.88) * 1023)
    for number in range(FRAMES):
        stored = levels + np.array(BLACK)[:, None, None] + number
        write_planes(folder / PHONE.format(number) / IMAGE, stored.astype(np.uint16))
        _write_meta(folder / PHONE.format(number), "Image ", SHOT, BLACK, color_matrix=np.array(MATRIX))
    stored = target / RATIO * 16383 + np.array(CAMERA_BLACK)[:, None, None]
    write_planes(folder / CAMERA / IMAGE, np.rint(stored).astype(np.uint16))
    matrix = np.array([[0.7, -0.1, -0.06], [-0.4, 1.2, 0.2], [-0.05, 0.1, 0.6]])
    _write_meta(folder / CAMERA, "EXIF ", CAMERA_SHOT, CAMERA_BLACK, rgb_xyz_matrix=matrix)


def _write_meta(folder: Path, start: str, shot: dict, black: list[int], **matrix: np.ndarray) -> None:
    """A pickle with tags of exifread in it."""
    with foreign_classes() as foreign:
        tags = {
            start + name: foreign.IfdTag([foreign.Ratio(*parts) if parts[1] > 1 else parts[0]])
            for name, parts in shot.items()
        }
        entries = {"black_level": black, "cam_wb": WHITE_BALANCE, "daylight_wb": WHITE_BALANCE, **matrix}
        preview = np.zeros((2, 2, 3), np.uint8)
        content = pickle.dumps({**entries, "exif_data": tags, "im_preview": preview})
    (folder / "meta_info.pkl").write_bytes(content)


def change_meta(path: Path, **changes: object) -> None:
    """Write a pickle of plain values with some of them changed, or taken out where they are None."""
    plain = {
        "black_level": BLACK,
        "cam_wb": np.float64(WHITE_BALANCE),
        "exif_data": {f"Image {name}": [top / bottom] for name, (top, bottom) in SHOT.items()},
    }
    content = {name: value for name, value in (plain | changes).items() if value is not None}
    path.write_bytes(pickle.dumps(content))


def spoil(folder: Path, what: str) -> None:
    """Make a burst faulty in one respect."""
    frame, target = folder / PHONE.format(1), folder / CAMERA
    if what == "missing":
        (frame / IMAGE).unlink()
    elif what == "size":
        write_planes(frame / IMAGE, read_planes(frame / IMAGE, 4)[:, 1:])
    elif what == "target":
        write_planes(target / IMAGE, read_planes(target / IMAGE, 3)[:, 1:])
    elif what == "pickle":
        (frame / "meta_info.pkl").write_bytes(b"black_level: 64")
    elif what == "no pickle":
        (frame / "meta_info.pkl").unlink()
    elif what == "list":
        (frame / "meta_info.pkl").write_bytes(pickle.dumps([1, 2]))
    else:
        changes = {
            "no tags": {"exif_data": None},
            "no time": {"exif_data": {"Image FNumber": [2]}},
            "void time": {"exif_data": dict.fromkeys((f"Image {name}" for name in SHOT), "a")},
            "no black": {"black_level": None},
            "black": {"black_level": [64, 64]},
            "text": {"black_level": "dark"},
            "gains": {"cam_wb": [0, 1, 1, 1]},
        }
        change_meta(frame / "meta_info.pkl", **changes[what])


MESSAGES = {
    "missing": r"cannot read .*samsung_01/im_raw\.png: No such file",
    "size": r"samsung_01/im_raw\.png: \(11, 14\) px, but another frame has \(12, 14\)",
    "target": r"canon/im_raw\.png: \(95, 112\) px, expected \(96, 112\), 8 times",
    "pickle": r"samsung_01/meta_info\.pkl: damaged, or not a pickle",
    "no pickle": r"samsung_01/meta_info\.pkl: no such file",
    "list": r"samsung_01/meta_info\.pkl: expected a dictionary, found list",
    "no tags": r"samsung_01/meta_info\.pkl: there is no exif_data",
    "no time": r"samsung_01/meta_info\.pkl: there is no ExposureTime in its exif_data",
    "void time": r"samsung_01/meta_info\.pkl: exposure_time is not of 0 dimensions and finite",
    "no black": r"samsung_01/meta_info\.pkl: there is no black_level",
    "black": r"samsung_01/meta_info\.pkl: black_level has 2 values, not 3 or 4",
    "text": r"samsung_01/meta_info\.pkl: black_level is not of 1 dimensions and finite",
    "gains": r"samsung_01/meta_info\.pkl: levels, white balance, and exposure must be positive",
}
