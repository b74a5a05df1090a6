"""The scenes that can be aligned: those of the data sets of LDR frames, as they are before alignment."""

import argparse
from pathlib import Path

import data
from data.reading.folders import subfolders
from data.reading.ldr_frames import FRAMES, Scene, three_frames
from data.reading.stated_exposures import read_stated
from util.errors import UserError

SPLITS = {"sig17align": ("Training", "Test"), "sen": ("Scenes",), "tursun": ("dataset",)}


def find_scenes(name: str, root: Path, split: str, is_trusted: bool = False) -> list[Scene]:
    """The scenes in a folder of a data set, by name; no picture is read.

    Args:
        is_trusted: whether lists of exposures count whatever the frames show.

    Raises:
        UserError: there are none, or one does not have the frames and exposures that it must have.
    """
    if name != "sig17align":
        plain = {"frame_num": FRAMES, "align_inputs": "no", "max_dataset_size": None}
        plain["trust_exposures"] = is_trusted
        opt = argparse.Namespace(dataset_name=name, dataroot=str(root), **plain)
        return data.dataset_class(name)(opt, "test").scenes
    folders, layout = subfolders(root / split), f"expected: {data.dataset_class(name).describe_layout()}"
    if not folders:
        raise UserError(f"{root / split} holds no scenes; {layout}")
    return [_scene(folder, layout, is_trusted) for folder in folders]


def _scene(folder: Path, layout: str, is_trusted: bool) -> Scene:
    frames = three_frames(folder, layout)
    stated = read_stated(folder / "exposure.txt", FRAMES, "stops")
    return Scene(folder.name, frames, stated._replace(is_trusted=is_trusted, is_linear=True), {})
