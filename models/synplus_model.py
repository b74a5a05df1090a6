"""Supervised training of BracketIRE+: the same with four times the resolution."""

from models.syn_model import SynModel


class SynplusModel(SynModel):
    """Brackets of a quarter of the size to the full-size HDR raw image; starts from BracketIRE weights."""

    scale = 4
