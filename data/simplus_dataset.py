"""Simulated brackets of a quarter of the size with the full-size target, for BracketIRE+."""

import argparse

from data.sim_dataset import SimDataset
from data.synplus_dataset import SynplusDataset


class SimplusDataset(SimDataset, SynplusDataset):
    """As `sim`, reduced x4 with exact registration; validation and test sets as in `synplus`."""

    @staticmethod
    def modify_commandline_options(parser: argparse.ArgumentParser, is_train: bool) -> None:
        SimDataset.modify_commandline_options(parser, is_train)
        if is_train:
            parser.set_defaults(patch_size=64)
