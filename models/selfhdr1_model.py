"""Stage 1 of SelfHDR (Zhang et al., ICLR 2024): the structure network. SelfHDR specification, 4."""

import argparse

import torch

from models.losses import expansion_mask, masked_l1, preserving_mask
from models.selfhdr import SelfhdrModel, gamma_coded
from util.parser import amount


class Selfhdr1Model(SelfhdrModel):
    """The merge of aligned frames teaches where it does not contradict the reference frame, the reference
    frame where it is well exposed: so structure grows into what is black or clipped, without ghosts.
    """

    loss_names = ("expansion", "preserving")
    targets = ("color_label",)

    @classmethod
    def modify_commandline_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> None:
        super().modify_commandline_options(parser, is_train)
        if is_train:
            parser.add_argument(
                "--preserve_weight", type=amount, default=4.0, help="of the loss against the reference frame"
            )

    def take_reference(self, measured: torch.Tensor) -> None:
        self.preserving = preserving_mask(gamma_coded(measured))

    def compute_loss(self) -> torch.Tensor:
        """L_expand + preserve_weight * L_preserve (SelfHDR specification, 4.2)."""
        label, reference = self.labels["color_label"], self.frames[:, self.task.reference]
        mask = expansion_mask(label, reference, self.preserving)
        expansion = masked_l1(self.output, label, mask)
        preserving = masked_l1(self.output, reference, self.preserving)
        self.losses = {"expansion": expansion.detach(), "preserving": preserving.detach()}
        return expansion + self.opt.preserve_weight * preserving
