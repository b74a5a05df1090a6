"""Small sets of synthetic bursts, opened as they are and spoiled."""

import argparse
from pathlib import Path

import cv2
import numpy as np

from data import create_dataset
from data.base_dataset import BaseDataset
from data.reading.plane_png import read_planes, write_planes
from data.simulate.brackets import Settings, make_dataset
from data.simulate.sources import built_in
from util.imaging.images import write_png8

RNG_SEED = 3


def rng(seed: int = RNG_SEED) -> np.random.Generator:
    return np.random.default_rng(seed)


def options(root: Path, **changes) -> argparse.Namespace:
    usual = {"dataroot": root, "max_dataset_size": None, "frame_num": 3, "patch_size": 6, "is_train": True}
    return argparse.Namespace(**usual | {"burst_bits": "float", "skip_damaged": False} | changes)


def opened(name: str, split: str, root: Path, **changes) -> BaseDataset:
    return create_dataset(options(root, dataset_name=name, **changes), split)


def spoil(root: Path, what: str) -> None:
    """Make a set faulty in one respect."""
    folder, target = root / "bursts" / "0000", root / "gt" / "0000"
    frame, meta = folder / "im_raw_01.png", target / "meta_info.json"
    if what == "missing":
        frame.unlink()
    elif what == "size":
        write_planes(frame, read_planes(frame, 4)[:, 1:])
    elif what == "damaged":
        frame.write_bytes(frame.read_bytes()[:60])
    elif what == "grey":
        cv2.imwrite(str(frame), read_planes(frame, 4)[0])
    elif what == "target":
        write_planes(target / "im_rgb.png", read_planes(target / "im_rgb.png", 3)[:, 1:])
    elif what == "meta":
        meta.unlink()
    elif what == "number":
        meta.write_text(meta.read_text().replace('"cam2rgb": [', '"cam2rgb": [[1, 2], '))
    else:
        meta.write_text(meta.read_text().replace("rgb_gain", "gain"))


MESSAGES = {
    "missing": r"0000 has no im_raw_01\.png: copy",
    "size": r"im_raw_01\.png: \(15, 20\) px, but frame 0 has \(16, 20\)",
    "damaged": r"im_raw_01\.png is damaged",
    "grey": r"im_raw_01\.png: expected 4 channels of uint16, found 1 of uint16",
    "target": r"im_rgb\.png: \(127, 160\) px, expected \(128, 160\), 8 times",
    "meta": r"gt/0000 has neither meta_info\.pkl nor meta_info\.json",
    "number": r"meta_info\.json: cam2rgb is no number",
    "entry": r"meta_info\.json: there is no rgb_gain",
}


def write_photographs(root: Path) -> Path:
    """A plain folder of 20 photographs of 100x120 px."""
    for number in range(20):
        codes = rng(number).integers(0, 256, (100, 120, 3), dtype=np.uint8)
        write_png8(root / f"{number:02d}.png", codes)
    return root


def simulate(root: Path) -> Path:
    """Two bursts of 16x20 packed px of one photograph, and one photograph to train on."""
    sources = {split: found[:1] for split, found in built_in().items()}
    make_dataset(root, Settings(size=(16, 20), layout="synburst"), 2, sources)
    return root
