"""The synthetic BracketIRE+ data set: the same scenes, with inputs of a quarter of the size."""

from data.syn_dataset import SynDataset


class SynplusDataset(SynDataset):
    """Brackets from x4/ and the full-size target, with the published margins and crops."""

    scale = 4
    inputs = "x4"
    margin = 4
    validation_rows = validation_columns = slice(4, 132)
    test_margin = 2
