"""Writes aligned scenes: the frames under the names they have, and where wanted their merged light."""

import os
import shutil
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from data.alignment.color_merge import colour_component
from data.alignment.dis import dis_flow
from data.alignment.frames import Flow, align
from data.alignment.learnt import LearntFlow
from data.alignment.sources import SOURCES, digest
from data.ldr_scenes import TASK
from data.reading.ldr_frames import LINEAR, Scene, decode
from util.files import complete_or_absent
from util.imaging.images import write_tiff16
from util.imaging.radiance import write_radiance

COLOUR = "HDRImg.hdr"  # the colour component, beside the frames
WHITE = 1 << 16  # what 1 is in files of 16 bits, which hold less


class Method(NamedTuple):
    """How frames are aligned: by DIS, or by RAFT or PWC-Net with weights on a device; tested or not."""

    flow: str = "dis"  # or "raft", "pwcnet"
    weights: Path | None = None
    device: str = "cpu"
    check: bool = False


class Job(NamedTuple):
    """A scene that is to be aligned, and whether its colour component is written."""

    scene: Scene
    folder: Path
    method: Method
    merged: bool

    def is_done(self) -> bool:
        """Whether the folder holds all files, made of the frames and exposures that the scene has now.

        Raises:
            UserError: a frame of the scene cannot be read.
        """
        names = [file.name for file in self.scene.frames] + [COLOUR] * self.merged
        if not all((self.folder / name).is_file() for name in (*names, SOURCES)):
            return False
        return (self.folder / SOURCES).read_bytes() == digest(self.scene)


def align_scene(job: Job) -> None:
    """Write an aligned scene into a new folder, which appears, in place of an old one, when all is there.

    Raises:
        UserError: a frame cannot be read or does not fit, or the scene cannot be written.
    """
    sources = digest(job.scene)
    codes, exposures = decode(job.scene).raw, job.scene.stated.exposures
    short, reference, long = (frame.astype(np.float32) / WHITE for frame in codes)
    flow = _flow(*job.method[:3])
    for number, frame in ((0, short), (2, long)):
        ratio = float(exposures[number] / exposures[1])
        codes[number] = quantise(align(reference, frame, ratio, flow, job.method.check))
    with complete_or_absent(job.folder) as partial:
        partial.mkdir()
        for number, file in enumerate(job.scene.frames):
            if number == TASK.reference:
                shutil.copyfile(file, partial / file.name)
            else:
                write_tiff16(partial / file.name, codes[number])
        if job.merged:
            light = colour_component(LINEAR[codes.transpose(0, 3, 1, 2)], exposures.astype(np.float32))
            write_radiance(partial / COLOUR, light.transpose(1, 2, 0))
        (partial / SOURCES).write_bytes(sources)
        if job.folder.is_dir() and not job.is_done():
            _remove(job.folder)


def _remove(folder: Path) -> None:
    """Remove an outdated scene; what a killed process leaves of it has a name that `remove_partial` knows."""
    outdated = folder.with_name(f".{folder.name}.outdated.{os.getpid()}.partial")
    folder.rename(outdated)
    shutil.rmtree(outdated)


def quantise(picture: np.ndarray) -> np.ndarray:
    """A float32 picture, 0..1, as uint16 in steps of 2^-16; what would be 65536 is 65535."""
    return np.minimum(np.round(picture * WHITE), WHITE - 1).astype(np.uint16)


@cache
def _flow(name: str, weights: Path | None, device: str) -> Flow:
    """The optical flow of a method; a network is loaded once in each process."""
    return dis_flow if weights is None else LearntFlow(name, weights, torch.device(device))
