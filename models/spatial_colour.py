"""A result aligned in place and colour to the ground truth of another camera (Deep-Rep specification, 8)."""

import argparse
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F

from models.networks.flow.dis_pairs import DisFlow
from models.networks.flow.pwcnet import PWCNet
from models.networks.parts.warp import warp
from util import checkpoint
from util.errors import UserError

FLOWS = ("dis", "pwcnet")
KERNEL, SIGMA = 7, 1.5  # px of the Gaussian by which colours are smoothed before they are fitted
BORDER = 5  # packed px on each side that the fit leaves out
COLOUR_ERROR = 20 / 255  # of the fitted colours, from which on a pixel is not valid
VALID = 0.9  # share of valid neighbours that a pixel of the result needs

# Pictures (N, 3, H, W) -> flow (N, 2, H, W) in px on the target's grid: warp(source, flow) shows the target.
Flow = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Aligned(NamedTuple):
    """A result moved and recoloured to its ground truth, (N, 3, H, W), and where it may be compared with it.

    `mask` is bool (N, 1, H, W).
    """

    image: torch.Tensor
    mask: torch.Tensor


def align(output: torch.Tensor, target: torch.Tensor, burst: torch.Tensor, flow: Flow) -> Aligned:
    """The output (N, 3, s h, s w), linear camera RGB, aligned to the target of another camera (same shape).

    Gradients reach the output through its warp and the colours that it is given; the flow, the colour matrix
    and the mask have none.

    Args:
        burst: (N, T, 4, h, w), planes R, G, G, B of the linear frames; the base is the first.

    Raises:
        UserError: the frames are too small for the border that the fit leaves out.
    """
    if min(burst.shape[-2:]) <= 2 * BORDER:
        size = f"{burst.shape[-1]}x{burst.shape[-2]}"
        raise UserError(f"alignment needs frames of more than {2 * BORDER} packed px on a side, got {size}")
    output, target = output.float(), target.float()
    with torch.no_grad():
        found = flow(output / (output.max() + 1e-6), target / (target.max() + 1e-6)).detach().float()
        matrix, valid = _colours(burst[:, 0].float(), target, found)
        mask = F.interpolate(valid, size=output.shape[-2:], mode="bilinear", align_corners=False) > VALID
    return Aligned(_recoloured(warp(output, found), matrix), mask)


def _colours(base: torch.Tensor, target: torch.Tensor, flow: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The matrices (N, 3, 3) that turn the base's colours, as rows, into the target's, and where they do.

    Args:
        base: planes (N, 4, h, w). target: (N, 3, s h, s w). flow: (N, 2, s h, s w), of the target's grid.

    Returns:
        matrices, and float (N, 1, h, w): 1 where a smoothed colour is met, 0 elsewhere and at the border.
    """
    size = base.shape[-2:]
    small, flow = (F.interpolate(x, size=size, mode="bilinear", align_corners=False) for x in (target, flow))
    ratio = flow.new_tensor([size[1] / target.shape[-1], size[0] / target.shape[-2]]).view(1, 2, 1, 1)
    moved = warp(base[:, [0, 1, 3]], flow * ratio)
    inner = slice(BORDER, -BORDER)
    base_rgb, wanted = (_smoothed(x)[..., inner, inner] for x in (moved, small))
    b, y = (x.flatten(2).transpose(1, 2).double() for x in (base_rgb, wanted))  # (N, px, 3)
    # By the pseudo-inverse: colours that are all alike, black say, have no unique matrix.
    products, wishes = (b.mT @ other for other in (b, y))
    # What is not finite shows in the loss, by which training leaves the step out; here it would be an error.
    matrix = (torch.linalg.pinv(products.nan_to_num(), hermitian=True) @ wishes).float()
    error = torch.linalg.vector_norm(_recoloured(base_rgb, matrix) - wanted, dim=1, keepdim=True)
    return matrix, F.pad((error < COLOUR_ERROR).float(), [BORDER] * 4)


def _smoothed(images: torch.Tensor) -> torch.Tensor:
    """Images (N, C, H, W) after a Gaussian, with their borders reflected."""
    places = torch.arange(KERNEL, device=images.device, dtype=torch.float32) - KERNEL // 2
    weights = torch.exp(-(places**2) / (2 * SIGMA**2))
    weights, channels = weights / weights.sum(), images.shape[1]
    padded = F.pad(images, [KERNEL // 2] * 4, mode="reflect")
    for shape in ((1, 1, KERNEL, 1), (1, 1, 1, KERNEL)):
        padded = F.conv2d(padded, weights.view(shape).expand(channels, -1, -1, -1), groups=channels)
    return padded


def _recoloured(images: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Images (N, 3, H, W) whose colours, as rows, are multiplied by matrices (N, 3, 3)."""
    return torch.einsum("nchw,ncd->ndhw", images, matrix)


def create_align(
    opt: argparse.Namespace, device: torch.device, kind: str
) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor], Aligned] | None:
    """`align` by the flow of the options, where the scores are of the kind "aligned"; else None.

    Raises:
        UserError: as `create_flow`; or options ask for a flow and nothing is aligned.
    """
    if kind == "aligned":
        return partial(align, flow=create_flow(opt, device))
    if getattr(opt, "sca_flow", "dis") != "dis" and getattr(opt, "burst_loss", "l1") != "aligned":
        raise UserError(f"--sca_flow {opt.sca_flow}: --dataset_name {opt.dataset_name} is scored as it is")
    return None


def create_flow(opt: argparse.Namespace, device: torch.device) -> Flow:
    """The flow that `--sca_flow` names; PWC-Net, as published, with the weights of `--pwcnet_path`.

    Raises:
        UserError: PWC-Net without a file of weights, or one that does not fit.
    """
    if getattr(opt, "sca_flow", "dis") == "dis":  # --model deeprep has the option
        return _dis
    if not getattr(opt, "pwcnet_path", None):  # of networks that have one
        raise UserError(
            "--sca_flow pwcnet needs its weights: give --pwcnet_path FILE, or take --sca_flow dis"
        )
    network = PWCNet()
    state, _ = checkpoint.load_weights(opt.pwcnet_path)
    state = {network.published_name(name): value for name, value in state.items()}
    checkpoint.fit(network, state, opt.pwcnet_path)
    return network.eval().to(device)


def _dis(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Flow by DIS between pictures (N, 3, H, W) that may differ in brightness."""
    brighter = target.mean((1, 2, 3), keepdim=True) / source.mean((1, 2, 3), keepdim=True).clamp(min=1e-6)
    return DisFlow()(source * brighter, target)
