"""Parts of a network, such as its optical flow, that begin with published weights."""

import argparse
from collections.abc import Callable

from torch import nn

from util import checkpoint
from util.errors import UserError


def load_pretrained_parts(network: nn.Module, opt: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Fill parts of a new network from the files that options name, and say what starts afresh.

    Raises:
        UserError: a file is missing, damaged, or does not fit; a part that is not learnt has none.
    """
    for part, rename in getattr(network, "pretrained_parts", {}).items():
        path = getattr(opt, f"{part}_path")
        module = getattr(network, "part", network.get_submodule)(part)
        if module is None and path and getattr(opt, "sca_flow", None) != part:  # which reads the file too
            raise UserError(f"--{part}_path: this {type(network).__name__}, by its options, has no {part}")
        if module is None:
            continue
        if path is None and not any(parameter.requires_grad for parameter in module.parameters()):
            raise UserError(f"{part} is not learnt here: give its published weights, --{part}_path FILE")
        if path is None:
            say(f"no --{part}_path: {part} starts from scratch, like the rest of the network")
            continue
        state, _ = checkpoint.load_weights(path)
        buffers = [name for name, _ in module.named_buffers()]
        checkpoint.fit(module, {rename(name): value for name, value in state.items()}, path, buffers)
        say(f"{part} from {path}")
