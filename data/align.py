"""Aligns the frames of LDR scenes with the middle one, and merges them into the colour component.

    python -m data.align --dataset_name sig17align --dataroot DIR

Each scene of DIR/Training and DIR/Test gets one of the same name in DIR/Training_align and DIR/Test_align,
with the same file names: what SelfHDR is trained on besides the scenes themselves. Scenes that are there
already are kept, unless their frames or exposures have changed since. Folders that were aligned otherwise,
such as those of the authors, are left alone where they are complete. Specification of SelfHDR, sections 3,
6 and 8.
"""

import util.starting  # noqa: F401 isort: skip
import argparse
import hashlib
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm import tqdm

import data
from data.alignment.learnt import NETWORKS, read_weights
from data.alignment.making import COLOUR, Job, Method, align_scene
from data.alignment.scenes import SPLITS, find_scenes
from data.alignment.sources import SOURCES
from data.reading.folders import subfolders
from data.reading.ldr_frames import FRAMES, Scene, find_label, tiff_files
from data.reading.measured_exposures import add_trust_option
from util.device import gpu_list
from util.door import run
from util.errors import UserError
from util.files import remove_partial, write_atomically
from util.json_record import as_json, differences, read_json
from util.locks import locked
from util.parser import Parser, positive
from util.stop import StopRequest
from util.workers import do_all

