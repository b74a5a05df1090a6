"""Makes BracketIRE and BracketIRE+ pairs, without a download, in the official layout.

    python -m data.simulate.brackets --out datasets/demo

A scene is a photograph lit as a night; a hand-held camera takes five exposures of it in sequence, and the
target is what an ideal sensor sees at the first moment. Every draw is a function of (seed, split, scene,
frame), so the data depend neither on the order in which samples are made nor on which of them existed
already. Layout and physics: specification of BracketIRE, sections 5.1, 5.2 and 9.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.simulate.camera import draw_camera
from data.simulate.motion import canvas_size, draw_shake
from data.simulate.noise import WHITE_LEVEL
from data.simulate.photographs import PHOTOGRAPHS, draw_scene, read_photograph
from data.simulate.sampling import EXPOSURES, PUBLISHED, STEPS, HandHeld, Recipe, Sample, take
from util.demosaic import menon
from util.errors import UserError, run
from util.files import write_atomically
from util.images import write_png8, write_png16
from util.parser import Parser, positive, whole
from util.rendering import linear_srgb, render_png16
from util.tonemap import srgb_encode

SIZES = range(16, 1025, 4)  # packed px
RECORD = "simulation.json"


@dataclass(frozen=True)
class Settings:
    """What the data depend on: seed, packed height and width of a sample, published recipe or not."""

    seed: int = 0
    size: tuple[int, int] = (192, 256)
    published: bool = False

    def rng(self, split: str, scene: str, frame: int, purpose: str) -> np.random.Generator:
        """The random numbers of one purpose in one sample, independent of all others."""
        return np.random.default_rng([self.seed, *f"{split}/{scene}/{frame}/{purpose}".encode()])


def simulate(split: str, scene: str, frame: int, settings: Settings) -> Sample:
    """One sample; the same for the same arguments, always."""
    mosaic_size = (2 * settings.size[0], 2 * settings.size[1])

    def rng(purpose: str) -> np.random.Generator:
        return settings.rng(split, scene, frame, purpose)

    light = draw_scene(rng("scene"), read_photograph(scene), canvas_size(mosaic_size), lamps=split == "Train")
    hand_held = HandHeld(light, draw_shake(rng("shake"), STEPS), mosaic_size)
    recipe = PUBLISHED if settings.published else Recipe()

    def noise(factor: int) -> np.random.Generator:
        return rng("noise" if factor == 1 else f"noise_x{factor}")

    return take(hand_held, draw_camera(rng("camera")), noise, recipe)


def write_sample(folder: Path, sample: Sample) -> None:
    """Write the files of sections 5.1 and 5.2 into a new folder, which appears when all of them are there."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        for factor, frames in sample.reduced.items():
            inputs = partial if factor == 1 else partial / f"x{factor}"
            inputs.mkdir(parents=True)
            for exposure, frame in zip(EXPOSURES, frames, strict=True):
                np.save(inputs / f"raw_{exposure}.npy", frame)
        np.save(partial / "raw_gt.npy", sample.gt)
        np.save(partial / "alignratio.npy", np.float32(sample.scene_max))
        np.save(partial / "metadata.npy", np.array(sample.camera.metadata(), dtype=object))
        write_pictures(partial, sample)
        partial.rename(folder)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_pictures(folder: Path, sample: Sample) -> None:
    """The reference picture of the metrics, 16 bit, and sRGB previews of the five frames, 8 bit.

    The published reference is demosaiced by a network whose weights are not ours to ship; this one by Menon
    2007.
    """
    camera = sample.camera
    meta = {
        "white_balance": (camera.red_gain, 1.0, camera.blue_gain),
        "cam2rgb": camera.metadata()["cam2rgb"],
        "cfa": "RGGB",
    }
    write_png16(folder / "rgb_vis_gt.png", render_png16(sample.gt.transpose(2, 0, 1), meta, menon))
    for exposure, frame in zip(EXPOSURES, sample.frames, strict=True):
        linear = linear_srgb(frame.transpose(2, 0, 1), meta, menon, white=WHITE_LEVEL)
        preview = np.round(srgb_encode(linear) * 255).astype(np.uint8)
        write_png8(folder / f"rgb_vis_{exposure}.png", preview)


def open_dataset(out: Path, settings: Settings) -> None:
    """Make `out` a data set of these settings, or check that it is one: `simulation.json` records them.

    Raises:
        UserError: `out` is a file, holds something else, or was made with other settings.
    """
    wanted = {"seed": settings.seed, "size": list(settings.size), "published": settings.published}
    record = out / RECORD
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file: give a folder to --out")
    if not record.exists():
        if out.exists() and any(out.iterdir()):
            raise UserError(
                f"{out} is not empty and was not made by this command: give another folder to --out"
            )
        with write_atomically(record) as temporary:
            temporary.write_text(json.dumps(wanted) + "\n")
        return
    try:
        found = json.loads(record.read_text())
    except ValueError as error:
        raise UserError(f"{record} is damaged: delete {out}, or give another folder to --out") from error
    if found != wanted:
        raise UserError(f"{out} was made with {found}, not {wanted}: give another folder to --out")


def make_dataset(out: Path, settings: Settings, frames_per_scene: int) -> int:
    """Write what is missing of a data set; returns how many samples were written.

    Raises:
        UserError: see `open_dataset`; or a file cannot be written, or a photograph not be read.
    """
    open_dataset(out, settings)
    samples = [
        (split, scene, frame)
        for split, scenes in PHOTOGRAPHS.items()
        for scene in scenes
        for frame in range(frames_per_scene)
        if not (out / split / scene / f"{frame:06d}").is_dir()
    ]
    for split, scene, frame in tqdm(samples, desc=str(out), unit="sample"):
        write_sample(out / split / scene / f"{frame:06d}", simulate(split, scene, frame, settings))
    return len(samples)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line.

    Raises:
        UserError: a value is outside its range.
    """
    parser = Parser(prog="python -m data.simulate.brackets", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the data set; an unfinished one is completed"
    )
    parser.add_argument("--seed", type=whole, default=0, help="another seed gives other data")
    parser.add_argument(
        "--frames_per_scene", type=positive, default=5, help="samples of each of the ten photographs"
    )
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=[192, 256],
        metavar=("HEIGHT", "WIDTH"),
        help="of a packed sample, multiples of 4; photographs are enlarged where they are too small",
    )
    parser.add_argument(
        "--published",
        action="store_true",
        help="clip before integrating, protect highlights, reduce with drift, as the published data do",
    )
    options = parser.parse_strictly(arguments)
    for length in options.size:
        if length not in SIZES:
            raise UserError(
                f"--size {length}: must be a multiple of 4 from {SIZES[0]} to {SIZES[-1]} packed pixels"
            )
    return options


def main() -> None:
    options = parse()
    settings = Settings(options.seed, tuple(options.size), options.published)
    written = make_dataset(options.out, settings, options.frames_per_scene)
    counts = ", ".join(
        f"{len(scenes) * options.frames_per_scene} {split} samples of {', '.join(scenes)}"
        for split, scenes in PHOTOGRAPHS.items()
    )
    print(f"{options.out}: {counts} ({written} written now)")


if __name__ == "__main__":
    run(main)
