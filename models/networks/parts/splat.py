"""The adjoint of bilinear warping: values are scattered to where warping takes them from."""

import torch

from models.networks.parts.warp import sampling_grid

BILINEAR, ZEROS = 0, 0  # of PyTorch's sampling


def splat(values: torch.Tensor, flow: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The v of <warp(image, flow), values> = <image, v> for all images (N, C, H, W) of `size`.

    Its derivative by the values is warping, by the flow that of warping what comes back (Deep-Rep
    specification, 1.5): gradients are exact.

    Args:
        values: (N, C, h, w), on the grid of the flow. flow: (N, 2, h, w) in px, x first, into the image.

    Returns:
        (N, C, H, W); what the flow leads outside of the image is lost.
    """
    return _Splat.apply(values.float(), sampling_grid(flow, size), size)


class _Splat(torch.autograd.Function):
    """The same by the backward pass of sampling, which is this by itself."""

    @staticmethod
    def forward(ctx, values: torch.Tensor, grid: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        ctx.save_for_backward(values, grid)
        return _sampling_backward(values, values.new_empty(1).expand(*values.shape[:2], *size), grid, True)[0]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        values, grid = ctx.saved_tensors
        by_values, by_grid = None, None
        if ctx.needs_input_grad[0]:
            by_values = torch.grid_sampler_2d(upstream, grid, BILINEAR, ZEROS, True)
        if ctx.needs_input_grad[1]:
            by_grid = _sampling_backward(values, upstream, grid, False)[1]
        return by_values, by_grid, None


def _sampling_backward(
    upstream: torch.Tensor, image: torch.Tensor, grid: torch.Tensor, by_image: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients of sampling (N, C, H, W) along a grid (N, h, w, 2), one of which may not be made."""
    return torch.ops.aten.grid_sampler_2d_backward(
        upstream, image, grid, BILINEAR, ZEROS, True, [by_image, True]
    )
