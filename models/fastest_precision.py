"""Whether restoring takes less time in half precision on this machine, and gives the same: it is tried."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F

from models.base_model import BaseModel
from models.expectation import finish, middle

SIDE = 128  # px of the part of the frames that is tried
GAIN = 1.1  # times as fast, or else it is not worth its errors
NEAR = 50.0  # dB, PSNR of bf16 against fp32, or else it is not the same
ROUNDS, LONG = 3, 1.0  # trials, but one alone if it takes more seconds
CHANNELS = 64  # of the convolution that is tried first: where no hardware has bf16, it may take an age
TYPES = (torch.float32, torch.bfloat16)


@torch.inference_mode()
def fastest_precision(model: BaseModel, frames: torch.Tensor, sample: Mapping[str, Any]) -> str:
    """The `--precision`, bf16 or fp32, for normalised frames (1, T, C, H, W), which came with `sample`."""
    device = frames.device
    weights = torch.randn(CHANNELS, CHANNELS, 3, 3, device=device)
    features = torch.randn(1, CHANNELS, SIDE, SIDE, device=device)

    def convolved(kind: torch.dtype) -> torch.Tensor:
        return F.conv2d(features.to(kind), weights.to(kind), padding=1)

    if not gains(*seconds(convolved, device)):
        return "fp32"
    part, given = middle(*model.shown(frames, sample), model.task.period, SIDE)
    if hasattr(model.network, "whole_frame"):  # which is always of full precision
        given |= model.network.whole_frame(part, **given) | {"window": (0, 0, *part.shape[-2:])}

    def restored(kind: torch.dtype) -> torch.Tensor:
        with torch.autocast(device.type, kind, enabled=kind != torch.float32):
            return model.network(part, **given).float()

    exact, near = (restored(kind) for kind in TYPES)
    is_same = (near - exact).square().mean() <= exact.amax().square() * 10 ** (-NEAR / 10)
    return "bf16" if is_same and gains(*seconds(restored, device)) else "fp32"


def gains(full: float, half: float) -> bool:
    """Whether half precision is worth its errors, by the seconds that each takes."""
    return full > GAIN * half


def seconds(call: Callable[[torch.dtype], torch.Tensor], device: torch.device) -> list[float]:
    """The least time that a call with each of TYPES takes, in turn; first ones, which make plans, apart."""
    times = []
    while len(times) < 4 or (len(times) < 2 + 2 * ROUNDS and sum(times[2:]) < LONG):
        for kind in TYPES:
            start = time.perf_counter()
            call(kind)
            finish(device)
            times.append(time.perf_counter() - start)
    return [min(times[2 + number :: 2]) for number in range(2)]
