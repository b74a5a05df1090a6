"""Parts of a network, such as its optical flow, that begin with published weights."""

import argparse
from collections.abc import Callable

from torch import nn

from util import checkpoint


def load_pretrained_parts(network: nn.Module, opt: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Fill parts of a new network from the files that options name, and say what starts afresh.

    Raises:
        UserError: a file is missing, damaged, or does not fit.
    """
    for part, rename in getattr(network, "pretrained_parts", {}).items():
        path = getattr(opt, f"{part}_path")
        if path is None:
            say(f"no --{part}_path: {part} starts from scratch, like the rest of the network")
            continue
        state, _ = checkpoint.load_weights(path)
        module = network.get_submodule(part)
        buffers = [name for name, _ in module.named_buffers()]
        checkpoint.fit(module, {rename(name): value for name, value in state.items()}, path, buffers)
        say(f"{part} from {path}")
