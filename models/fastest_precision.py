"""Whether restoring takes less time in half precision on this machine, and gives the same: it is tried."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F

from models.base_model import BaseModel
from models.expectation import finish, middle
from util.imaging.tonemap import mu_law

SIDE = 128  # px of the part of the frames that is tried
GAIN = 1.1  # times as fast, or else it is not worth its errors
NEAR = 50.0  # dB, PSNR-mu of bf16 against fp32, or else it is not the same
ROUNDS, LONG = 3, 1.0  # trials, but one alone if it takes more seconds
CHANNELS = 64  # of the convolution that is tried first: where no hardware has bf16, it may take an age
TYPES = (torch.float32, torch.bfloat16)


@torch.inference_mode()
def fastest_precision(model: BaseModel, frames: torch.Tensor, sample: Mapping[str, Any]) -> str:
    """The `--precision`, bf16 or fp32, for normalised frames (1, T, C, H, W), which came with `sample`."""
    device, network = frames.device, model.network
    shapes = (1, CHANNELS, SIDE, SIDE), (CHANNELS, CHANNELS, 3, 3)
    operands = {kind: [torch.ones(shape, device=device, dtype=kind) for shape in shapes] for kind in TYPES}
    if not gains(*seconds(lambda kind: F.conv2d(*operands[kind], padding=1), device)):
        return "fp32"
    part, given = middle(*model.shown(frames, sample), model.task.period, SIDE)
    known, results = {kind: dict(given) for kind in TYPES}, {}
    if hasattr(network, "whole_frame"):  # apart: most of its time goes into flow, the same in both
        for kind in TYPES:
            with precision(kind, device):
                known[kind] |= network.whole_frame(part, **given) | {"window": (0, 0, *part.shape[-2:])}

    def restored(kind: torch.dtype) -> None:
        with precision(kind, device):
            results[kind] = network(part, **known[kind]).float()

    is_faster = gains(*seconds(restored, device))
    return "bf16" if is_faster and are_near(*(results[kind] for kind in TYPES)) else "fp32"


def precision(kind: torch.dtype, device: torch.device) -> torch.autocast:
    """Autocast to half precision, or none for float32."""
    return torch.autocast(device.type, kind, enabled=kind != torch.float32)


def gains(full: float, half: float) -> bool:
    """Whether half precision is worth its errors, by the seconds that each takes."""
    return full > GAIN * half


def are_near(exact: torch.Tensor, near: torch.Tensor) -> bool:
    """Whether two results are the same in the mu-law domain, the largest value of the first being white."""
    peak = exact.amax().clamp(min=1e-12)
    exact, near = (mu_law((image / peak).clamp(min=0)) for image in (exact, near))
    return bool((near - exact).square().mean() <= 10 ** (-NEAR / 10))


def seconds(call: Callable[[torch.dtype], Any], device: torch.device) -> list[float]:
    """The least time that a call with each of TYPES takes, in turn; first ones, which make plans, apart."""
    times = []
    while len(times) < 4 or (len(times) < 2 + 2 * ROUNDS and sum(times[2:]) < LONG):
        for kind in TYPES:
            start = time.perf_counter()
            call(kind)
            finish(device)
            times.append(time.perf_counter() - start)
    return [min(times[2 + number :: 2]) for number in range(2)]
