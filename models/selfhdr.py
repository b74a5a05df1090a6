"""What both stages of SelfHDR share: the published recipe, and how their samples are taken."""

import argparse
from pathlib import Path
from typing import Any

import torch

from models.base_model import BaseModel
from models.networks.parts.exposure_pairs import GAMMA
from util.errors import UserError

LR_MIN = 1e-7  # where the published cosines end


def gamma_coded(measured: torch.Tensor) -> torch.Tensor:
    """Measured linear light -> the frame as it was stored, clip(x, 0, 1)^(1/2.2) (SelfHDR, 1.1)."""
    return measured.clamp(0, 1) ** (1 / GAMMA)


class SelfhdrModel(BaseModel):
    """Frames without ground truth; a subclass says what of the labels and the reference frame is learnt.

    The defaults are those published for ahdrnet and fshdr; the attention networks were trained with
    `--batch_size 8 --lr 2e-4 --niter 200 --lr_decay_iters 100` (SelfHDR specification, 9). AdamW without
    weight decay is Adam.
    """

    default_net = "ahdrnet"

    @classmethod
    def modify_commandline_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> None:
        super().modify_commandline_options(parser, is_train)
        if is_train:
            parser.set_defaults(lr=1e-4, lr_policy="step", lr_decay_iters=50, niter=150, epoch_iters=1200)
            parser.set_defaults(batch_size=16, patch_size=128, weight_decay=0.0, lr_min=LR_MIN)

    def build(self, path: str | Path | None = None, resumed: dict[str, Any] | None = None) -> None:
        if (self.task.reference or 0) >= self.opt.frame_num:
            needed = f"--model {self.opt.model} shows frame {self.task.reference + 1}, the reference"
            raise UserError(f"{needed}: --frame_num {self.opt.frame_num} leaves it out")
        super().build(path, resumed)

    def set_input(self, sample: dict[str, Any]) -> None:
        """Take a training batch: frames on the scale of the labels, the reference frame, the labels."""
        sample["frames"] = sample["frames"].to(self.place.device, non_blocking=True)
        self.take_reference(sample["frames"][:, self.task.reference])
        self.frames = self.normalised(sample)
        self.given = self.carried(sample)
        self.labels = {key: sample[key].to(self.place.device, non_blocking=True) for key in self.targets}

    def take_reference(self, measured: torch.Tensor) -> None:
        """Note, or change in place, the measured light (N, C, H, W) of the reference frame."""
        raise NotImplementedError
