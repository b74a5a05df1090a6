"""Golden checks of HDR-Transformer and SCTNet under the published weights' stand-ins."""

from functools import partial

import numpy as np
import torch

from models.networks import create_network
from tests.checks.selfhdr_networks import check_forward, golden_pairs
from tests.checks.tmrnet import load_published, published_state


@torch.no_grad()
def _check(data, name: str, part: str) -> None:
    state = published_state(data)
    network = create_network(name)
    parameters = dict(network.named_parameters())
    assert list(state) == list(parameters)
    output = getattr(load_published(network, state), part)(golden_pairs(data))
    assert output.shape == data["output"].shape
    np.testing.assert_allclose(output.numpy(), data["output"], rtol=0, atol=1e-5)
    network.training = part == "restore_pairs"  # only in training sides of whole windows are not padded
    check_forward(network, data)


CHECKS = {
    "selfhdr_hdr_transformer": partial(_check, name="hdr_transformer", part="restore_pairs"),
    "selfhdr_hdr_transformer_padded": partial(_check, name="hdr_transformer", part="restore_padded"),
    "selfhdr_sctnet": partial(_check, name="sctnet", part="restore_pairs"),
    "selfhdr_sctnet_padded": partial(_check, name="sctnet", part="restore_padded"),
}
