"""Times the networks of exposure diffusion against plain transcriptions, and measures their memory."""

import resource
from collections.abc import Callable
from functools import partial

import torch

from models.networks import create_network
from models.networks.parts.estimator import COUNTS
from tests.bench.published_estimators import PlainNAFNet, PlainUNet
from tests.golden.published_weights import fill_value
from util.device import convert_channels_last, keep_memory

PLAIN = {"unet": PlainUNet, "nafnet": PlainNAFNet}
GAINS = {"unet": 1.4, "nafnet": 0.8}  # of weights, so that every part matters
FRAME = (1424, 2128)  # packed px of a full-frame camera
RATIO, ADU_PER_ELECTRON, REACHED = 100.0, 1.5, 34.0


def estimators(name: str, size: tuple[int, int]) -> dict[str, Callable[[], torch.Tensor]]:
    """An evaluation by the published way and by ours, of one frame with photon map, adaptive head."""
    plain, ours = PLAIN[name](8), create_network(name, with_photon=True, adaptive_res_and_x0=True)
    for network in (plain.eval(), ours.eval()):
        for key, parameter in network.named_parameters():
            parameter.data = torch.from_numpy(fill_value(key, tuple(parameter.shape), GAINS[name]))
    convert_channels_last(ours)
    z = torch.rand(1, 4, *size, generator=torch.Generator().manual_seed(0))
    known = {"gain": torch.tensor([[ADU_PER_ELECTRON / COUNTS]]), "ratio": torch.tensor([[RATIO]])}
    known["reached"] = torch.tensor([REACHED])

    def published() -> torch.Tensor:
        return plain(torch.cat((z, z * (REACHED / (RATIO * ADU_PER_ELECTRON))), dim=1))

    return {"published": published, "ours": partial(ours, z[:, None], **known)}


@torch.no_grad()
def peak(name: str, variant: str) -> int:
    """By how many bytes an evaluation of a full frame raises the peak memory of this process."""
    keep_memory()
    estimators(name, (32, 32))[variant]()
    evaluate = estimators(name, FRAME)[variant]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    evaluate()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
