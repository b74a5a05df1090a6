"""Times TMRNet and the loader against plain transcriptions of the published code, alternately in one run.

python -m tests.bench.bench [loader inference training memory exposure] [--sizes 128,256] [--rounds 5]
"""

import argparse
import copy
import itertools
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from data import dataset_class
from data.draws import Draw
from data.syn_dataset import EXPOSURES
from models.compiling import compile_network
from models.losses import mu_law_l1
from models.networks import create_network
from tests.bench.exposure import FRAME, PLAIN, estimators
from tests.bench.published_tmrnet import published_forward
from tests.golden.published_weights import fill_value
from util.device import convert_channels_last, keep_memory

FULL_SIZE = (540, 960, 4)


def weighted_network() -> torch.nn.Module:
    """The full network with reproducible weights under which every part matters."""
    network = create_network("tmrnet")
    for name, parameter in network.named_parameters():
        parameter.data = torch.from_numpy(fill_value(name, tuple(parameter.shape)))
    return network


def bracket(side: int) -> torch.Tensor:
    """Exposure-normalised random frames (1, 5, 4, side, side)."""
    scale = torch.tensor([1.0, 1.0, 1.0, 0.25, 0.0625]).view(1, 5, 1, 1, 1)
    return torch.rand(1, 5, 4, side, side, generator=torch.Generator().manual_seed(0)) * scale


