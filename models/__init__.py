"""Training strategies, one per file, found by name. A model owns its networks, losses and optimizers."""

import argparse
import sys

from util import registry
from util.device import Place


def model_names() -> list[str]:
    """What `--model` takes."""
    return registry.names(sys.modules[__name__], "model")


def model_class(name: str) -> type:
    """Class <Name>Model of models/<name>_model.py; UserError if there is none."""
    return registry.find_class(sys.modules[__name__], "model", name)


def create_model(opt: argparse.Namespace, place: Place, channels: int | None = None):
    """`--model` on this process's device, for frames of so many planes (None: its own number)."""
    return model_class(opt.model)(opt, place, channels)
