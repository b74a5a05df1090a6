"""Flow to a fraction of a px: steps of Lucas and Kanade's method from a flow that is nearly right."""

import torch
import torch.nn.functional as F

from models.networks.parts.warp import warp

STEPS = 3
BLUR = 0.7  # px, standard deviation of the blur before gradients are taken
WINDOW = 5.0  # px, standard deviation of the neighbourhood that moves as one
LARGEST_STEP = 0.5  # px
STIFFNESS = 4.0  # texture that halves a step, in what noise alone gives


def refined(base: torch.Tensor, other: torch.Tensor, flow: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """A better flow (1, 2, H, W), in px, from images (1, 1, H, W): base at p is other at p + flow(p).

    Steps are small where there is little texture. `noise` is the variance of the noise of each image, ().
    """
    base, other = smoothed(base, BLUR), smoothed(other, BLUR)
    along_x, along_y = gradients(base)
    left = noise / (4 * torch.pi * BLUR**2)  # after the blur
    firm = STIFFNESS * left / 2 + 1e-12
    limit = 9 * left + 0.02 * base.square().mean()  # of a squared difference: more is not the same thing
    for _ in range(STEPS):
        difference = warp(other, flow, "border", mode="bicubic") - base
        trusted = 1 / (1 + difference.square() / limit)
        x, y = trusted * along_x, trusted * along_y
        products = (x * along_x, x * along_y, y * along_y, x * difference, y * difference)
        xx, xy, yy, right_x, right_y = smoothed(torch.cat(products), WINDOW).split(1)
        xx, yy = xx + firm, yy + firm
        step = torch.cat((yy * right_x - xy * right_y, xx * right_y - xy * right_x), dim=1)
        step = step / (xx * yy - xy * xy)
        flow = flow - step.clamp(-LARGEST_STEP, LARGEST_STEP)
    return flow


def gradients(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Central differences of images (N, 1, H, W), along x and y."""
    across = F.pad(image, (1, 1, 0, 0), mode="replicate")
    down = F.pad(image, (0, 0, 1, 1), mode="replicate")
    return (across[..., 2:] - across[..., :-2]) / 2, (down[..., 2:, :] - down[..., :-2, :]) / 2


def smoothed(images: torch.Tensor, deviation: float) -> torch.Tensor:
    """Gaussian blur of images (N, 1, H, W), whose edges are repeated."""
    reach = int(3 * deviation + 0.5)
    places = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    weights = torch.exp(-0.5 * (places / deviation) ** 2)
    weights = (weights / weights.sum()).view(1, 1, 1, -1)
    images = F.conv2d(F.pad(images, (reach, reach, 0, 0), mode="replicate"), weights)
    return F.conv2d(F.pad(images, (0, 0, reach, reach), mode="replicate"), weights.mT)
