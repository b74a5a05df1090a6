"""SyntheticBurst: bursts to score super-resolution on (DeepRep specification, section 6)."""

from data.base_dataset import BaseDataset
from util.task import Task


class SynburstDataset(BaseDataset):
    """Small."""

    border = 40
    task = Task(channels=4, white=1.0, reference=0, result_channels=3, scale=8, bracketed=False)
    scores = "linear14"
    frame_num = 14
