"""A training strategy to copy: change the name and the loss, and it is known by its file's name.

`models/<name>_model.py` with class <Name>Model is `--model <name>`: nothing else must be registered. Any
network (`--net`) and any data set (`--dataset_name`) whose planes fit can be used with it.
"""

import argparse

import torch

from models.base_model import BaseModel
from models.losses import mu_law_l1


class TemplateModel(BaseModel):
    """Supervised: mu-law L1 as for BracketIRE, plus an L1 loss on linear values.

    The base class makes the network and the optimizer, loads and saves weights, and goes through the
    precisions, processes and tiles. A strategy with two networks, a teacher or another optimizer overrides
    `build`, `prepare_training`, `state` and `load_state` as well: see `real_model.py`.
    """

    # Names of what `compute_loss` leaves in `self.losses`: they appear in the log and in TensorBoard.
    loss_names = ("mu_l1", "linear_l1")
    # Keys of a sample that it learns from, and the factor of super-resolution.
    targets = ("gt",)
    scale = 1
    # Network where --net names none.
    default_net = "tmrnet"

    @classmethod
    def modify_commandline_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> None:
        """Options of this strategy alone (they appear in -h once it is named); defaults by set_defaults."""
        super().modify_commandline_options(parser, is_train)
        if is_train:
            parser.add_argument(
                "--linear_weight", type=float, default=0.1, help="weight of the linear L1 loss"
            )

    def set_input(self, sample: dict) -> None:
        """Take a batch as the data set yields it: to the device, and as the network wants it.

        The base class does just this, so that a strategy which needs no more can leave it out.
        """
        self.frames = self.normalised(sample)  # (N, T, C, H, W), divided by the exposures
        self.given = self.carried(sample)  # what some networks ask for besides
        self.gt = sample["gt"].to(self.place.device, non_blocking=True)  # (N, C, sH, sW)

    def forward(self) -> None:
        """Run the network, through `parallel`: that is what shares gradients between processes."""
        self.output = self.parallel(self.frames, **self.given)

    def compute_loss(self) -> torch.Tensor:
        """What is minimised, a scalar. train.py calls backward and steps the optimizer."""
        mu_l1 = mu_law_l1(self.output, self.gt, self.white)
        linear_l1 = (self.output - self.gt).abs().mean()
        self.losses = {"mu_l1": mu_l1.detach(), "linear_l1": linear_l1.detach()}
        return mu_l1 + self.opt.linear_weight * linear_l1
