"""What data sets of three developed pictures share: options, task, samples (SelfHDR specification, 8)."""

import argparse
from pathlib import Path

import numpy as np

from data.reading.block_cache import Content
from data.reading.ldr_frames import FRAMES, LINEAR, Scene, decode
from data.reading.measured_exposures import add_trust_option
from util.errors import UserError
from util.task import Task

TASK = Task(channels=3, white=1.0, reference=FRAMES // 2)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options and defaults of all sets of such scenes."""
    parser.add_argument(
        "--align_inputs",
        choices=("auto", "yes", "no"),
        default="auto",
        help="take frames that were aligned beforehand; auto, as published: only --net fshdr in testing",
    )
    add_trust_option(parser)
    parser.set_defaults(frame_num=FRAMES)


def takes_aligned(opt: argparse.Namespace, split: str) -> bool:
    """Whether the frames of a split are those aligned beforehand."""
    if opt.align_inputs == "auto":
        return split == "test" and opt.net == "fshdr"
    return opt.align_inputs == "yes"


def how_to_align(name: str, root: Path) -> str:
    """What makes the aligned frames of data set `name` at `root`."""
    return f"python -m data.align --dataset_name {name} --dataroot {root} makes it"


def check_frame_num(opt: argparse.Namespace) -> None:
    """Raise a UserError if `--frame_num` is not what such scenes have."""
    if opt.frame_num != FRAMES:
        raise UserError(
            f"--frame_num {opt.frame_num}: --dataset_name {opt.dataset_name} has {FRAMES} frames per scene"
        )


def sample(scene: Scene, content: Content, window: tuple[slice, slice]) -> dict:
    """Frames, exposures and labels of a window of a scene's content, as the sample contract has them."""
    stored = np.ascontiguousarray(content.raw[:, *window].transpose(0, 3, 1, 2))
    target = np.ascontiguousarray(content.target[window].transpose(2, 0, 1))
    return {
        "frames": LINEAR[stored],
        "exposure": scene.stated.exposures.astype(np.float32),
        "name": scene.name,
        **{key: target[3 * number : 3 * number + 3] for number, key in enumerate(scene.labels)},
    }


def whole_sample(scene: Scene, most: int | None = None) -> dict:
    """A scene as validation and testing see it, or its upper left `most` x `most` px."""
    place = {"scene": scene.name, "frame": scene.frames[TASK.reference].stem, "meta": {}}
    return sample(scene, decode(scene), (slice(most), slice(most))) | place
