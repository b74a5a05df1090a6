"""Makes raw brackets, LDR triples, long and short exposures, or bursts of photographs, as published.

    python -m data.simulate --out datasets/demo
    python -m data.simulate --out datasets/mine --source my_footage/ --split 0.1 --workers 8
    python -m data.simulate --layout kalantari --out datasets/demo_ldr
    python -m data.simulate --layout sid --out datasets/demo_sid
    python -m data.simulate --layout synburst --out datasets/demo_burst
    python -m data.simulate --layout burst_denoise --out datasets/demo_denoise
    python -m data.simulate --layout sve --out datasets/demo_sve

Footage is a scene that moves; before a photograph a hand-held camera moves. Five exposures of the scene are
taken in sequence, and the target is what an ideal sensor sees at the first moment; of an LDR triple, what
the middle frame would have stored with a white level high enough. In low light a scene stands still before a
tripod, and the target is a long exposure; so it does for shots with rows exposed in turn, and for brackets
of which these are made. A burst is taken of a photograph as it is; those to train on are left so. Every draw
is a function of (seed, split, scene, number of the sample), so the data depend neither on the order in which
samples are made nor on which of them existed already. Layout and physics: specification of BracketIRE,
sections 5 and 9; of LDR triples, specification of SelfHDR, 8.1, and ldr.py here; of low light, low_light.py;
of bursts, burst.py, for denoising burst_noise.py; of brackets for SVEHDRI and rows in turn, sve_sets.py.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import torch

from data.simulate.making import make_dataset
from data.simulate.row_shots import KINDS as ROW_KINDS
from data.simulate.row_shots import USUAL_ROWS, ShotRows
from data.simulate.sampling import Recipe
from data.simulate.settings import (
    BUILT_IN_SIZE,
    BURST_DENOISE,
    BURST_DENOISE_SIZE,
    LAYOUTS,
    LDR,
    LDR_SIZE,
    OF_PHOTOGRAPHS,
    OF_STILL_SCENES,
    SMALLEST,
    STEPS_PER_FRAME,
    SVE_SHOTS,
    SYNBURST_SIZE,
    Settings,
)
from data.simulate.shards import WHOLE, read_shard
from data.simulate.sources import COLOURS, KINDS, built_in, describe, find_sources, split_sources
from util.device import gpu_list
from util.door import run
from util.errors import UserError
from util.imaging.bayer import PLANES
from util.parser import Parser, amount, factor, positive, whole
from util.stop import StopRequest

LDR_FOREGROUND = 0.75  # of the LDR scenes: in the published ones people move nearly always
SIZES = range(SMALLEST, 1025, 4)  # packed px


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line.

    Raises:
        UserError: a value is outside its range.
    """
    parser = Parser(prog="python -m data.simulate", description=__doc__.splitlines()[0])
    add_source_options(parser)
    add_amount_options(parser)
    add_physics_options(parser)
    add_row_options(parser)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the data set; an unfinished one is completed"
    )
    parser.add_argument("--seed", type=whole, default=0, help="another seed gives other data")
    parser.add_argument("--workers", "-j", type=positive, default=1, help="processes, each with one thread")
    parser.add_argument(
        "--shard",
        type=read_shard,
        default=WHOLE,
        metavar="I/N",
        help="make every N-th sample, from the I-th on: for arrays of jobs with one --out; default: all",
    )
    parser.add_argument("--gpu_ids", default="all", help="all, -1 = CPU, or numbers such as 0,1")
    return completed(parser.parse_strictly(arguments))


