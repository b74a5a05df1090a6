"""Data sets: one file per layout, found by name."""

import argparse
import sys
from typing import TYPE_CHECKING

from util import registry

if TYPE_CHECKING:  # it imports this
    from data.base_dataset import BaseDataset


def dataset_names() -> list[str]:
    """What `--dataset_name` takes."""
    return registry.names(sys.modules[__name__], "dataset")


def dataset_class(name: str) -> type["BaseDataset"]:
    """Class <Name>Dataset of data/<name>_dataset.py; UserError if there is none."""
    return registry.find_class(sys.modules[__name__], "dataset", name)


def create_dataset(opt: argparse.Namespace, split: str) -> "BaseDataset":
    """Open `--dataset_name` for split "train", "val" or "test". No image is read."""
    return dataset_class(opt.dataset_name)(opt, split)
