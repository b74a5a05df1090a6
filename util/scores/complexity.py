"""What a network costs: parameters and multiply-adds."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def parameter_count(network: nn.Module) -> int:
    """Number of trainable values."""
    return sum(parameter.numel() for parameter in network.parameters())


def multiply_adds(network: nn.Module, shape: tuple[int, ...], **given: torch.Tensor) -> int:
    """Multiply-adds of one forward pass on frames of `shape` (N, T, C, H, W) and what else it is `given`.

    Counted are convolutions and matrix products with parameters, where all but a hundredth of a network's
    work is. Nothing is computed: call it with a network on the device "meta".
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.empty(shape, device="meta"), **given)
    return counter.get_total_flops() // 2