def completed(options: argparse.Namespace) -> argparse.Namespace:
    """Options with the defaults that depend on the layout.

    Raises:
        UserError: they contradict each other, or a size is outside its range.
    """
    for length in options.size or ():
        if length not in SIZES:
            raise UserError(
                f"--size {length}: must be a multiple of 4 from {SIZES[0]} to {SIZES[-1]} packed pixels"
            )
    is_ldr, is_other = options.layout == LDR, options.layout in (LDR, *OF_STILL_SCENES, *OF_PHOTOGRAPHS)
    for name in ("clip", "x4", "published"):
        if is_other and getattr(options, name):
            raise UserError(f"--{name} is for raw brackets: leave it out with --layout {options.layout}")
    if options.foreground and options.layout in OF_PHOTOGRAPHS:
        raise UserError(f"--foreground: nothing moves before photographs with --layout {options.layout}")
    if options.frames_per_scene is None:
        options.frames_per_scene = 3 if is_other else 5
    if options.foreground is None:
        options.foreground = LDR_FOREGROUND if is_ldr else 0.0
    if options.foreground > 1:
        raise UserError(f"--foreground {options.foreground:g}: a share is at most 1")
    for name, contrary in (("clip", "integrated"), ("x4", "registered")):
        if options.published and getattr(options, name) == contrary:
            raise UserError(f"--published and --{name} {contrary} contradict each other: leave out one")
    if options.split and not options.source:
        raise UserError("--split is for --source: the built-in photographs have their own")
    return options


def add_source_options(parser: Parser) -> None:
    """Options that say of what the data are made."""
    parser.add_argument(
        "--source",
        type=Path,
        action="append",
        help="footage: a file or a folder, searched with its subfolders; may be given several times; "
        "none = photographs that come with scikit-image",
    )
    parser.add_argument(
        "--kind",
        choices=KINDS,
        default="auto",
        help="of pictures in a folder; auto: a video if they are numbered without a gap and the first two "
        "show one scene",
    )
    parser.add_argument(
        "--colour",
        choices=COLOURS,
        default="auto",
        help="of linear light; auto: alexa (AlexaWideGamut, at the published exposure) for .exr of scenes "
        "that are called as those of HdM-HDR-2014",
    )
    parser.add_argument(
        "--split", help="Train (the default), Test, or the share of the scenes that are Test, such as 0.1"
    )


def add_amount_options(parser: Parser) -> None:
    """Options that say how much is made of each source, and how large."""
    parser.add_argument(
        "--frames_per_scene",
        type=positive,
        help="samples of each photograph; default: 5 of raw brackets, 3 of other layouts",
    )
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="of a packed sample, multiples of 4: a part of the picture at a random zoom; "
        f"default: all of it, {BUILT_IN_SIZE[0]} {BUILT_IN_SIZE[1]} for the built-in photographs; with "
        f"--layout {LDR} pictures have twice as many pixels each way, so 500 752 gives 1000x1504, and the "
        f"default is {LDR_SIZE[0]} {LDR_SIZE[1]}; a burst is {SYNBURST_SIZE[0]} {SYNBURST_SIZE[1]}, "
        f"and of --layout {BURST_DENOISE} {BURST_DENOISE_SIZE[0]} {BURST_DENOISE_SIZE[1]} px",
    )
    parser.add_argument(
        "--foreground",
        type=amount,
        help="share of the photographs before which something moves; default: 0, "
        f"or {LDR_FOREGROUND} with --layout {LDR}",
    )


def add_physics_options(parser: Parser) -> None:
    """Options that say how the camera sees it, and how it is written."""
    parser.add_argument(
        "--subframes_per_frame",
        type=positive,
        default=STEPS_PER_FRAME,
        help="sub-frames from one frame of a video to the next; a sample takes 341",
    )
    parser.add_argument(
        "--interpolator",
        default="",
        metavar="PACKAGE.MODULE:FUNCTION",
        help="makes the sub-frames of videos instead of the built-in motion compensation",
    )
    parser.add_argument(
        "--clip",
        choices=("integrated", "per_subframe"),
        help="at white: after integration, as a sensor does (the default), or before and with protected "
        "highlights, as in the published data",
    )
    parser.add_argument(
        "--x4",
        choices=("registered", "published"),
        help="reduction for BracketIRE+: exactly registered (the default), or with the drift of "
        "the published data",
    )
    parser.add_argument(
        "--published", action="store_true", help="--clip per_subframe --x4 published: the published recipe"
    )
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        default="bracketire",
        help="of the files: as the published synthetic data; DNG as the published real ones; three LDR "
        "frames of a day as the data of Kalantari and Ramamoorthi, with true labels; long and short DNG as "
        "those of SID; bursts as those of SyntheticBurst, and photographs to train on; still brackets of "
        "seven DNG as those of SVEHDRI; single DNG with rows exposed in turn",
    )


