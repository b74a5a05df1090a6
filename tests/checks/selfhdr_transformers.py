"""Golden checks of HDR-Transformer and SCTNet under the published weights' stand-ins."""

from functools import partial

import numpy as np
import torch

from models.networks import create_network
from tests.checks.tmrnet import load_published, published_state


@torch.no_grad()
def _check(data, name: str, part: str) -> None:
    state = published_state(data)
    network = create_network(name)
    parameters = dict(network.named_parameters())
    assert list(state) == list(parameters)
    pairs = torch.from_numpy(np.stack([data[f"input{i}"] for i in range(3)], axis=1))
    output = getattr(load_published(network, state), part)(pairs)
    assert output.shape == data["output"].shape
    np.testing.assert_allclose(output.numpy(), data["output"], rtol=0, atol=1e-5)


CHECKS = {
    "selfhdr_hdr_transformer": partial(_check, name="hdr_transformer", part="restore_pairs"),
    "selfhdr_hdr_transformer_padded": partial(_check, name="hdr_transformer", part="restore_padded"),
    "selfhdr_sctnet": partial(_check, name="sctnet", part="restore_pairs"),
    "selfhdr_sctnet_padded": partial(_check, name="sctnet", part="restore_padded"),
}
