"""Writes aligned scenes: the frames under the names they have, and where wanted their merged light."""

import shutil
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from data.alignment.dis import dis_flow
from data.alignment.frames import Flow, align
from data.alignment.raft import RaftFlow
from data.alignment.scenes import Scene, read_frame
from data.color_merge import GAMMA, colour_component
from util.errors import UserError
from util.files import complete_or_absent
from util.images import write_radiance, write_tiff16

COLOUR = "HDRImg.hdr"  # the colour component, beside the frames
WHITE = 1 << 16  # what 1 is in files of 16 bits, which hold less


class Method(NamedTuple):
    """How frames are aligned: by RAFT with these weights on this device, or by DIS; tested or not."""

    weights: Path | None = None
    device: str = "cpu"
    check: bool = False


class Job(NamedTuple):
    """A scene that is to be aligned, and whether its colour component is written."""

    scene: Scene
    folder: Path
    method: Method
    merged: bool


def align_scene(job: Job) -> None:
    """Write an aligned scene into a new folder, which appears when all files are there.

    Raises:
        UserError: a frame cannot be read or does not fit, or the scene cannot be written.
    """
    short, reference, long = (read_frame(file) for file in job.scene.files)
    for file, frame in zip(job.scene.files, (short, reference, long), strict=True):
        if frame.shape != reference.shape:
            sizes = " and ".join(f"{picture.shape[1]}x{picture.shape[0]}" for picture in (reference, frame))
            raise UserError(f"{file.parent}: frames of different sizes, {sizes}: {file.name} does not fit")
    exposure, flow = job.scene.exposure, _flow(job.method.weights, job.method.device)
    moved = {
        number: quantise(
            align(reference, frame, float(exposure[number] / exposure[1]), flow, job.method.check)
        )
        for number, frame in ((0, short), (2, long))
    }
    with complete_or_absent(job.folder) as partial:
        partial.mkdir()
        for number, file in enumerate(job.scene.files):
            if number in moved:
                write_tiff16(partial / file.name, moved[number])
            else:
                shutil.copyfile(file, partial / file.name)
        if job.merged:
            coded = np.stack([moved[0] / np.float32(WHITE), reference, moved[2] / np.float32(WHITE)])
            light = colour_component(coded.transpose(0, 3, 1, 2) ** np.float32(GAMMA), exposure)
            write_radiance(partial / COLOUR, light.transpose(1, 2, 0))


def quantise(picture: np.ndarray) -> np.ndarray:
    """A float32 picture, 0..1, as uint16 in steps of 2^-16; what would be 65536 is 65535."""
    return np.minimum(np.round(picture * WHITE), WHITE - 1).astype(np.uint16)


@cache
def _flow(weights: Path | None, device: str) -> Flow:
    """The optical flow of a method; a network is loaded once in each process."""
    return dis_flow if weights is None else RaftFlow(weights, torch.device(device))
