"""Compiling networks by torch.compile, part by part."""

import os
import shlex
import shutil
import sys

import torch
from torch import nn

from util.errors import UserError

GRAPHS = 64  # of the code that parts share: each is compiled for the first size of frames, and for any other
COMPILERS = {"darwin": "clang++", "win32": "cl"}  # that PyTorch looks for; elsewhere g++


def compile_network(network: nn.Module, device: torch.device, learns: bool) -> None:
    """Compile a network's parts, or all of it if it names no kind of them as its `compiled_parts`.

    Parts are chains of convolutions, where the time goes; each takes seconds. Whole networks that repeat them
    for each frame, with flow in between, take many minutes. Weights of a network on the CPU that does not
    learn are frozen, for all that this process compiles without gradients: they are packed, and what follows
    a convolution is fused with it. They must not change after the first call.

    Raises:
        UserError: there is no C++ compiler, which the CPU needs.
    """
    if device.type == "cpu":
        compiler = shlex.split(os.environ.get("CXX") or COMPILERS.get(sys.platform, "g++"))[0]
        if shutil.which(compiler) is None:
            raise UserError(f"--compile True: no C++ compiler ({compiler}) is installed, which PyTorch needs")
        torch._inductor.config.freezing = not learns
    torch._dynamo.config.recompile_limit = GRAPHS
    kinds = getattr(network, "compiled_parts", ())
    for part in [part for part in network.modules() if isinstance(part, kinds)] if kinds else [network]:
        part.compile()
