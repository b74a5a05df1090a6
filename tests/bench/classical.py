"""Scores our restorations beside HDRMerge, OpenCV and enfuse, on simulated brackets whose truth is known.

python -m data.simulate --out RAW --source PHOTOGRAPHS --split Test --layout real
python -m data.simulate --out LDR --source PHOTOGRAPHS --split Test --layout kalantari
python -m tests.bench.classical --raw RAW/Test --ldr LDR/Test [--net exposure_merge] [--net FILE.pth]

Needs what Debian calls hdrmerge, enfuse and hugin-tools, and `pip install imagecodecs` to read what they
write; a program that is missing is named and left out. Each result is registered with the truth by itself and
multiplied by one number. Fused pictures (Mertens, enfuse) are no radiance: all results of LDR frames are
scored a second time after a free tone curve for each channel.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

import bracketeer
from data.photos import Scene
from data.reading.ldr_frames import LINEAR, tiff_files
from data.reading.number_list import read_numbers, read_text
from models import create_model
from models.restorer import Restorer
from tests.bench import peers
from tests.bench.registering import curved, gained, registered
from util.imaging.radiance import read_radiance
from util.imaging.tiff_pictures import read_tiff
from util.imaging.tonemap import mu_law
from util.scores.metrics import psnr
from util.task import Task

BORDER = 10  # px left out: registered frames show nothing at the margin
SHORTEST = 16  # white of the shortest of five frames, on the scale of the third
Restore = Callable[[], np.ndarray]


def load(net: str) -> Restorer:
    """What a network of that name, or a file of weights, restores with."""
    weights = net if Path(net).is_file() else None
    return bracketeer.load(weights, None if weights else net, gpu_ids="-1")


def restored(net: str, scene: Scene, reference: int = 0) -> np.ndarray:
    """The result as it comes from the network, (H, W, C), in the place of the `reference`."""
    restorer = load(net)
    opt = argparse.Namespace(**vars(restorer.opt) | {"frame_num": len(scene.frames)})
    model = create_model(opt, restorer.place, Task(channels=scene.frames.shape[1], reference=reference))
    model.load_trained("latest")
    sample = {name: torch.tensor(getattr(scene, name))[None] for name in ("frames", "exposure")}  # copies
    sample["name"] = [scene.name]
    return model.restore(model.normalised(sample), sample)[0].float().numpy().transpose(1, 2, 0)


def scores(result: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """PSNR-mu after registration and one gain, and after registration and a free curve; truth in [0, 1]."""
    placed, seen = registered(result, truth)
    inner = (slice(BORDER, -BORDER),) * 2
    placed, wanted, shown = placed[inner], truth[inner], seen[inner].astype(np.uint8)
    coded = mu_law(wanted)
    radiance = mu_law(np.clip(gained(placed, wanted, shown), 0, 1))
    picture = curved(mu_law(np.clip(placed, 0, None) / max(float(placed.max()), 1e-6)), coded, shown)
    return psnr(radiance, coded, 1.0, mask=shown), psnr(picture, coded, 1.0, mask=shown)


def raw_methods(folder: Path, nets: list[str]) -> tuple[np.ndarray, dict[str, Restore]]:
    """The truth of a simulated raw bracket, packed, 1 = white of the shortest, and what restores it."""
    truth = np.clip(np.load(folder / "raw_gt.npy") / SHORTEST, 0, 1)
    scene = bracketeer.read(folder)
    methods: dict[str, Restore] = {"HDRMerge": partial(peers.hdrmerge, folder)}
    return truth, methods | {Path(net).name: partial(restored, net, scene) for net in nets}


def ldr_methods(folder: Path, nets: list[str]) -> tuple[np.ndarray, dict[str, Restore]]:
    """The truth of a simulated LDR triple, linear RGB at the moment of frame 2, and what restores it."""
    truth = np.clip(read_radiance(folder / "HDRImg.hdr"), 0, 1)
    files, stops = tiff_files(folder), folder / "exposure.txt"
    exposures = np.exp2(read_numbers(stops, read_text(stops)))
    codes = [read_tiff(file) for file in files]
    scene = bracketeer.scene([LINEAR[frame] for frame in codes], list(exposures))
    methods: dict[str, Restore] = {}
    for aligned in (False, True):
        title = "AlignMTB, " if aligned else ""
        methods[f"{title}Debevec"] = partial(peers.debevec, codes, exposures, aligned)
        methods[f"{title}Mertens"] = partial(peers.mertens, codes, aligned)
    methods["enfuse"] = partial(peers.enfuse, files, False)
    methods["align_image_stack, enfuse"] = partial(peers.enfuse, files, True)
    return truth, methods | {Path(net).name: partial(restored, net, scene, reference=1) for net in nets}


def rows(
    root: Path, prepare: Callable[[Path, list[str]], tuple[np.ndarray, dict[str, Restore]]], nets: list[str]
) -> Iterator[tuple[str, str, float, float, float]]:
    """Scene, method, both scores and seconds, as they come; what is not installed has NaN."""
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        truth, methods = prepare(folder, nets)
        for name, restore in methods.items():
            start = time.perf_counter()
            try:
                result = restore()
            except peers.NotInstalledError as error:
                print(f"{name}: {error}")
                continue
            seconds = time.perf_counter() - start
            yield folder.name, name, *scores(result, truth), seconds


def show(title: str, found: list[tuple[str, str, float, float, float]]) -> None:
    """Print a table: a line per method, a column per scene."""
    scenes = sorted({row[0] for row in found})
    print(f"\n{title}\n| | {' | '.join(scenes)} | mean | seconds |")
    print("|---|" + "---:|" * (len(scenes) + 2))
    for column, kind in ((2, ""), (3, ", curve")):
        for name in dict.fromkeys(row[1] for row in found):
            values = {row[0]: row[column] for row in found if row[1] == name}
            seconds = statistics.median(row[4] for row in found if row[1] == name)
            cells = [*(f"{values[scene]:.2f}" for scene in scenes), f"{statistics.mean(values.values()):.2f}"]
            print(f"| {name}{kind} | {' | '.join(cells)} | {seconds:.1f} |")


def main() -> None:
    """Score what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--raw", type=Path, help="Test folder of --layout real")
    parser.add_argument("--ldr", type=Path, help="Test folder of --layout kalantari")
    parser.add_argument("--net", action="append", help="name of a network, or file of weights")
    options = parser.parse_args()
    nets = options.net or ["exposure_merge"]
    for title, root, prepare in (
        ("raw, PSNR-mu of packed planes (dB)", options.raw, raw_methods),
        ("LDR, PSNR-mu (dB)", options.ldr, ldr_methods),
    ):
        if root:
            show(title, list(rows(root, prepare, nets)))


if __name__ == "__main__":
    main()
