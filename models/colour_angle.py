"""The loss of SVEHDRI: absolute error and the angle between colours."""

import torch

from util.imaging.tonemap import mu_law

ANGLE_WEIGHT = 0.1
TINY = 1e-12
DOMAINS = ("linear", "mu_law")


def colour_angle_loss(
    output: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None, domain: str = DOMAINS[0]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The two terms of the loss, mean |O - G| and mean |cos(O, G) - 1|; their sum is l1 + 0.1 angle.

    SVEHDRI specification, section 5. The lengths of colours are sqrt(sum of squares + 1e-12), so that the
    gradient is finite where the output is black. Where the target is black there is no angle: such px are
    left out of that term.

    Args:
        output, target: linear light (N, 3, H, W). valid: (N, 1, H, W), px of which both terms are means,
            weighted by it; None = all.
        domain: of the difference: "linear", as published, or "mu_law" (mu 5000, odd, so that what is below 0
            has a gradient too).

    Returns:
        l1, angle: scalars; 0 where there are no px.
    """
    output, target = output.float(), target.float()
    weight = torch.ones_like(target[:, :1]) if valid is None else valid.to(target)
    shown = [_odd_mu_law(image) if domain == "mu_law" else image for image in (output, target)]
    difference = (shown[0] - shown[1]).abs().mean(1, keepdim=True)
    product = (output * target).sum(1, keepdim=True)
    lengths = _length(output) * _length(target)
    angle = (product / (lengths + TINY) - 1).abs()
    seen = weight * (target != 0).any(1, keepdim=True)
    return _mean(difference, weight), _mean(angle, seen)


def _odd_mu_law(light: torch.Tensor) -> torch.Tensor:
    return light.sign() * mu_law(light.abs())


def _length(colours: torch.Tensor) -> torch.Tensor:
    """Lengths (N, 1, H, W) of colours (N, 3, H, W)."""
    return (colours.square().sum(1, keepdim=True) + TINY).sqrt()


def _mean(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return (values * weight).sum() / weight.sum().clamp(min=TINY)
