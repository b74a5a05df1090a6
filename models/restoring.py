"""How a training strategy restores whole frames."""

import argparse
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from models.networks import takes
from models.self_ensemble import mean_of_views
from util import tiling
from util.device import Place
from util.errors import UserError
from util.task import CARRIED, Task

# From normalised frames (1, T, C, H, W) and the sample that they came with to an image (1, C', sH, sW); None
# where the sample does not have what it takes.
Method = Callable[[torch.Tensor, Mapping[str, Any]], torch.Tensor | None]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Restoring:
    """The part of a model that restores: it has a network, and its average where `--ema_decay` keeps one."""

    opt: argparse.Namespace
    place: Place
    task: Task
    network: nn.Module
    steps = 1  # evaluations of the network for one result
    ema: AveragedModel | None

    @property
    def views(self) -> int:
        """Mirror images of the frames whose mean a result is; in training it is that of the frames."""
        return 1 if self.opt.is_train else self.opt.self_ensemble

    @property
    def evaluations(self) -> int:
        """How often the network works on frames for one result."""
        return self.steps * self.views

    def normalised(self, sample: dict[str, Any]) -> torch.Tensor:
        """Frames (N, T, C, H, W) on the device, divided by their exposures; they are taken out of the sample.

        On the CPU the measured values are overwritten: whole frames are large.
        """
        frames = sample.pop("frames").to(self.place.device, non_blocking=True)
        return frames.div_(sample["exposure"].to(frames)[..., None, None, None])

    def carried(self, sample: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        """What the network asks for besides the frames, as far as the sample has it: exposures (N, T), and
        what else it carries (util.task). A noise map is that of the frames divided by their exposures.
        """
        asked = [name for name in ("exposure", *CARRIED) if name in sample and takes(self.network, name)]
        given = {name: sample[name].to(self.place.device, non_blocking=True) for name in asked}
        if "noise_map" in given:
            noise = given["noise_map"]
            given["noise_map"] = noise / sample["exposure"].to(noise)[..., None, None, None]
        return given

    def shown(
        self, frames: torch.Tensor, sample: Mapping[str, Any]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Normalised frames and what goes with them as the network is to see them."""
        return frames, self.carried(sample)

    def autocast(self, precision: str = "") -> contextlib.AbstractContextManager:
        """Precision of the forward pass: that of `--precision`, or another one."""
        dtype = DTYPES[precision or self.opt.precision]
        return torch.autocast(self.place.device.type, dtype=dtype, enabled=dtype != torch.float32)

    def restore(
        self, frames: torch.Tensor, sample: Mapping[str, Any], tell: tiling.Tell | None = None
    ) -> torch.Tensor:
        """Normalised frames (N, T, C, H, W) -> restored images (N, C', sH, sW); in tiles by `--tile`.

        By `--self_ensemble` it is the mean over mirror images of the frames.

        Args:
            sample: what they came with: `exposure` (N, T), and what else it carries.
            tell: is told how far it has come, as by util.tiling.restore.

        Raises:
            UserError: more frames than the network takes, or fewer where it takes an exact number; the result
                is not finite.
        """
        most, exact = getattr(self.network, "max_frames", None), getattr(self.network, "exact_frames", False)
        given = frames.shape[1]
        if most and (given > most or (exact and given < most)):
            limit = "exactly" if exact else "at most"
            takes_most = f"this {type(self.network).__name__} restores {limit} {most} frames"
            raise UserError(f"{takes_most}, not {given}: give --frame_num {most}, or --net exposure_merge")
        network = self.ema.module if self.ema else self.network
        training = network.training
        network.eval()
        with self.autocast(), torch.inference_mode():
            result = mean_of_views(
                lambda view, tell: self.restored(network, view, sample, tell),
                frames,
                self.views,
                tell,
            )
        network.train(training)
        if not torch.isfinite(result).all():
            raise UserError(f"the network's result is not finite (with --precision {self.opt.precision})")
        return result

    def pictured(self, frames: torch.Tensor) -> torch.Tensor:
        """Normalised frames as pictures of them are made: (N, T, C', H, W)."""
        return frames

    def variants(self) -> dict[str, Method]:
        """Other ways in which these weights restore, as options ask: a row each in the table of scores."""
        return {}

    def facts(self) -> dict[str, Any]:
        """What a table of scores must say of how it restores."""
        return {}

    def restored(
        self, network: nn.Module, frames: torch.Tensor, sample: Mapping[str, Any], tell: tiling.Tell | None
    ) -> torch.Tensor:
        """What `restore` gives, of the network that is ready for it."""
        return self.tiled(network, *self.shown(frames, sample), tell)

    def tiled(
        self,
        network: nn.Module,
        frames: torch.Tensor,
        given: Mapping[str, torch.Tensor],
        tell: tiling.Tell | None = None,
    ) -> torch.Tensor:
        """`network(frames, **given)`, in tiles by `--tile`."""
        tile = self.opt.tile
        if tile is None:
            tile = getattr(network, "usual_tile", tiling.USUAL_TILE)
            tile = 0 if getattr(network, "is_global", False) else tile
        return tiling.restore(network, frames, tile, self.opt.tile_overlap, self.task.period, tell, **given)
