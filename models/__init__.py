"""Training strategies, one per file, found by name. A model owns its networks, losses and optimizers."""

import argparse
import sys
from typing import TYPE_CHECKING

from util import registry
from util.task import Task

if TYPE_CHECKING:
    from models.base_model import BaseModel
    from util.device import Place


def model_names() -> list[str]:
    """What `--model` takes."""
    return registry.names(sys.modules[__name__], "model")


def model_class(name: str) -> "type[BaseModel]":
    """Class <Name>Model of models/<name>_model.py; UserError if there is none."""
    return registry.find_class(sys.modules[__name__], "model", name)


def create_model(opt: argparse.Namespace, place: "Place", task: Task) -> "BaseModel":
    """`--model` on this process's device, for the frames of a data set."""
    return model_class(opt.model)(opt, place, task)
