"""Whether restoring takes less time in half precision on this machine, and gives the same: it is tried."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F

from models.base_model import BaseModel
from models.expectation import finish, middle
from models.restoring import DTYPES
from util.imaging.tonemap import mu_law

SIDE = 128  # px of the part of the frames that is tried
GAIN = 1.1  # times as fast, or else it is not worth its errors
NEAR = 50.0  # dB, PSNR-mu of bf16 against fp32, or else it is not the same
ROUNDS, LONG = 3, 1.0  # trials, but one alone if it takes more seconds
# Of the convolution that is tried first: where no hardware has bf16, it takes a hundred times as long.
SHAPES = (1, 64, 32, 32), (64, 64, 3, 3)
PRECISIONS = ("fp32", "bf16")


@torch.inference_mode()
def fastest_precision(model: BaseModel, frames: torch.Tensor, sample: Mapping[str, Any]) -> str:
    """One of PRECISIONS for normalised frames (1, T, C, H, W), which came with `sample`."""
    device, network = frames.device, model.network
    operands = {
        name: [torch.ones(shape, device=device, dtype=DTYPES[name]) for shape in SHAPES]
        for name in PRECISIONS
    }
    if not gains(*seconds(lambda name: F.conv2d(*operands[name], padding=1), device)):
        return "fp32"
    part, given = middle(*model.shown(frames, sample), model.task.period, SIDE)
    known, results = {name: dict(given) for name in PRECISIONS}, {}
    if hasattr(network, "whole_frame"):  # apart: most of its time goes into flow, the same in both
        for name in PRECISIONS:
            with model.autocast(name):
                known[name] |= network.whole_frame(part, **given) | {"window": (0, 0, *part.shape[-2:])}

    def restored(name: str) -> None:
        with model.autocast(name):
            results[name] = network(part, **known[name]).float()

    is_faster = gains(*seconds(restored, device))
    return "bf16" if is_faster and are_near(*(results[name] for name in PRECISIONS)) else "fp32"


def gains(full: float, half: float) -> bool:
    """Whether half precision is worth its errors, by the seconds that each takes."""
    return full > GAIN * half


def are_near(exact: torch.Tensor, near: torch.Tensor) -> bool:
    """Whether two results are the same in the mu-law domain, the largest value of the first being white."""
    peak = exact.amax().clamp(min=1e-12)
    exact, near = (mu_law((image / peak).clamp(min=0)) for image in (exact, near))
    return bool((near - exact).square().mean() <= 10 ** (-NEAR / 10))


def seconds(call: Callable[[str], Any], device: torch.device) -> list[float]:
    """The least time that a call with each of PRECISIONS takes, in turn; the first, which plans, apart."""
    times = []
    while len(times) < 4 or (len(times) < 2 + 2 * ROUNDS and sum(times[2:]) < LONG):
        for name in PRECISIONS:
            start = time.perf_counter()
            call(name)
            finish(device)
            times.append(time.perf_counter() - start)
    return [min(times[2 + number :: 2]) for number in range(2)]
