"""Losses on linear HDR images."""

import torch

from util.tonemap import mu_law


def mu_law_l1(output: torch.Tensor, target: torch.Tensor, white: float = 16.0) -> torch.Tensor:
    """Mean |M(max(O/white, 0)) - M(clip(G/white, 0, 1))|, M = mu-law with mu 5000 (BracketIRE, section 3).

    The output is not clipped from above, so that values over `white` are pulled back.
    """
    output, target = output.float() / white, target.float() / white
    return (mu_law(output.clamp(min=0)) - mu_law(target.clamp(0, 1))).abs().mean()
