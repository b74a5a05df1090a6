"""Averages of weights that follow a network in training."""

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def weight_average(network: nn.Module, decay: float) -> AveragedModel:
    """A copy of a network whose parameters become decay * copy + (1 - decay) * network at every update."""
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay))
    average.n_averaged.fill_(1)  # at 0 the first update would copy the network
    return average
