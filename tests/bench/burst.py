"""Times DeepRepSR and PWC-Net against plain transcriptions, and measures their memory.

python -m tests.bench.burst [inference training flow memory] [--rounds 3] [--threads 1]
"""

import argparse
import copy
import resource
import subprocess
import sys
from collections.abc import Callable

import torch

from models.networks import create_network
from models.networks.deeprep_sr import DeepRepSR
from models.networks.flow.pwcnet import PWCNet
from tests.bench.bench import alternate, show
from tests.bench.published_deeprep import PlainDeepRepSR, PlainPWCNet
from tests.golden.published_weights import fill_value
from util.device import convert_channels_last, keep_memory

GAIN, BRIGHT = 1.0, 0.6  # of the weights, and the bias of the last layer: its ReLU is not dead


def filled(network: torch.nn.Module, gain: float = GAIN) -> torch.nn.Module:
    """A network with reproducible weights under which every part matters."""
    for name, parameter in network.named_parameters():
        parameter.data = torch.from_numpy(fill_value(name, tuple(parameter.shape), gain))
    if isinstance(network, DeepRepSR):
        network.hr_decoder.predictor[0].bias.data.fill_(BRIGHT)
    return network


def laid_out(network: torch.nn.Module) -> torch.nn.Module:
    """A network as programs keep it in memory."""
    convert_channels_last(network)
    return network


def burst(count: int, side: int) -> torch.Tensor:
    """A smooth burst (1, T, 4, side, side) in [0, 1]."""
    coarse = torch.rand(count * 4, 1, side // 4, side // 4, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic")
    return smooth.view(1, count, 4, side, side).clamp(0, 1)


def inference(count: int = 14, side: int = 48) -> dict[str, Callable[[], torch.Tensor]]:
    """A burst restored, by the published way and by ours."""
    network, frames = filled(create_network("deeprep_sr")).eval(), burst(count, side)
    plain, network = PlainDeepRepSR(copy.deepcopy(network)), laid_out(network)

    def run(restore: torch.nn.Module) -> torch.Tensor:
        with torch.no_grad():
            return restore(frames)

    return {"published": lambda: run(plain), "ours": lambda: run(network)}


def training(count: int = 8, side: int = 54) -> dict[str, Callable[[], torch.Tensor]]:
    """A loss and its gradients, by the published way and by ours."""
    network, frames = filled(create_network("deeprep_sr")).train(), burst(count, side)
    plain, network = PlainDeepRepSR(copy.deepcopy(network)), laid_out(network)
    target = torch.rand(1, 3, 8 * side, 8 * side, generator=torch.Generator().manual_seed(1))

    def run(restore: torch.nn.Module) -> torch.Tensor:
        restore.zero_grad()
        loss = (restore(frames) - target)[..., 40:-40, 40:-40].abs().mean()
        loss.backward()
        return loss.detach()

    return {"published": lambda: run(plain), "ours": lambda: run(network)}


def flow(count: int = 14, side: int = 128) -> dict[str, Callable[[], torch.Tensor]]:
    """The flow of all frames of a burst into its base, by the published way and by ours."""
    network, frames = filled(PWCNet()).eval(), burst(count, side)[:, :, :3]
    plain, network = PlainPWCNet(copy.deepcopy(network)), laid_out(network)
    base = frames[:, :1].expand(-1, count - 1, -1, -1, -1)

    def published() -> torch.Tensor:
        return plain(base.flatten(0, 1), frames[:, 1:].flatten(0, 1))

    return {"published": published, "ours": lambda: network.into_base(frames)[0]}


BENCHES = {"inference": inference, "training": training, "flow": flow}


def peak(variant: str) -> int:
    """By how many bytes restoring a burst raises the peak memory of this process."""
    restore = inference()[variant]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    restore()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024


def memory() -> None:
    """Print the peaks of both ways, each in a process of its own."""
    for variant in ("published", "ours"):
        command = [sys.executable, "-m", "tests.bench.burst", "peak", "--variant", variant]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        print(f"memory above the model, {variant}: {int(found) / 2**20:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=[*BENCHES, "memory"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="default: as many as there are cores")
    parser.add_argument("--variant", default="ours", help="of the part peak: ours or published")
    args = parser.parse_args()
    torch.set_num_threads(args.threads or torch.get_num_threads())
    for part in args.parts:
        if part == "peak":
            print(peak(args.variant))
        elif part == "memory":
            memory()
        else:
            keep_memory()  # as programs do
            variants = BENCHES[part]()
            results = [variant() for variant in variants.values()]
            difference = float((results[0] - results[1]).abs().max())
            show(part, alternate(variants, args.rounds), {"ours": f"difference {difference:.1e}"})


if __name__ == "__main__":
    main()
