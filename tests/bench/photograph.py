"""A bracket of five DNG files from start to PNG and EXR: time by part and peak memory, for several sizes.

    python -m tests.bench.photograph DIR [--megapixels 2 6 12 24] [--weights FILE] [--precision fp32]

Each size is worked on by a process of its own, as restore.py does it, which chooses the precision. The frames
are of one picture, moved between the exposures, with the noise of a phone; they are kept in DIR.
"""

import argparse
import json
import math
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from data.simulate.camera import Camera, respond
from data.simulate.dng import colour_tags, write_dng
from data.simulate.noise import measure
from data.simulate.photographs import read_photograph
from util.device import peak_memory
from util.imaging.bayer import unpack
from util.imaging.tonemap import srgb_decode

WEIGHTS = Path("ckpt/brackets/MergeUNet_model_brackets.pth")
SHIFT = 3.0  # px from one frame to the next
NOISE = 0.0024, 1.8e-5
BLACK, WHITE = 64, 1023
PARTS = ("reading", "opening", "whole frame", "tiles", "EXR", "PNG")


def write_bracket(folder: Path, megapixels: int) -> None:
    """Five DNG files of so many megapixels, 3 : 2."""
    height = round(math.sqrt(megapixels * 1e6 / 1.5) / 16) * 16
    size = (height * 3 // 2, height)  # width, height
    picture = srgb_decode(
        cv2.resize(read_photograph("coffee"), size, interpolation=cv2.INTER_CUBIC).clip(0, 1)
    )
    camera, rng = Camera(2.0, 1.7), np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(5):
        moved = np.float32([[1, 0, SHIFT * number], [0, 1, -SHIFT * number]])
        seen = cv2.warpAffine(picture, moved, size, borderMode=cv2.BORDER_REFLECT)
        clean = respond(np.float32(seen * 4.0 ** (number - 3)), camera).clip(0, 1)
        codes = BLACK + measure(clean, *NOISE, rng) * ((WHITE - BLACK) / WHITE)
        mosaic = unpack(np.rint(codes).astype(np.uint16).transpose(2, 0, 1), "RGGB")
        facts = {"black": BLACK, "white": WHITE, "cfa": "RGGB", **colour_tags(camera)}
        write_dng(folder / f"{number}.dng", mosaic, **facts, exposure_time=4.0**number / 1000, iso=1600)


def restored(folder: Path, weights: Path, words: list[str]) -> dict[str, float]:
    """Seconds of each of PARTS, and the peak of memory in GB, of this process; words are options."""
    import bracketeer

    marks = [time.perf_counter()]

    def mark() -> None:
        marks.append(time.perf_counter())

    scene = bracketeer.read(folder)
    mark()
    restorer = bracketeer.restorer(weights, ["--gpu_ids=-1", *words], fast=True)
    restorer.model_for(scene)
    mark()
    ends = {}
    image = restorer.restore(scene, lambda part, _done: ends.update({part: time.perf_counter()}), keep=False)
    marks.append(ends.get("whole frame", marks[-1]))
    mark()
    image.write(folder.with_suffix(".exr"))
    mark()
    image.write(folder.with_suffix(".png"))
    mark()
    seconds = dict(zip(PARTS, np.diff(marks).tolist(), strict=True))
    return seconds | {"peak GB": peak_memory(restorer.place.device) / 1e9, "MP": scene.megapixels}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--megapixels", type=int, nargs="+", default=[2, 6, 12, 24])
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--precision", help="that of the network; default: what is faster here")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)  # a bracket that this process restores
    options = parser.parse_args()
    words = ["--precision", options.precision] if options.precision else []
    if options.one:
        print(json.dumps(restored(options.one, options.weights, words)))
        return
    print("".join(f"{name:>13}" for name in ("MP", *PARTS, "sum", "peak GB")))
    for megapixels in options.megapixels:
        folder = options.folder / f"{megapixels}MP"
        if not folder.exists():
            write_bracket(folder, megapixels)
        command = [sys.executable, "-m", "tests.bench.photograph", options.folder, "--one", folder]
        command += ["--weights", options.weights, *words]
        done = subprocess.run(map(str, command), stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        found["sum"] = sum(found[name] for name in PARTS)
        print("".join(f"{found[name]:13.2f}" for name in ("MP", *PARTS, "sum", "peak GB")), flush=True)


if __name__ == "__main__":
    main()
