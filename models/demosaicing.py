"""The demosaicers that `--demosaic` names."""

import argparse
from pathlib import Path

import torch

from models.networks.parts.demosaic_net import DemosaicNet, NetworkDemosaicer
from util import checkpoint
from util.device import Place
from util.imaging.demosaic import Demosaicer, bilinear, menon


def create_demosaicer(opt: argparse.Namespace, place: Place) -> Demosaicer:
    """What `--demosaic` names."""
    if opt.demosaic == "net":
        return load_demosaicer(opt.demosaic_weights, place.device)
    return {"bilinear": bilinear, "menon": menon}[opt.demosaic]


def load_demosaicer(path: str | Path, device: str | torch.device = "cpu") -> NetworkDemosaicer:
    """The demosaicing network with the weights of a file: a state dict or {'state_dict': ...}.

    Raises:
        UserError: the file is missing, is not a file of weights, or holds the weights of another network.
    """
    state, _ = checkpoint.load_weights(path)
    network = DemosaicNet()
    checkpoint.fit(network, state, path)
    return NetworkDemosaicer(network.to(device))
