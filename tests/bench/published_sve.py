"""A plain transcription of SVENet, as the SVEHDRI specification (4) states it, NCHW and in whole maps.

For comparisons of speed and memory: eight strided convolutions whose results are interleaved, and
activations in place, as published.
"""

import torch
import torch.nn.functional as F

State = dict[str, torch.Tensor]


def convolved(state: State, name: str, x: torch.Tensor) -> torch.Tensor:
    """A 3x3 convolution by the name of its parameters."""
    return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)


def varying(state: State, name: str, plane: torch.Tensor) -> torch.Tensor:
    """4.1: the eight convolutions with stride (4, 2), each on the input shifted to its phase."""
    height, width = plane.shape[-2:]
    weight = state[f"{name}.conv_first1.weight"]
    result = plane.new_zeros(len(plane), len(weight), height, width)
    padded = F.pad(plane, (2, 3, 2, 5))  # so that the smallest planes have each phase
    for phase in range(8):
        row, column = divmod(phase, 2)
        weight, bias = (state[f"{name}.conv_first{phase + 1}.{key}"] for key in ("weight", "bias"))
        own = result[..., row::4, column::2]
        part = F.conv2d(padded[..., row:, column:], weight, bias, stride=(4, 2))
        own.copy_(part[..., : own.shape[-2], : own.shape[-1]])
    return result


def published_forward(state: State, radiance: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """4.2: radiance and mask (N, 1, H, W) -> (N, 3, H, W)."""
    a = varying(state, "conv_first_Res", radiance)
    g = varying(state, "conv_first_Com.0", radiance * mask)
    g = convolved(state, "conv_first_Com.1", g)
    g = convolved(state, "conv_first_Com.3", F.leaky_relu(g, 0.1, inplace=True))
    for number in range(sum(name.endswith(".beta") for name in state)):
        block = f"sft_branch.{number}"
        g = F.leaky_relu(convolved(state, f"{block}.conv0_com", g), 0.1, inplace=True)
        g = convolved(state, f"{block}.conv1_com", g)
        hidden = F.relu(convolved(state, f"{block}.conv0_res", a), inplace=True)
        a = a + convolved(state, f"{block}.conv1_res", hidden) + state[f"{block}.beta"] * g
    hidden = F.leaky_relu(convolved(state, "conv_last.0", a), 0.1, inplace=True)
    return convolved(state, "conv_last.2", hidden)