def add_row_options(parser: Parser) -> None:
    """Options of shots with rows exposed in turn."""
    with parser.section(f"shots with rows exposed in turn, --layout {SVE_SHOTS}"):
        parser.add_argument(
            "--sve_kind", choices=ROW_KINDS, help=f"what rows differ in; default: {USUAL_ROWS.kind}"
        )
        parser.add_argument("--ratio", type=factor, help=f"of the exposures; default: {USUAL_ROWS.ratio:g}")
        parser.add_argument("--cfa", choices=tuple(PLANES), help=f"Bayer pattern; default: {USUAL_ROWS.cfa}")
        parser.add_argument(
            "--first_bright_row",
            type=int,
            choices=range(4),
            help="this and the next of every four rows are the brighter; "
            f"default: {USUAL_ROWS.first_bright_row}",
        )


def rows_of(options: argparse.Namespace) -> ShotRows:
    """How the rows of shots are exposed.

    Raises:
        UserError: an option is given that the layout does not have.
    """
    asked = {"sve_kind": options.sve_kind, "ratio": options.ratio, "cfa": options.cfa}
    asked["first_bright_row"] = options.first_bright_row
    given = {name: value for name, value in asked.items() if value is not None}
    for name in given if options.layout != SVE_SHOTS else ():
        raise UserError(f"--{name} is for --layout {SVE_SHOTS}: leave it out")
    return ShotRows(**{"kind" if name == "sve_kind" else name: value for name, value in given.items()})


def read_settings(options: argparse.Namespace) -> Settings:
    """The settings of a command line.

    Raises:
        UserError: there is no such interpolator.
    """
    recipe = Recipe(
        clip_subframes=options.published or options.clip == "per_subframe",
        drifting=options.published or options.x4 == "published",
    )
    settings = Settings(
        seed=options.seed,
        size=tuple(options.size) if options.size else None,
        recipe=recipe,
        steps_per_frame=options.subframes_per_frame,
        interpolator=options.interpolator,
        foreground=options.foreground,
        layout=options.layout,
        rows=rows_of(options),
    )
    settings.find_interpolator()
    return settings


def main() -> None:
    options = parse()
    settings = read_settings(options)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # a video that cannot be played is one line of ours
    sources = built_in()
    if options.source:
        found = find_sources(options.source, options.kind, options.colour)
        print(describe(found))
        sources = split_sources(found, options.split or "Train", options.seed)
    use_gpu = torch.cuda.is_available() or options.gpu_ids != "all"
    devices = [torch.device("cuda", number) for number in gpu_list(options.gpu_ids)] if use_gpu else []
    stop = StopRequest()
    made = make_dataset(
        options.out,
        settings,
        options.frames_per_scene,
        sources,
        options.workers,
        devices,
        stop.__bool__,
        options.shard,
    )
    for folder in made.cut:
        print(f"{folder}: left out, its frames show two scenes")
    print(f"{options.out}: {made.written} samples written now, {made.missing} missing")
    if made.unfinished:
        print(f"the set is incomplete until these shards are made: {', '.join(map(str, made.unfinished))}")
    if stop:
        raise stop.stopped("the same command goes on")


if __name__ == "__main__":
    run(main, "give fewer --workers")
