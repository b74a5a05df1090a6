"""What a data set asks of a network: impossible pairs, what samples carry, crops and tiles in phase."""

import argparse

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_array_equal
from torch import nn

import models.networks
from data.draws import random_corner
from models import create_model
from models.networks import network_class, network_names
from models.pairing import refusal
from tests.test_network_arguments import CPU, options
from util.errors import UserError
from util.task import CARRIED, Task
from util.tiling import restore

MOSAIC = Task(channels=1, result_channels=3, period=(4, 2), carries=("mask",))


class Mosaic(nn.Module):
    """Tells the rows and columns of a mosaic apart, and needs its mask."""

    planes, scales, period = (1,), (1,), (4, 2)

    def __init__(self, in_channels: int = 1, out_channels: int = 3, scale: int = 1) -> None:
        super().__init__()

    def forward(
        self, frames: torch.Tensor, mask: torch.Tensor, noise_map: torch.Tensor | None = None
    ) -> torch.Tensor:
        height, width = frames.shape[-2:]
        rows, columns = torch.arange(height)[:, None] % 4, torch.arange(width) % 2
        seen = frames[:, 0] * mask + (0 if noise_map is None else noise_map[:, 0])
        around = F.avg_pool2d(F.pad(seen, (2, 2, 2, 2), "reflect"), 5, 1)
        return (around * (1 + rows + 10 * columns)).expand(-1, 3, -1, -1)


WITH_OWN_PLANES = ("burst_merge", "deeprep_denoise", "svenet", "row_merge", "sve_residual")  # and scales


@pytest.fixture
def mosaic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Network `mosaic`, as if a file of models/networks held it."""
    known = [*models.networks.network_names(), "mosaic"]
    find = models.networks._class_of
    monkeypatch.setattr(models.networks, "network_names", lambda: known)
    monkeypatch.setattr(models.networks, "_class_of", lambda name: Mosaic if name == "mosaic" else find(name))


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (MOSAIC, None),
        (MOSAIC._replace(carries=("mask", "noise_map", "gain")), None),
        (MOSAIC._replace(channels=4), "takes frames of 1 plane, not 4"),
        (MOSAIC._replace(scale=4), "enlarges by 1, not 4"),
        (MOSAIC._replace(period=(2, 2)), "repeats every 4 x 2 px, not 2 x 2 px"),
        (MOSAIC._replace(carries=("noise_map",)), "needs a mask with each sample"),
    ],
)
def test_what_a_network_says_of_itself_decides(task: Task, reason: str | None) -> None:
    found = refusal(Mosaic, task)
    assert found is None if reason is None else reason in found


@pytest.mark.parametrize("name", [name for name in network_names() if name not in WITH_OWN_PLANES])
@pytest.mark.parametrize("task", [Task(), Task(scale=4), Task(channels=3, white=1.0, reference=1)])
def test_every_network_restores_what_is_there_now(name: str, task: Task) -> None:
    assert refusal(network_class(name), task) is None


@pytest.mark.usefixtures("mosaic")
def test_an_impossible_pair_is_refused_by_name_before_data_are_read() -> None:
    missing = ("--dataroot", "/does/not/exist")
    refused = "--net mosaic cannot restore --dataset_name syn: it takes frames of 1 plane, not 4"
    with pytest.raises(UserError, match=refused):
        options("--net", "mosaic", *missing)
    with pytest.raises(UserError, match=r"--model synplus enlarges by 4, but the targets .* by 1"):
        options("--model", "synplus", *missing)


@pytest.mark.usefixtures("mosaic")
@pytest.mark.parametrize("tile", [0, 32])
def test_the_network_is_given_what_samples_carry(tile: int) -> None:
    """Mask and noise map reach it, cut to tiles that keep the phase; what it does not ask for does not."""
    changes = {"net": "mosaic", "dataset_name": "own", "tile": tile, "tile_overlap": 9, "size": None}
    opt = argparse.Namespace(**vars(options()) | changes)
    model = create_model(opt, CPU, MOSAIC)
    model.build()
    assert model.network.arguments == {"name": "mosaic", "in_channels": 1, "out_channels": 3, "scale": 1}
    generator = torch.Generator().manual_seed(0)
    sample = {
        "frames": torch.rand(1, 2, 1, 75, 91, generator=generator),
        "exposure": torch.tensor([[2.0, 4.0]]),
        "mask": (torch.rand(1, 1, 75, 91, generator=generator) > 0.3).float(),
        "noise_map": torch.rand(1, 2, 1, 75, 91, generator=generator),
        "gain": torch.ones(1, 2),
    }
    frames = sample["frames"][:, :1] / 2
    noise = sample["noise_map"] / sample["exposure"][..., None, None, None]
    expected = Mosaic()(frames, sample["mask"], noise)
    result = model.restore(model.normalised(sample), sample)
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


def test_tiles_without_the_period_would_show() -> None:
    frames, mask = torch.rand(1, 1, 1, 75, 91), torch.ones(1, 1, 75, 91)
    whole = Mosaic()(frames, mask)
    assert (restore(Mosaic(), frames, 32, 9, (4, 2), mask=mask) - whole).abs().max() < 1e-5
    assert (restore(Mosaic(), frames, 32, 9, mask=mask) - whole).abs().max() > 0.1


@pytest.mark.parametrize("period", [(1, 1), (2, 2), (4, 2)])
def test_random_crops_begin_at_multiples_of_the_period(period: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    corners = np.array([random_corner(rng, (9, 6), period) for _ in range(400)])
    for axis, (room, step) in enumerate(zip((9, 6), period, strict=True)):
        assert_array_equal(np.unique(corners[:, axis]), np.arange(0, room, step))


def test_carried_values_are_described() -> None:
    for name, (_, text) in CARRIED.items():
        assert name.islower() and ": " in text
