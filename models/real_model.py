"""Self-supervised adaptation to real brackets (Zhang et al., ICLR 2025; BracketIRE specification, 7)."""

import argparse
import random
from pathlib import Path
from typing import Any

import torch

from models.base_model import BaseModel
from models.losses import mu_law_l1
from models.networks import network_class, takes
from models.weight_average import weight_average
from util import checkpoint
from util.errors import UserError
from util.parser import amount, fraction
from util.provenance import provenance
from util.training_state import weights_of

ROLE = "Pre"  # what the published code adds to the network's name in the teacher's file


class RealModel(BaseModel):
    """Trained weights (`--load_path`) learn from brackets without ground truth.

    The result of a few frames is drawn to that of all frames, which in turn a slowly following copy of the
    network, the teacher, keeps from drifting away. The run's weights are those of the student.
    """

    loss_names = ("ema_l1", "self_l1")
    targets = ()

    @classmethod
    def modify_commandline_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> None:
        super().modify_commandline_options(parser, is_train)
        if is_train:
            parser.add_argument(
                "--self_weight",
                type=amount,
                default=1.0,
                help="of the loss of fewer frames against all of them",
            )
            parser.add_argument(
                "--teacher_decay",
                type=fraction,
                default=0.999,
                help="share of the teacher that a step leaves",
            )
            parser.set_defaults(lr_policy="cosine", lr=7.5e-5, niter=10, val_freq=0)

    def build(self, path: str | Path | None = None, resumed: dict[str, Any] | None = None) -> None:
        if self.opt.is_train:
            asked = f"--model {self.opt.model}"
            if not takes(network_class(self.opt.net), "outputs"):
                raise UserError(
                    f"{asked} needs results after fewer frames, which --net {self.opt.net} has not"
                )
            if self.opt.frame_num < 2:
                raise UserError(f"{asked} learns from fewer frames against all: --frame_num 2 or more")
            if not path and not resumed:
                raise UserError(f"{asked} adapts trained weights: name a checkpoint by --load_path")
        super().build(path, resumed)

    def prepare_training(self) -> None:
        super().prepare_training()
        self.teacher = weight_average(self.network, self.opt.teacher_decay)

    def set_input(self, sample: dict[str, Any]) -> None:
        """Take a training batch; a ground truth, if there is one, is not looked at."""
        self.frames = self.normalised(sample)
        self.given = self.carried(sample)

    def begin_step(self, seed: int) -> None:
        self.draw = random.Random(seed).random()

    def forward(self) -> None:
        """The student's results of the first few frames and of all of them, and the teacher's of all.

        How few is drawn uniformly: one, two or three of five, in general one to all but two.
        """
        total = self.frames.shape[1]
        few = 1 + int(self.draw * max(total - 2, 1))
        with torch.no_grad():
            self.target = self.teacher.module(self.frames, **self.given)
        self.few, self.output = self.parallel(self.frames, outputs=(few, total), **self.given).unbind(1)

    def compute_loss(self) -> torch.Tensor:
        """L_ema + self_weight * L_self; no gradient flows into what is taken as the target of either."""
        ema_l1 = mu_law_l1(self.output, self.target, self.white)
        self_l1 = mu_law_l1(self.few, self.output.detach(), self.white)
        self.losses = {"ema_l1": ema_l1.detach(), "self_l1": self_l1.detach()}
        return ema_l1 + self.opt.self_weight * self_l1

    def update_averages(self) -> None:
        super().update_averages()
        self.teacher.update_parameters(self.network)

    def save_weights(self, iteration: int | str) -> None:
        """Write the student's file, and the teacher's as published beside it."""
        super().save_weights(iteration)
        path = checkpoint.weights_path(self.folder, type(self.network), iteration, ROLE)
        made = provenance(self.opt, self.step)
        checkpoint.save_weights(path, self.teacher.module.state_dict(), self.network.arguments, made)

    def state(self) -> dict[str, Any]:
        return super().state() | {"teacher": self.teacher.state_dict()}

    def load_state(self, state: dict[str, Any], path: Path) -> None:
        super().load_state(state, path)
        checkpoint.fit(self.teacher, weights_of(state, "teacher", path), path)
