"""Flow from one of the frames of a bracket to the others, and what merging gains by it."""

import numpy as np
import pytest
import torch

from models.networks import create_network
from models.networks.flow import dis_flow
from models.networks.flow.dis_flow import chained_flow
from tests.test_exposure_merge import EXPOSURE, READ, SHOT, SIZE, error, measured, merge, moved, scene


def flow_of(light: torch.Tensor, reference: int = 0) -> torch.Tensor:
    """Flow (T-1, 2, H, W) that is found in noisy frames of light (T, C, H, W)."""
    frames = measured(light, black=False)[0].mean(1)
    shot, read = (torch.full((5,), level / light.shape[1]) for level in (SHOT, READ))
    return chained_flow(frames, EXPOSURE, shot, read, reference)


@pytest.mark.parametrize("reference", [0, 2, 4])
def test_flow_of_a_shaken_camera(reference: int) -> None:
    """Composed over the frames, under the noise of night brackets."""
    light = scene(0.1, 0.5, detail=3.0)
    steps = [(0, 0), (1, 0), (3, -2), (4, -5), (9, -6)]
    flow = flow_of(torch.stack([moved(light, -x, -y) for x, y in steps]), reference)
    start = torch.tensor(steps.pop(reference))
    for found, expected in zip(flow, steps, strict=True):
        inside = found[:, 16:-16, 16:-16]
        assert (inside - (torch.tensor(expected) - start).view(2, 1, 1)).norm(dim=0).mean() < 0.4


def test_what_becomes_hidden_does_not_move() -> None:
    """A square moves 6 px over a still background: what it covers does not follow it (5.8 px if it did)."""
    background, square = (
        scene(level, 0.4, channels=3, detail=2.0, seed=seed) for level, seed in ((0.1, 0), (0.25, 9))
    )
    light = background.repeat(5, 1, 1, 1)
    for i in range(5):
        left = 30 + 6 * min(i, 1)
        light[i, :, 30:66, left : left + 36] = square[:, 30:66, 30:66]
    flow = flow_of(light)[0]
    assert flow[:, 34:62, 66:72].norm(dim=0).mean() < 2
    assert flow[0, 36:60, 36:60].mean() > 5


def test_no_large_motion_is_seen_in_noise() -> None:
    assert flow_of(torch.full((5, 4, *SIZE), 0.02)).norm(dim=1).mean() < 0.8


def test_alignment_makes_the_difference() -> None:
    light = scene(0.1, 0.4)
    frames = measured(torch.stack([moved(light, -2 * i, i) for i in range(5)]))
    network = create_network("exposure_merge")
    with torch.inference_mode():
        known = network.whole_frame(frames, EXPOSURE[None])
        still = network(frames, EXPOSURE[None], **known | {"flow": 0 * known["flow"]})[0]
    assert error(merge(frames), light) < 0.7 * error(still, light)


def test_a_flow_back_is_looked_for_only_where_there_is_one_to_confirm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = []
    monkeypatch.setattr(dis_flow, "dis_between", lambda *views: found.append(views) or still)
    still = np.zeros((*SIZE, 2), np.float32)
    light = scene().mean(0).expand(3, -1, -1)
    exposure = torch.tensor([1.0, 2.0, 4.0])
    assert not chained_flow(light, exposure, torch.full((3,), SHOT), torch.full((3,), READ)).any()
    assert len(found) == 2
