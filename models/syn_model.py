"""Supervised training on synthetic brackets: BracketIRE (Zhang et al., ICLR 2025, section 3)."""

import torch

from models.base_model import BaseModel
from models.losses import mu_law_l1


class SynModel(BaseModel):
    """Packed raw brackets to one HDR raw image on the scale of the third bracket; mu-law L1 loss."""

    loss_names = ("mu_l1",)

    def compute_loss(self) -> torch.Tensor:
        loss = mu_law_l1(self.output, self.gt, self.white)
        self.losses["mu_l1"] = loss.detach()
        return loss