def alternate(variants: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call, the variants in turn; a first round is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, call in variants.items():
            start = time.perf_counter()
            call()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def show(title: str, seconds: dict[str, list[float]], remarks: dict[str, str] | None = None) -> None:
    """Print medians, minima, and the ratio of medians to the first variant."""
    print(f"\n{title}\n{'':<18}{'median ms':>12}{'min ms':>12}{'ratio':>8}")
    reference = statistics.median(next(iter(seconds.values())))
    for name, values in seconds.items():
        median = statistics.median(values)
        remark = (remarks or {}).get(name, "")
        print(f"{name:<18}{median * 1e3:12.2f}{min(values) * 1e3:12.2f}{reference / median:8.2f}  {remark}")


@torch.inference_mode()
def inference(sizes: list[int], rounds: int) -> None:
    """Whole forward passes, and how far the results are from the published one's."""
    network = weighted_network().eval()
    published = {name: value.clone() for name, value in network.state_dict().items()}
    compiled = copy.deepcopy(network)
    compile_network(compiled, torch.device("cpu"), learns=False)
    for each in (network, compiled):
        convert_channels_last(each)

    def half(network: torch.nn.Module, frames: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return network(frames)

    for side in sizes:
        frames = bracket(side)
        variants = {
            "published": lambda frames=frames: published_forward(published, frames),
            "ours": lambda frames=frames: network(frames),
            "ours bf16": lambda frames=frames: half(network, frames),
            "bf16 compiled": lambda frames=frames: half(compiled, frames),
        }
        expected, remarks = variants["published"](), {}
        for name in list(variants)[1:]:
            start = time.perf_counter()
            error, first = variants[name]() - expected, time.perf_counter() - start
            psnr = 10 * math.log10(float(expected.max() ** 2 / error.square().mean()))
            remarks[name] = f"PSNR {psnr:.1f} dB against the published one; first call {first:.1f} s"
        show(f"inference, 5x4x{side}x{side}", alternate(variants, rounds), remarks)


def training(rounds: int) -> None:
    """Steps of batch 1, 5x4x64x64: forward, mu-law L1, backward, AdamW."""
    frames, target = bracket(64), bracket(64)[:, 2]
    network = convert(weighted_network())
    published = {name: value.detach().clone() for name, value in weighted_network().state_dict().items()}
    learned = [value.requires_grad_() for name, value in published.items() if name not in BUFFERS]
    half, compiled = convert(weighted_network()), convert(weighted_network())
    compile_network(compiled, torch.device("cpu"), learns=True)
    names = ("published", "ours", "ours bf16", "bf16 compiled")
    losses: dict[str, list[float]] = {name: [] for name in names}

    def step(name: str, forward: Callable[[], torch.Tensor], optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        loss = mu_law_l1(forward(), target)
        loss.backward()
        optimizer.step()
        losses[name].append(loss.item())

    def forward_half(network: torch.nn.Module) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return network(frames)

    own = dict(zip(names[1:], (network, half, compiled), strict=True))
    optimizers = {
        name: torch.optim.AdamW(each.parameters(), lr=1e-4, fused=True) for name, each in own.items()
    } | {"published": torch.optim.AdamW(learned, lr=1e-4)}
    forwards = {
        "published": lambda: published_forward(published, frames),
        "ours": lambda: network(frames),
        "ours bf16": lambda: forward_half(half),
        "bf16 compiled": lambda: forward_half(compiled),
    }
    variants = {name: lambda name=name: step(name, forwards[name], optimizers[name]) for name in forwards}
    seconds = alternate(variants, rounds)
    show("training step, 1x5x4x64x64", seconds, {k: f"last loss {v[-1]:.6f}" for k, v in losses.items()})


BUFFERS = ("spynet.mean", "spynet.std")


def convert(network: torch.nn.Module) -> torch.nn.Module:
    """The network with channels-last convolutions."""
    convert_channels_last(network)
    return network


def memory(sizes: list[int]) -> None:
    """Peak memory above the loaded model per packed px, each variant in a process of its own."""
    print(f"\npeak memory above the loaded model\n{'':<18}{'size':>8}{'MB':>10}{'kB/px':>10}")
    for variant in ("published", "ours"):
        for side in sizes:
            command = [
                sys.executable,
                "-m",
                "tests.bench.bench",
                "peak",
                "--variant",
                variant,
                "--sizes",
                str(side),
            ]
            grown = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            print(f"{variant:<18}{side:>8}{grown / 1e6:10.1f}{grown / 1e3 / side**2:10.2f}")


@torch.inference_mode()
def peak(variant: str, side: int) -> None:
    """Print by how many bytes one forward pass raises this process's peak memory over a pass on 32x32."""
    network = weighted_network().eval()
    published = {name: value.clone() for name, value in network.state_dict().items()}
    convert_channels_last(network)
    keep_memory()
    forward = network if variant == "ours" else lambda frames: published_forward(published, frames)
    forward(bracket(32))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    forward(bracket(side))
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)


@torch.no_grad()
def exposure_diffusion(rounds: int) -> None:
    """An evaluation of a full frame by each network of exposure diffusion, and its peak memory."""
    for name in PLAIN:
        variants = estimators(name, FRAME)
        error = float((variants["published"]() - variants["ours"]()).abs().max())
        remarks = {"ours": f"largest difference {error:.1e}"}
        show(f"{name}, 1x4x{FRAME[0]}x{FRAME[1]}", alternate(variants, rounds), remarks)
        for variant in variants:
            program = f"from tests.bench.exposure import peak; print(peak({name!r}, {variant!r}))"
            command = [sys.executable, "-c", program]
            grown = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            print(f"{variant:<18}{grown / 1e6:10.1f} MB above the loaded model")


def loader(rounds: int) -> None:
    """A 128x128 patch of full-size samples from a warm file cache, against all images in memory.

    Each variant runs in processes of its own, in turn: ours sets up memory as the loader's workers do.
    """
    with tempfile.TemporaryDirectory() as folder:
        for number in range(8):
            write_sample(Path(folder) / "Train" / "scene" / f"{number:06d}", number)
        seconds: dict[str, list[float]] = {"published": [], "ours": []}
        for variant in list(seconds) * rounds:
            command = [
                sys.executable,
                "-m",
                "tests.bench.bench",
                "patches",
                "--variant",
                variant,
                "--data",
                folder,
            ]
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            seconds[variant] += [float(line) for line in output.split()]
    show("loader, one patch", seconds)


def patches(variant: str, folder: Path) -> None:
    """Print the seconds that each of 100 patches takes, after 20 to warm up."""
    read = published_patches(folder) if variant == "published" else our_patches(folder)
    for number in range(120):
        start = time.perf_counter()
        next(read)
        if number >= 20:
            print(time.perf_counter() - start)


def our_patches(folder: Path) -> Iterator[dict]:
    """Patches as a worker of the loader reads them."""
    keep_memory()
    options = {"dataroot": str(folder), "frame_num": 5, "max_dataset_size": None, "cache_dir": None}
    options |= {"patch_size": 128, "augment": "published", "skip_damaged": False}
    dataset = dataset_class("syn")(argparse.Namespace(**options), "train")
    for position in itertools.count():
        yield dataset[Draw(position % len(dataset), 0, 1, position, position // 8)]


def published_patches(folder: Path) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The published loader: all images in memory, whole frames converted, then cropped."""
    samples = [
        ([np.load(sample / f"raw_{exposure}.npy") for exposure in EXPOSURES], np.load(sample / "raw_gt.npy"))
        for sample in sorted((folder / "Train" / "scene").iterdir())
    ]
    places = np.random.default_rng(0)
    while True:
        brackets, target = samples[places.integers(len(samples))]
        top, left = places.integers(10, 540 - 138), places.integers(10, 960 - 138)
        crop = (..., slice(top, top + 128), slice(left, left + 128))
        frames = torch.from_numpy(
            np.stack([np.float32(raw) / 1023 for raw in brackets]).transpose(0, 3, 1, 2)
        )
        yield frames[crop].clone(), torch.from_numpy(target.transpose(2, 0, 1)[crop].copy())


def write_sample(folder: Path, seed: int) -> None:
    """Random brackets and target of full size."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for exposure in EXPOSURES:
        np.save(folder / f"raw_{exposure}.npy", rng.integers(0, 1024, FULL_SIZE, np.uint16))
    np.save(folder / "raw_gt.npy", rng.random(FULL_SIZE, np.float32))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["loader", "inference", "training", "memory"])
    parser.add_argument("--sizes", default="128,256", help="sides of the frames in packed px")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--variant", default="ours", help="of the parts peak and patches: ours or published")
    parser.add_argument("--data", type=Path, help="of the part patches: full-size samples")
    args = parser.parse_args()
    sizes = [int(side) for side in args.sizes.split(",")]
    calls = {
        "inference": lambda: inference(sizes, args.rounds),
        "training": lambda: training(args.rounds),
        "memory": lambda: memory(sizes),
        "loader": lambda: loader(args.rounds),
        "exposure": lambda: exposure_diffusion(args.rounds),
        "peak": lambda: peak(args.variant, sizes[0]),
        "patches": lambda: patches(args.variant, args.data),
    }
    for part in args.parts:
        if part in ("inference", "training", "exposure"):  # as train.py and test.py do
            keep_memory()
        calls[part]()


if __name__ == "__main__":
    main()
