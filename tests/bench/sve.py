"""Times SVENet against a plain transcription of the published forward pass, alternately in one run.

python -m tests.bench.sve [--side 512] [--rounds 3]
"""

import argparse
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from models.networks import create_network
from tests.bench.published_sve import published_forward
from tests.golden.published_weights import fill_value
from util.device import convert_channels_last, keep_memory

GAIN = 1.0  # of weights, so that every part matters


def variants(side: int) -> dict[str, Callable[[], torch.Tensor]]:
    """A forward pass of each variant, of one shot of random values."""
    network = create_network("svenet").eval()
    for name, parameter in network.named_parameters():
        parameter.data = torch.from_numpy(fill_value(name, tuple(parameter.shape), GAIN))
    state = {name: value.clone() for name, value in network.state_dict().items()}
    convert_channels_last(network)
    generator = torch.Generator().manual_seed(0)
    radiance = torch.rand(1, 1, side, side, generator=generator)
    mask = (radiance > 0.02).float()

    def half(forward: Callable[[], torch.Tensor]) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return forward()

    calls = {
        "published": partial(published_forward, state, radiance, mask),
        "ours": partial(network, radiance[:, None], mask),
    }
    return calls | {f"{name}, bf16": partial(half, call) for name, call in calls.items()}


@torch.inference_mode()
def times(side: int, rounds: int) -> None:
    """Print seconds, and the ratio to the published forward pass of the same precision."""
    calls = variants(side)
    if not torch.cpu._is_avx512_bf16_supported():
        print("bf16 is left out: this CPU has no instructions for it, and is many times slower than in fp32")
        calls = {name: call for name, call in calls.items() if not name.endswith("bf16")}
    expected = calls["published"]()
    cpu, wall = ({name: [] for name in calls} for _ in range(2))
    errors = {}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.process_time(), time.perf_counter()
            errors[name] = float((call().float() - expected).abs().max() / expected.std())
            cpu[name].append(time.process_time() - start[0])
            wall[name].append(time.perf_counter() - start[1])
    print(f"{side}x{side}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
    print(f"{'':<18}{'CPU s':>8}{'wall s':>8}{'s/Mpx':>8}{'ratio':>8}{'difference':>12}{'peak MB':>9}")
    for name in calls:
        base = name.replace("ours", "published")
        ratio = statistics.median(a / b for a, b in zip(cpu[base], cpu[name], strict=True))
        seconds, elapsed = statistics.median(cpu[name]), statistics.median(wall[name])
        each = f"{seconds:8.2f}{elapsed:8.2f}{elapsed / side**2 * 1e6:8.1f}{ratio:8.2f}"
        print(f"{name:<18}{each}{errors[name]:12.1e}{grown(name, side) / 1e6:9.0f}")


def grown(name: str, side: int) -> int:
    """By how many bytes a pass raises the peak memory, in a process of its own."""
    program = f"from tests.bench.sve import peak; peak({name!r}, {side})"
    return int(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)


@torch.inference_mode()
def peak(name: str, side: int) -> None:
    """Print by how many bytes a pass raises the peak memory of this process over one of 32x32."""
    keep_memory()
    variants(32)[name]()
    call = variants(side)[name]
    before = most_held()
    call()
    print(most_held() - before)


def most_held() -> int:
    """Peak memory of this process in bytes; that of getrusage(2) begins at what the parent holds."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512, help="of the frame, in px")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    keep_memory()  # as test.py does
    times(args.side, args.rounds)


if __name__ == "__main__":
    main()
