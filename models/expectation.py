"""How long restoring will take and how much memory, from a try on a small part of the frames."""

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch

from models.base_model import BaseModel
from util.device import release_memory
from util.task import CARRIED
from util.tiling import TILES, USUAL_TILE, WHOLE_FRAME

SIDE = 160  # px of the part that is tried
RENDERING = 40  # bytes for each px of a plane: of pictures and their sheet; of matlab_like twice as many
VIEWED = 16  # the same of what is summed over mirror images of the frames
PROC = Path("/proc/self")


class Expectation(NamedTuple):
    """Seconds of each part of the work, and bytes of main memory (0 = not known on this system)."""

    seconds: dict[str, float]
    memory: int

    @property
    def total(self) -> float:
        """Seconds."""
        return sum(self.seconds.values())

    def share(self, part: str, done: float) -> float:
        """Which part of all is done when `done` of a part is, the whole frame being first."""
        before = 0.0 if part == WHOLE_FRAME else self.seconds[WHOLE_FRAME]
        return (before + done * self.seconds[part]) / max(self.total, 1e-9)


@torch.inference_mode()
def expect(model: BaseModel, frames: torch.Tensor, sample: Mapping[str, Any]) -> Expectation:
    """What restoring normalised frames (1, T, C, H, W), which came with `sample`, takes about."""
    network = model.network
    frames, given = model.shown(frames, sample)
    (height, width), (part, given) = frames.shape[-2:], middle(frames, given, model.task.period, SIDE)
    side = part.shape[-1]
    tile = getattr(network, "usual_tile", USUAL_TILE) if model.opt.tile is None else model.opt.tile
    is_whole = getattr(network, "is_global", False) or getattr(network, "works_by_strips", False)
    is_tiled = bool(tile) and height * width > tile**2 and not is_whole
    with model.autocast():
        _tried(network, part, given)  # the first call makes plans
        release_memory()
        whole, own = _tried(network, part, given)
    reach = max(model.opt.tile_overlap, whole.reach)
    doubled = (tile / max(tile - 2 * reach, tile / 2)) ** 2 if is_tiled else 1.0  # px of tiles that overlap
    frame, inside = height * width / side**2, min(tile**2, height * width) / side**2 if is_tiled else 1.0
    inside = inside if is_tiled else frame
    seconds = {WHOLE_FRAME: whole.seconds * frame, TILES: own.seconds * frame * doubled}
    if model.evaluations > 1:  # each begins with its part of the whole frame
        seconds = {WHOLE_FRAME: 0.0, TILES: model.evaluations * sum(seconds.values())}
    working = max(whole.growth * frame, own.growth * inside + whole.kept * frame)
    results = model.task.planes_out * height * width
    working += frames.nbytes + VIEWED * results if model.views > 1 else 0
    kept = results * (RENDERING + 8)
    release_memory()
    is_known = _memory("VmRSS") and not frames.is_cuda  # that of the GPU is another
    memory = _memory("VmRSS") + int(max(working, kept)) if is_known else 0
    return Expectation(seconds, memory)


def middle(
    frames: torch.Tensor, given: Mapping[str, torch.Tensor], period: tuple[int, int], side: int
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The middle of frames (1, T, C, H, W), a square of `side` px or less, and of what goes with them.

    Args:
        period: rows and columns at whose multiples it begins, `Task.period`.
    """
    height, width = frames.shape[-2:]
    side = min(side, height, width)
    sides = zip((height, width), period, strict=True)
    top, left = ((whole - side) // 2 // step * step for whole, step in sides)
    place = slice(top, top + side), slice(left, left + side)
    of_px = {name for name in given if CARRIED.get(name, (False,))[0]}
    return frames[..., *place], {
        name: value[..., *place] if name in of_px else value for name, value in given.items()
    }


class _Trial(NamedTuple):
    """Seconds, bytes that were needed besides and that are kept, and px around a tile that it needs."""

    seconds: float
    growth: int
    kept: int = 0
    reach: int = 0


def _tried(network: torch.nn.Module, part: torch.Tensor, given: dict) -> tuple[_Trial, _Trial]:
    """What the whole frame's part of the work takes, and what a tile's."""
    context, reach = {}, 0
    first, start = _memory("VmRSS"), time.perf_counter()
    _forget_peak()
    if hasattr(network, "whole_frame"):
        context = network.whole_frame(part, **given)
        reach = network.halo(**context)
    finish(part.device)
    whole = time.perf_counter() - start
    kept = sum(value.untyped_storage().nbytes() for value in context.values())
    growth, between, start = max(_memory("VmHWM") - first, kept), _memory("VmRSS"), time.perf_counter()
    _forget_peak()
    network(part, **given, **context, **({"window": (0, 0, *part.shape[-2:])} if context else {}))
    finish(part.device)
    own = _Trial(time.perf_counter() - start, max(_memory("VmHWM") - between, 0))
    return _Trial(whole, growth, kept, reach), own


def finish(device: torch.device) -> None:
    """Wait until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _memory(key: str) -> int:
    """VmRSS, bytes that this process holds, or VmHWM, that it has held at most; 0 where it is not told."""
    with suppress(OSError):
        for line in (PROC / "status").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024
    return 0


def _forget_peak() -> None:
    """Let VmHWM begin anew, where the system can."""
    with suppress(OSError):
        (PROC / "clear_refs").write_text("5")
