"""Sampling of raw frames between their photosites."""

import pytest
import torch
import torch.nn.functional as F

from models.networks.parts import mosaic
from models.networks.parts.mosaic import REACH, warp_mosaic
from models.networks.parts.warp import warp
from tests.test_exposure_merge import texture

SIZE = (48, 60)
SILENT = torch.zeros(4, *SIZE)


def flow(x: float, y: float) -> torch.Tensor:
    return torch.tensor([x, y]).view(2, 1, 1).expand(2, *SIZE).contiguous()


def mosaic_of(picture: torch.Tensor) -> torch.Tensor:
    """Planes (4, H, W) of a gray picture (2H, 2W)."""
    return F.pixel_unshuffle(picture[None], 2)


def inside(planes: torch.Tensor) -> torch.Tensor:
    return planes[..., 8:-8, 8:-8]


def test_whole_cells_are_copied() -> None:
    planes = torch.rand(4, *SIZE, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(warp_mosaic(planes, flow(0, 0), SILENT), planes, atol=1e-5, rtol=0)
    shifted = warp_mosaic(planes, flow(3, -2), SILENT)
    torch.testing.assert_close(inside(shifted), inside(planes.roll((2, -3), (-2, -1))), atol=1e-4, rtol=0)


def test_odd_photosites_of_a_gray_picture_are_those_of_its_other_planes() -> None:
    """By half a cell each way, red is where blue was, and so on."""
    picture = 1 + 0.2 * texture((2 * SIZE[0], 2 * SIZE[1]), detail=3.0)
    found = warp_mosaic(mosaic_of(picture), flow(0.5, 0.5), SILENT)
    expected = mosaic_of(picture.roll((-1, -1), (-2, -1)))
    error = inside(found - expected).square().mean().sqrt()
    assert error < 0.02 * picture.std()


def test_a_ramp_stays_a_ramp_in_every_colour() -> None:
    rows, columns = torch.meshgrid(torch.arange(2.0 * SIZE[0]), torch.arange(2.0 * SIZE[1]), indexing="ij")
    ramp = 1 + 0.01 * rows + 0.02 * columns
    found = warp_mosaic(mosaic_of(ramp), flow(0.3, -0.7), SILENT)
    torch.testing.assert_close(inside(found), inside(mosaic_of(ramp - 0.014 + 0.012)), atol=1e-3, rtol=0)


@pytest.mark.parametrize("gains", [(1.0, 1.0, 1.0, 1.0), (0.4, 1.0, 1.0, 0.5)])
def test_detail_that_planes_do_not_hold_by_themselves(gains: tuple[float, ...]) -> None:
    """A picture as sharp as its photosites, moved by a third of a cell, before and after white balance."""
    picture = 1 + 0.2 * texture((8 * SIZE[0], 8 * SIZE[1]), detail=5.0)
    gains = torch.tensor(gains).view(4, 1, 1)

    def taken(shift: int) -> torch.Tensor:
        moved = picture.roll((-shift, -shift), (-2, -1))[None, None]
        return gains * mosaic_of(F.avg_pool2d(moved, 4)[0, 0])

    before, after, way = taken(0), taken(3), flow(3 / 8, 3 / 8)
    by_colours = inside(warp_mosaic(before, way, SILENT) - after).square().mean((1, 2))
    by_planes = inside(warp(before[None], way[None], "border", mode="bicubic")[0] - after)
    assert (by_colours < 0.4 * by_planes.square().mean((1, 2))).all()


def test_noise_is_not_taken_for_detail() -> None:
    noise = torch.randn(4, *SIZE, generator=torch.Generator().manual_seed(0))
    believed, known = (
        inside(warp_mosaic(1 + 0.1 * noise, flow(0.5, 0.5), torch.full_like(noise, variance))).std()
        for variance in (0.0, 0.01)
    )
    assert known < 0.9 * believed and known < 0.1


def test_reach() -> None:
    """What a sample depends on, by shifts of less than a cell."""
    planes = torch.rand(4, *SIZE, generator=torch.Generator().manual_seed(0))
    way, variance = flow(0.9, -0.9), torch.full_like(planes, 0.01)
    whole = warp_mosaic(planes, way, variance)
    top = 20
    tile = warp_mosaic(
        planes[:, top - REACH - 1 :], way[:, top - REACH - 1 :], variance[:, top - REACH - 1 :]
    )
    torch.testing.assert_close(tile[:, REACH + 1 :], whole[:, top:], atol=1e-5, rtol=0)


def test_strips_have_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    planes = torch.rand(4, 150, 20, generator=torch.Generator().manual_seed(0))
    way, variance = torch.full((2, 150, 20), 0.4), torch.full_like(planes, 0.01)
    found = warp_mosaic(planes, way, variance)
    monkeypatch.setattr(mosaic, "STRIP", 150)
    torch.testing.assert_close(found, warp_mosaic(planes, way, variance), atol=1e-6, rtol=0)
