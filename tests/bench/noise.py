"""Times the noise of low-light training patches against a plain transcription of the published synthesis.

python -m tests.bench.noise [--cases 12] [--rounds 7]
"""

import argparse
import time
from functools import partial
from itertools import product

import cv2
import numpy as np

from data.simulate.sensor_noise import NoiseModel
from data.simulate.sensors import named_sensor
from tests.bench.published_noise import published_noise
from util.device import keep_memory

SIZE = (512, 512)


def patch(rng: np.random.Generator) -> np.ndarray:
    """Smooth clean planes (4, h, w) in [0, 1], mostly dark, as long exposures are."""
    blurred = cv2.GaussianBlur(rng.standard_normal((*SIZE, 4), np.float32), None, 24)
    clean = np.clip(0.15 * np.exp(blurred / blurred.std()), 0, 1)
    return np.ascontiguousarray(clean.transpose(2, 0, 1), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=12, help="each with a ratio and levels of its own")
    parser.add_argument(
        "--rounds", type=int, default=7, help="calls of each case, of which the quickest counts"
    )
    args = parser.parse_args()
    keep_memory()  # as the loader's workers do
    rng, sensor = np.random.default_rng(0), named_sensor("SonyA7S2")
    clean = patch(rng)
    for letters in ("P+g", "P+G+r+u"):
        model = NoiseModel(letters, "published")
        calls = {"published": partial(published_noise, letters), "ours": partial(model.add, rng=rng)}
        seconds = np.zeros((len(calls), args.cases, args.rounds))
        for case in range(args.cases):
            drawn = clean, model.draw_ratio(rng, True), model.draw_levels(rng, [sensor])
            for number, (place, call) in product(range(args.rounds), enumerate(calls.values())):
                start = time.perf_counter()
                call(*drawn)
                seconds[place, case, number] = time.perf_counter() - start
        times = dict(zip(calls, seconds.min(axis=2).mean(axis=1) * 1e3, strict=True))
        text = ", ".join(f"{name} {value:.1f} ms" for name, value in times.items())
        print(
            f"{letters}, 4x{SIZE[0]}x{SIZE[1]}: {text}, {times['published'] / times['ours']:.1f} times faster"
        )


if __name__ == "__main__":
    main()
