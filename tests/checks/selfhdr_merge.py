"""Golden checks of the colour component: network inputs, merge weights and the merged light."""

import numpy as np
import torch
from numpy.testing import assert_allclose

from data.alignment.color_merge import colour_component, merge_weights
from data.reading.ldr_frames import LINEAR
from models.networks.parts.exposure_pairs import exposure_pairs


def check_merge(data) -> None:
    coded = np.stack([data[f"frame{number}"] for number in range(3)]).transpose(0, 3, 1, 2)
    frames = LINEAR[coded]
    exposure = np.exp2(data["exposure_values"]).astype(np.float32)
    light = torch.from_numpy(frames / exposure[:, None, None, None])
    pairs = exposure_pairs(light[None], torch.from_numpy(exposure)[None])[0]
    weights = merge_weights(coded[1] / np.float32(1 << 16))
    for number in range(3):
        assert_allclose(pairs[number], data[f"packed{number}"], atol=1e-6)
        assert_allclose(weights[number], data[f"weight{number}"], atol=1e-6)
    assert_allclose(colour_component(frames, exposure), data["merged"], atol=1e-6)


CHECKS = {"selfhdr_merge": check_merge}
