"""One's own photographs as scenes to restore, from a folder or from arrays. Needs no PyTorch."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from data.burst_dataset import SHARPEST, TASKS, BurstDataset
from data.folder_dataset import SHORTEST, FolderDataset
from data.own_rows import check_shot_options, read_rows
from data.reading.measured_exposures import Claim, confirmed, thinned
from data.reading.picture_stack import RESPONSES
from data.row_exposure import LIMITS, ORDERS, RowExposure
from data.scene_files import find_scenes, shot_files
from util.errors import UserError

ROWS_OF_TRAINING = RowExposure(), 7.2, 8.9  # pattern and mask, and the range of ratios, of ckpt/sve
RGGB = {"white_balance": np.ones(3, np.float32), "cam2rgb": np.eye(3, dtype=np.float32), "cfa": "RGGB"}


@dataclass(frozen=True)
class Scene:
    """The frames of a scene, from the shortest to the longest.

    Attributes:
        frames: float32 (T, C, H, W), measured values from black, 0, to white, 1. C = 4: planes R, G, G, B of
            a raw mosaic; C = 3: linear sRGB.
        exposure: float32 (T,), relative; that of the shortest frame is 1/16.
        meta: what rendering needs of raw files: white balance, matrix to linear sRGB, CFA, ...
        border: px around the frames that were left out.
        light: `gain` and `ratio` of a single dark raw frame (util.task.CARRIED), whose exposure is 1 / ratio.
        burst: what a burst of one exposure, whose first frame is shown, is to become: one of
            data.burst_dataset.TASKS; "" of other scenes.
        noise_map: of a burst, standard deviation of the noise, like frames.
        rows: how the rows of a single shot are exposed in turn; its frames (2, 1, H, W) are the px of the
            short rows and those of the long ones, 0 elsewhere, and the exposure of the short ones is 1.
        mask: of such a shot, how far its px are to be trusted, (1, H, W).
    """

    name: str
    frames: np.ndarray
    exposure: np.ndarray
    meta: Mapping[str, Any] = field(default_factory=dict)
    border: int = 0
    light: Mapping[str, float] = field(default_factory=dict)
    burst: str = ""
    noise_map: np.ndarray | None = None
    rows: RowExposure | None = None
    mask: np.ndarray | None = None

    @property
    def is_raw(self) -> bool:
        """Whether the frames are of a mosaic."""
        return self.frames.shape[1] != 3

    @property
    def megapixels(self) -> float:
        """Size of a frame, of raw ones of the mosaic."""
        return self.frames.shape[-2] * self.frames.shape[-1] * (4 if self.frames.shape[1] == 4 else 1) / 1e6

    @property
    def has_rows_of_training(self) -> bool:
        """Whether the weights in ckpt/sve know shots like this one."""
        pattern, low, high = ROWS_OF_TRAINING
        return (
            self.rows is not None
            and self.rows.protocol() == pattern.protocol()
            and low < self.rows.ratio < high
        )

    @property
    def is_raw_bracket(self) -> bool:
        """Whether the frames are raw ones of different exposure, which the weights in ckpt/brackets know."""
        return self.is_raw and not (self.burst or self.rows or self.light)


def reading_options(**changes: Any) -> argparse.Namespace:
    """The options by which a folder is read: those of `--dataset_name folder`, with their defaults.

    With `burst`, one of data.burst_dataset.TASKS, it is read as a burst of one exposure, whose frame number
    `reference` by name, from 1, or the "sharpest" is shown.

    Raises:
        UserError: there is no such option, or it is not for bursts.
    """
    known = {"frame_num": None, "response": "debevec", "border": 0, "ratio": None, "camera": None}
    known |= {"trust_exposures": False, "white": None}
    known |= {"burst": None, "reference": 1}
    known |= {"sve": None, "row_order": ORDERS[0], "guidance_mask": "binary", "mask_limits": None}
    if unknown := sorted(changes.keys() - known.keys()):
        raise UserError(f"reading has no option {unknown[0]}; there are {', '.join(known)}")
    opt = known | changes
    if not isinstance(opt["border"], int) or opt["border"] < 0:
        raise UserError(f"border {opt['border']!r}: expected a whole number, 0 or more")
    if opt["response"] not in RESPONSES:
        raise UserError(f"unknown response '{opt['response']}'; known: {', '.join(RESPONSES)}")
    if opt["white"] is not None and not (isinstance(opt["white"], int) and opt["white"] > 0):
        raise UserError(f"white {opt['white']!r}: expected a whole number above 0")
    if opt["burst"] is None and opt["reference"] != 1:
        raise UserError(f"reference {opt['reference']} is of bursts: brackets show what all frames do")
    if opt["burst"] is not None:
        check_burst(opt)
    check_rows(opt)
    return argparse.Namespace(max_dataset_size=None, model="sve" if opt["sve"] else "syn", **opt)


def check_burst(opt: Mapping[str, Any]) -> None:
    """Raise a UserError if options of reading are not such of a burst."""
    if opt["burst"] not in TASKS:
        raise UserError(f"unknown burst '{opt['burst']}'; known: {', '.join(TASKS)}")
    shown = opt["reference"]
    if shown != SHARPEST and not (isinstance(shown, int) and shown > 0):
        raise UserError(f"reference {shown!r}: the number of a frame, from 1, or {SHARPEST}")
    for name, usual in (("response", "debevec"), ("border", 0), ("ratio", None), ("white", None)):
        if opt[name] != usual:
            raise UserError(f"{name} {opt[name]}: that is not for bursts")


def check_rows(opt: Mapping[str, Any]) -> None:
    """Raise a UserError if options of reading are not such of a shot whose rows are exposed in turn."""
    for name, possible in (("row_order", ORDERS), ("guidance_mask", tuple(LIMITS))):
        if opt[name] not in possible:
            raise UserError(f"unknown {name} '{opt[name]}'; known: {', '.join(possible)}")
    if opt["sve"]:
        if opt["burst"]:
            raise UserError(f"burst {opt['burst']}: that is not for sve, which takes single shots")
        check_shot_options(argparse.Namespace(**opt))


def read_scene(folder: str | Path, opt: argparse.Namespace) -> Scene:
    """The scene in a folder of 2 to 9 raw files or pictures, or of 2 to 14 raw files of a burst.

    With `opt.sve` it is that of one raw file, or of a folder that holds one. See docs/photos.md.

    Raises:
        UserError: there is no such folder, it holds several scenes or none, a file is missing or damaged,
            exposures are not known.
    """
    if opt.sve:
        return _read_rows(Path(folder), opt)
    options = argparse.Namespace(**vars(opt) | {"dataroot": folder, "burst_task": opt.burst})
    dataset = (BurstDataset if opt.burst else FolderDataset)(options, "test")
    if len(dataset) > 1:
        raise UserError(f"{folder} holds {len(dataset)} scenes in folders of their own: read one of them")
    sample = dataset.whole(0)
    if opt.burst:
        facts = (sample[name] for name in ("scene", "frames", "exposure", "meta"))
        return Scene(*facts, burst=opt.burst, noise_map=sample["noise_map"])
    light = {name: float(sample[name][0]) for name in dataset.task.carries}
    return Scene(sample["scene"], sample["frames"], sample["exposure"], sample["meta"], dataset.inner, light)


def _read_rows(path: Path, opt: argparse.Namespace) -> Scene:
    """A shot whose rows are exposed in turn, by its file, or the folder that holds it."""
    files = [path] if path.is_file() else shots_in(path)
    if len(files) > 1:
        raise UserError(f"{path} holds {len(files)} raw files, each a shot of its own: read one of them")
    sample = read_rows(files[0], opt)
    rows = RowExposure.of(opt, float(sample["exposure"][1]))
    facts = (sample[name] for name in ("frame", "frames", "exposure", "meta"))
    return Scene(*facts, rows=rows, mask=sample["mask"])


def scene_of_arrays(
    frames: np.ndarray | Sequence[np.ndarray],
    exposures: Sequence[float],
    meta: Mapping[str, Any] | None = None,
    name: str = "scene",
    trust_exposures: bool = False,
) -> Scene:
    """A scene of measured values.

    Args:
        frames: (T, H, W, 3), linear sRGB, or (T, H, W, 4), planes R, G, G, B of a raw mosaic that begins with
            red; 0 = black, 1 = white level. Values outside are clipped.
        exposures: of each frame, in any unit (seconds, say), in any order.
        meta: of raw frames, float32 arrays: `white_balance` (3,), gains of R, G, B; `cam2rgb` (3, 3), to
            linear sRGB, of rows that sum to 1. Without it colours are the camera's own.
        trust_exposures: whether they count even where the frames' brightness contradicts them.

    Raises:
        UserError: shapes, values or exposures that cannot be such frames, or contradict them.
    """
    values = np.array(frames, np.float32)
    times = np.array(exposures, np.float64)
    if values.ndim != 4 or values.shape[-1] not in (3, 4):
        raise UserError(f"frames are (T, H, W, 3) or (T, H, W, 4), not {values.shape}")
    if times.shape != values.shape[:1] or not (np.isfinite(times) & (times > 0)).all():
        raise UserError(f"{len(values)} frames need as many exposures above 0")
    if not np.isfinite(values).all() or values.max() > 2:
        raise UserError("frames must be finite, with 1 for the white level: divide by the largest code")
    order = np.argsort(times)
    planes = np.ascontiguousarray(values[order].clip(0, 1).transpose(0, 3, 1, 2))
    if not trust_exposures:
        names = [Path(f"frame {number}") for number in order]
        confirmed(Claim(names, times[order], Path("exposures")), map(thinned, planes[:, 1]))
    exposure = np.float32(SHORTEST * times[order] / times.min())
    return Scene(name, planes, exposure, {**(RGGB if values.shape[-1] == 4 else {}), **(meta or {})})


def shots_in(root: Path) -> list[Path]:
    """The raw files in a folder, or in folders that it holds.

    Raises:
        UserError: there is no such folder, there are none in it, or there are pictures.
    """
    return [file for folder in scene_folders(root) for file in shot_files(folder)]


def scene_folders(root: Path) -> list[Path]:
    """The folder itself if it holds pictures, else those in it that do.

    Raises:
        UserError: there is no such folder, or there are no pictures in it.
    """
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; expected: {FolderDataset.describe_layout()}")
    folders = find_scenes(root)
    if not folders:
        raise UserError(f"{root} holds no pictures; expected: {FolderDataset.describe_layout()}")
    return folders
