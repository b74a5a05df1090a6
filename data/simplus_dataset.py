"""Simulated brackets of a quarter of the size with the full-size target, for BracketIRE+."""

from data.sim_dataset import SimDataset
from data.synplus_dataset import SynplusDataset


class SimplusDataset(SimDataset, SynplusDataset):
    """As `sim`, reduced x4 with exact registration; validation and test sets as in `synplus`."""
