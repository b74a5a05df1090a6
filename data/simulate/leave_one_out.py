"""How well sub-frames of one's footage can be interpolated: frames that exist are left out and made again.

    python -m data.simulate.leave_one_out my_footage/

A frame is interpolated from the one before it and the one after it, which are twice as far apart as in use.
"""

import util.starting  # noqa: F401 isort: skip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from data.simulate.footage import Footage
from data.simulate.interpolation import Interpolator, find_interpolator, interpolate
from data.simulate.lighting import MEDIAN_LEVELS, median_level
from data.simulate.scenes import Video, read_light
from data.simulate.sources import COLOURS, find_sources
from util.door import run
from util.errors import UserError
from util.imaging.tonemap import srgb_encode
from util.parser import Parser, positive

SHORTEST = 3  # frames of a video


class Score(NamedTuple):
    """PSNR in dB of a frame that was left out, against what takes its place."""

    number: int
    interpolated: float
    averaged: float
    repeated: float  # the frame before it


def leave_one_out(video: Video, interpolator: Interpolator = interpolate, step: int = 2) -> Iterator[Score]:
    """The score of every `step`-th frame between the first and the last.

    PSNR is that of sRGB-coded RGB with white at 1: light of coded footage as it is, other light at the
    darkest median of the simulation's scenes, which clips the brightest.

    Raises:
        UserError: the video is too short, its frames are of several sizes, a frame cannot be read, or the
            interpolator gives something else than one frame.
    """
    if len(video.frames) < SHORTEST:
        raise UserError(f"{video.source}: {len(video.frames)} frames are too few to leave one out")
    scale = 1.0
    if not video.frames.coded and not video.alexa:
        scale = MEDIAN_LEVELS[0] / median_level(read_light(video.frames, 0, video.alexa))
    for index in range(1, len(video.frames) - 1, step):
        around = (index - 1, index, index + 1)
        before, truth, after = (read_light(video.frames, i, video.alexa) * np.float32(scale) for i in around)
        sizes = {frame.shape[:2] for frame in (before, truth, after)}
        if len(sizes) > 1:
            raise UserError(f"{video.source}: the frames of a video have one size, not {sorted(sizes)}")
        made, *_ = Footage([before, after], 2, interpolator).views(range(1, 2))
        score = against(truth)
        yield Score(video.frames.number(index), score(made), score((before + after) / 2), score(before))


def against(truth: np.ndarray) -> Callable[[np.ndarray], float]:
    """The function that gives the PSNR of a picture, linear light (H, W, 3), against the truth."""
    coded = srgb_encode(np.clip(truth, 0, 1))

    def psnr(light: np.ndarray) -> float:
        error = np.square(srgb_encode(np.clip(light, 0, 1)) - coded, dtype=np.float64).mean()
        return float(-10 * np.log10(max(error, 1e-12)))

    return psnr


def main() -> None:
    parser = Parser(prog="python -m data.simulate.leave_one_out", description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, nargs="+", help="videos: files, or folders of frames")
    parser.add_argument("--colour", choices=COLOURS, default="auto", help="of linear light")
    parser.add_argument("--interpolator", default="", help="package.module:function, another interpolator")
    parser.add_argument("--step", type=positive, default=2, help="leave out every n-th frame, one at a time")
    options = parser.parse_strictly(None)
    interpolator = find_interpolator(options.interpolator) if options.interpolator else interpolate
    cv2.setNumThreads(1)  # the optical flow depends on it
    for video in find_sources(options.source, "video", options.colour):
        print(f"{video.name} (PSNR in dB)\n{'frame':>8} {'interpolated':>13} {'averaged':>9} {'repeated':>9}")
        scores = []
        for score in leave_one_out(video, interpolator, options.step):
            scores.append(score)
            print(f"{score.number:8d} {score.interpolated:13.2f} {score.averaged:9.2f} {score.repeated:9.2f}")
        means = np.mean([score[1:] for score in scores], axis=0)
        print(f"{'mean':>8} {means[0]:13.2f} {means[1]:9.2f} {means[2]:9.2f}")


if __name__ == "__main__":
    run(main, output_is_product=True)
