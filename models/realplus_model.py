"""Self-supervised adaptation of BracketIRE+: the same with four times the resolution."""

import argparse

from models.real_model import RealModel


class RealplusModel(RealModel):
    """Real brackets to an HDR raw image of four times their size; adapts BracketIRE+ weights."""

    scale = 4

    @classmethod
    def modify_commandline_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> None:
        super().modify_commandline_options(parser, is_train)
        if is_train:
            parser.set_defaults(patch_size=64)
