"""The synthetic BracketIRE+ data set: the same scenes, with inputs of a quarter of the size."""

import argparse

from data.syn_dataset import SynDataset
from util.task import Task


class SynplusDataset(SynDataset):
    """Brackets from x4/ and the full-size target, with the published margins and crops."""

    task = Task(scale=4, mosaic=False)
    inputs = "x4"
    margin = 4
    validation_rows = validation_columns = slice(4, 132)
    test_margin = 2

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> None:
        SynDataset.modify_commandline_options(parser, is_train)
        if is_train:
            parser.set_defaults(patch_size=64)
