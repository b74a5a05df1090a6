"""Compiling networks by torch.compile, part by part."""

import os
import shutil

from torch import nn

from util.errors import UserError


def compile_network(network: nn.Module, frozen: bool) -> None:
    """Compile a network's parts, or all of it if it names no kind of them as its `compiled_parts`.

    Parts are chains of convolutions, where the time goes; each takes seconds. Whole networks that repeat them
    for each frame, with flow in between, take many minutes.

    Args:
        frozen: the weights will not change: they are packed, and what follows a convolution is fused with it.
            For the CPU.

    Raises:
        UserError: there is no C++ compiler for what is `frozen`.
    """
    if frozen and not any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "clang++", "cl")):
        raise UserError("--compile True: no C++ compiler is installed (g++), which PyTorch needs for it")
    kinds = getattr(network, "compiled_parts", ())
    parts = [part for part in network.modules() if isinstance(part, kinds)] if kinds else [network]
    for part in parts:
        part.compile(options={"freezing": True} if frozen else None)
