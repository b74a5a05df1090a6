"""Supervised training on synthetic brackets: BracketIRE (Zhang et al., ICLR 2025, section 3)."""

import argparse

import torch

from models.base_model import BaseModel
from models.losses import mu_law_l1, mu_law_log_mse


class SynModel(BaseModel):
    """Packed raw brackets to one HDR raw image on the scale of the third bracket; mu-law loss."""

    loss_names = ("mu_l1",)

    @classmethod
    def modify_commandline_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> None:
        super().modify_commandline_options(parser, is_train)
        if is_train:
            parser.add_argument(
                "--loss",
                choices=("l1", "psnr"),
                default="l1",
                help="in the mu-law domain: mean absolute error, as published, or mean PSNR of the patches",
            )

    def compute_loss(self) -> torch.Tensor:
        mu_l1 = mu_law_l1(self.output, self.gt, self.white)
        self.losses["mu_l1"] = mu_l1.detach()
        return mu_l1 if self.opt.loss == "l1" else mu_law_log_mse(self.output, self.gt, self.white)