MERGED = ("sig17align",)  # data sets that are trained on
OLD_RECORD = "align.json"  # where earlier versions had the record: among the scenes, where programs list it
VERSION = 1  # of the alignment: another one gives other pictures


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line.

    Raises:
        UserError: an unknown option, or a value that makes no sense.
    """
    parser = Parser(prog="python -m data.align", description=__doc__.splitlines()[0])
    parser.add_argument("--dataset_name", choices=SPLITS, default="sig17align", help="layout of the data set")
    parser.add_argument("--dataroot", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--split", default="", help="folders with scenes, such as Training,Test; none = all")
    parser.add_argument(
        "--flow",
        choices=("dis", *NETWORKS),
        default="dis",
        help="optical flow; raft needs --raft_weights, pwcnet --pwcnet_weights",
    )
    parser.add_argument(
        "--raft_weights", type=Path, help="weights of torchvision's raft_large or raft_small; default: none"
    )
    parser.add_argument(
        "--pwcnet_weights", type=Path, help="weights of PWC-Net, pwcnet-network-default.pth; default: none"
    )
    parser.add_argument(
        "--occlusion",
        choices=("none", "check"),
        default="none",
        help="check: what the flow back contradicts is taken from the reference; none: as published",
    )
    parser.add_argument("--workers", "-j", type=positive, default=1, help="processes, each with one thread")
    parser.add_argument(
        "--gpu_ids", default="all", help="for raft and pwcnet: all, -1 = CPU, or numbers such as 0,1"
    )
    add_trust_option(parser)
    options = parser.parse_strictly(arguments)
    for flow in NETWORKS:
        if (options.flow == flow) != (getattr(options, f"{flow}_weights") is not None):
            raise UserError(f"--flow {flow} and --{flow}_weights FILE need each other: give both or neither")
    options.weights = options.raft_weights or options.pwcnet_weights
    options.split = _splits(options)
    return options


def _splits(options: argparse.Namespace) -> list[str]:
    """The folders whose scenes are aligned: those that were asked for, else those that exist."""
    root, known = options.dataroot, SPLITS[options.dataset_name]
    wanted = [name for name in options.split.split(",") if name]
    if unknown := [name for name in wanted if name not in known]:
        raise UserError(f"--split {unknown[0]}: {options.dataset_name} has {', '.join(known)}")
    found = [name for name in wanted or known if (root / name).is_dir()]
    if missing := [name for name in wanted if name not in found]:
        raise UserError(f"--dataroot {root} has no folder {missing[0]}")
    if not found:
        layout = data.dataset_class(options.dataset_name).describe_layout()
        raise UserError(f"--dataroot {root} has no folder {' or '.join(known)}; expected: {layout}")
    return found


def record(options: argparse.Namespace) -> dict[str, object]:
    """What the pictures depend on besides the scenes, in JSON's types.

    Raises:
        UserError: the weight file cannot be used.
    """
    flow = options.flow
    if options.weights is not None:
        name, _ = read_weights(flow, options.weights)
        flow = f"{name} {hashlib.sha256(options.weights.read_bytes()).hexdigest()[:12]}"
    return {"version": VERSION, "flow": flow, "occlusion": options.occlusion}


def record_of(folder: Path) -> Path:
    """Where it is written how the scenes of a folder were aligned: beside it, out of the way of others."""
    return folder.with_name(f"{folder.name}.json")


def is_foreign(folder: Path, wanted: dict[str, object]) -> bool:
    """Whether `folder` holds scenes that another program aligned; not, if it holds none, or ours as `wanted`.

    Raises:
        UserError: this command aligned them otherwise.
    """
    if not folder.is_dir() or not subfolders(folder):
        return False
    path, old = record_of(folder), folder / OLD_RECORD
    if old.is_file():
        path = old
    elif not path.is_file() or not any((scene / SOURCES).is_file() for scene in subfolders(folder)):
        return True  # a record may outlast its scenes
    found = read_json(path, f"delete {folder} and {path.name}")
    if found != wanted:
        raise UserError(f"{folder} was aligned with {differences(found, wanted)}: rename it, or align alike")
    return False


def check_foreign(folder: Path, scenes: Sequence[Scene], name: str) -> None:
    """Check that scenes that another program aligned are all there: frames, and labels to learn from.

    Raises:
        UserError: they are not, and ours would not fit to them.
    """
    needs_label = name in MERGED and folder.name == "Training_align"
    for scene in scenes:
        place, missing = folder / scene.name, None
        if not place.is_dir():
            missing = "is not there"
        elif len(tiff_files(place)) != FRAMES:
            missing = f"holds {len(tiff_files(place))} frames *.tif of {FRAMES}"
        elif needs_label and find_label(place, Path(COLOUR).stem) is None:
            missing = f"holds no {COLOUR} or .exr"
        if missing:
            text = f"{folder} holds scenes that this command did not align, but {scene.name} {missing}"
            raise UserError(f"{text}: complete it, or rename {folder.name}")


class Count(NamedTuple):
    """Scenes that were aligned now, that are aligned, and that there are in all."""

    written: int
    aligned: int
    scenes: int


def find_jobs(options: argparse.Namespace, wanted: dict[str, object]) -> tuple[list[Job], int]:
    """The scenes of all folders that are ours to align, and how many scenes there are besides.

    Raises:
        UserError: a scene, or a folder of aligned ones, does not have what it must have.
    """
    jobs, left_alone, devices = [], 0, _devices(options)
    for split in options.split:
        folder = options.dataroot / f"{split}_align"
        scenes = find_scenes(options.dataset_name, options.dataroot, split, options.trust_exposures)
        if is_foreign(folder, wanted):
            check_foreign(folder, scenes, options.dataset_name)
            print(f"note: {folder} was not aligned by this command: left as it is", file=sys.stderr)
            left_alone += len(scenes)
            continue
        for scene in scenes:
            device = devices[len(jobs) % len(devices)]
            method = Method(options.flow, options.weights, device, options.occlusion == "check")
            jobs.append(Job(scene, folder / scene.name, method, options.dataset_name in MERGED))
    return jobs, left_alone


def align_all(options: argparse.Namespace, stopped: Callable[[], bool] = lambda: False) -> Count:
    """Align the scenes that are not yet, or no longer as they are now.

    Raises:
        UserError: a scene or a folder of aligned ones does not fit, or cannot be read or written, or another
            process aligns them.
    """
    wanted = record(options)
    with ExitStack() as locks:
        for split in options.split:
            locks.enter_context(locked(options.dataroot / f"{split}_align", "wait until it has ended"))
        return _align(options, wanted, stopped)


def _align(options: argparse.Namespace, wanted: dict[str, object], stopped: Callable[[], bool]) -> Count:
    ours, left_alone = find_jobs(options, wanted)
    jobs = [job for job in ours if not job.is_done()]
    for folder in dict.fromkeys(job.folder.parent for job in ours):
        with write_atomically(record_of(folder)) as temporary:
            temporary.write_text(as_json(wanted))
        (folder / OLD_RECORD).unlink(missing_ok=True)
        remove_partial(folder, depth=1)
        outdated = [job for job in jobs if job.folder.parent == folder and job.folder.is_dir()]
        if outdated:
            text = "lack a file or were made of other frames or exposures: they are aligned anew"
            first = outdated[0].folder.name
            print(f"note: {folder}: scenes {text} ({len(outdated)}, {first} the first)", file=sys.stderr)
    done = do_all(align_scene, jobs, options.workers, stopped)
    written = sum(
        1 for _ in tqdm(done, str(options.dataroot), len(jobs), unit="scene", disable=None if jobs else True)
    )
    return Count(written, left_alone + len(ours) - len(jobs) + written, left_alone + len(ours))


def _devices(options: argparse.Namespace) -> list[str]:
    """Where flow is computed, in turn."""
    asked = options.weights is not None and (torch.cuda.is_available() or options.gpu_ids != "all")
    gpus = gpu_list(options.gpu_ids) if asked else []
    return [f"cuda:{number}" for number in gpus] or ["cpu"]


def main() -> None:
    options = parse()
    stop = StopRequest()
    written, aligned, scenes = align_all(options, stop.__bool__)
    print(f"{options.dataroot}: {written} scenes aligned now, {aligned} of {scenes} scenes in all")
    if stop:
        raise stop.stopped("the same command goes on")


if __name__ == "__main__":
    run(main, "give fewer --workers")
