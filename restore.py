"""Restore one's own photographs: frames of one scene, exposed differently, a burst, or single raw files.

python restore.py DIR [--out FOLDER] [options]        (-h explains)
"""

import util.starting  # noqa: F401 isort: skip
import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tqdm import tqdm

import bracketeer
from data.burst_dataset import TASKS, BurstDataset
from data.folder_dataset import FolderDataset
from data.photos import Scene, read_scene, reading_options, scene_folders, shots_in
from data.results import Results
from util.door import run
from util.errors import UserError, memory_errors
from util.locks import locked
from util.parser import Parser, positive

if TYPE_CHECKING:  # it needs PyTorch, whose import takes seconds: photographs are read before
    from models.expectation import Expectation
    from models.restorer import Restorer
    from util.tiling import Tell

CKPT = Path(__file__).resolve().parent / "ckpt"
BRACKETS = CKPT / "brackets" / "MergeUNet_model_brackets.pth"
DARK = CKPT / "dark" / "UNet_model_dark.pth"
ROWS = CKPT / "sve" / "SVEResidual_model_sve.pth"
LIGHTER = "give a smaller --tile"
BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed} so far, {remaining} left"


class Request(NamedTuple):
    """What is asked for: scenes, where results go, how photographs are read, and options of test.py."""

    scenes: list[Path]  # folders, or files of which each is a scene
    out: Path
    reading: argparse.Namespace
    words: list[str]


def main() -> int:
    request = parse(sys.argv[1:])
    with locked(request.out, "give another folder to --out"):
        return restore_all(request, Results(request.out))


def restore_all(request: Request, results: Results) -> int:
    """Restore one scene after the other; the status of the program. What is wrong with one is told."""
    restorers: dict[Path | None, Restorer] = {}  # by the weights that suit a scene
    status = 0
    for folder in request.scenes:
        try:
            scene = read_scene(folder, request.reading)
            weights = None if chooses_network(request.words) else weights_for(scene)
            if weights not in restorers:
                # The small weights for dark frames are best after one evaluation; options may ask for more.
                best = ["--iter_num=0"] if weights == DARK else []
                kind = ["--model=sve", "--sve=True"] if scene.rows else []
                restorers[weights] = bracketeer.restorer(weights, [*best, *kind, *request.words], fast=True)
            with memory_errors(LIGHTER):
                restore(scene, folder, restorers[weights], results, request.words)
        except UserError as error:  # the others may be well
            print(f"error: {error}", file=sys.stderr)
            status = max(status, error.status)
    return status


def parse(words: list[str]) -> Request:
    """The command line: DIR first. What is not about reading is for test.py's parser to judge.

    Raises:
        UserError: DIR is missing, is no folder, or holds no photographs.
    """
    parser = Parser(prog="restore.py", description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, metavar="DIR", help=FolderDataset.describe_layout())
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="of the results; DIR/restored if not given"
    )
    parser.add_argument(
        "--frame_num",
        type=positive,
        help="take so many frames, spread over all exposures, of a burst the first; default: all",
    )
    parser.add_argument(
        "--max_dataset_size", type=positive, help="only so many of the scenes in DIR; default: all"
    )
    parser.add_argument(
        "--burst",
        choices=tuple(TASKS),
        help=f"DIR holds {BurstDataset.describe_layout()}: x4 enlarges the mosaic 4 times, denoise "
        "does not; default: no burst",
    )
    BurstDataset.add_reading_options(parser)
    FolderDataset.modify_commandline_options(parser, is_train=False)
    parser.epilog = (
        "All other options are those of test.py: --net, --load_path, --tonemap, --ev, --save_hdr, --gpu_ids, "
        "--tile, ... Without --net and --load_path, brackets of raw files and single dark ones are restored "
        "by the small networks that come with the project, all else by a classical merge, bursts too. "
        "Without --precision, half precision is taken where it is faster here."
    )
    if not words or (words[0].startswith("-") and not {"-h", "--help"} & set(words)):
        raise UserError("which photographs? restore.py DIR [--out FOLDER] [options]; -h explains")
    opt, others = parser.parse_known_args(words)
    folders = scene_folders(opt.photos)
    scenes = (shots_in(opt.photos) if opt.sve else folders)[: opt.max_dataset_size]
    names = ("frame_num", "response", "border", "ratio", "camera", "burst", "reference")
    names += ("sve", "row_order", "guidance_mask", "mask_limits", "trust_exposures", "white")
    reading = reading_options(**{name: getattr(opt, name) for name in names})
    out = opt.out or opt.photos / "restored"
    if out.resolve() in {folder.resolve() for folder in folders}:
        raise UserError(f"--out {out} holds photographs: results would be taken for some of them")
    return Request(scenes, out, reading, others)


def weights_for(scene: Scene) -> Path | None:
    """The weights of this project that were trained on frames like those of a scene; None: the merge."""
    if scene.burst:
        return None
    if scene.rows:
        return ROWS if scene.has_rows_of_training else None
    if scene.light:
        return DARK
    return BRACKETS if scene.is_raw_bracket else None


def chooses_network(words: list[str]) -> bool:
    """Whether options name a network or weights."""
    return any(word.partition("=")[0] in ("--net", "--network", "--load_path") for word in words)


def restore(scene: Scene, folder: Path, restorer: "Restorer", results: Results, words: list[str]) -> None:
    """Restore one scene, showing how far it is, and write its results."""
    opt, expected = restorer.opt, restorer.expect(scene, keep=False)
    kind = "raw files" if scene.is_raw else "pictures"
    frames = "1 raw file" if scene.light or scene.rows else f"{len(scene.frames)} {kind}"
    model = restorer.model_for(scene)
    network, precision = type(model.network).__name__, model.opt.precision
    memory = f", {expected.memory / 2**30:.1f} GB of memory" if expected.memory else ""
    what = f"{frames} of {scene.megapixels:.1f} MP by {network}"
    what += f" in {precision}" if precision != "fp32" else ""
    what += f", rows exposed 1 : {scene.rows.ratio:.2f}" if scene.rows else ""
    what += f", {scene.light['ratio']:.0f} times brighter" if scene.light else ""
    print(f"{scene.name}: {what}: about {duration(expected.total)}{memory}", flush=True)
    start = time.monotonic()
    with progress(scene.name, expected) as tell:
        restored = restorer.restore(scene, tell, keep=False)
    written = []
    name = results.name(scene.name, folder)
    results.add(name, folder, network=network, precision=precision, frames=len(scene.frames), options=words)
    if opt.save_hdr != "none":
        written.append(results.folder / f"{name}.{opt.save_hdr}")
        restored.write(written[-1])
    if opt.save_imgs:
        written += [results.folder / f"{name}.png", results.folder / f"{name}_sheet.png"]
        restored.write(written[-2], opt.tonemap, opt.ev)
        restored.write_sheet(written[-1], opt.tonemap, opt.ev)
    files = ", ".join(path.name for path in written) or "nothing"
    print(f"{scene.name}: {duration(time.monotonic() - start)}; in {results.folder}: {files}", flush=True)


@contextmanager
def progress(name: str, expected: "Expectation") -> Iterator["Tell"]:
    """A bar for one scene, which moves by the time that its parts are expected to take."""
    with tqdm(total=100, desc=name, bar_format=BAR, disable=None, leave=False) as bar:

        def tell(part: str, done: float) -> None:
            bar.update(100 * expected.share(part, done) - bar.n)

        yield tell


def duration(seconds: float) -> str:
    """Seconds as text for people."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


if __name__ == "__main__":
    run(main, LIGHTER)
