"""What can be wrong with photographs that bursts for denoising are made of (`python -m data.check`)."""

from data.burst_denoise_train_dataset import PATCH
from data.checks.synburst_train_check import SynburstTrainCheck
from data.simulate.burst_noise import Geometry


class BurstDenoiseTrainCheck(SynburstTrainCheck):
    """Checks of a data set of class BurstDenoiseTrainDataset; a sample is a photograph."""

    needed = Geometry((PATCH, PATCH)).part[0]
    made_so = f"mirrored to {needed} for patches of {PATCH} px"
    smallest = 0.25
