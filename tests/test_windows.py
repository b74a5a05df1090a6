"""Overlapping windows: what they say of an image, and that they do not show in a merge."""

import pytest
import torch

from models.networks import create_network
from models.networks.parts.windows import CONSTANT, FREQUENCIES, HOP, PLACES, SIDE, Windows
from tests.test_exposure_merge import measured


def test_an_image_is_what_its_windows_say() -> None:
    image = torch.rand(3, 37, 50)
    for origin in ((0, 0), (5, 8), (6, 13)):
        grid = Windows(image.shape[-2:], origin, image.device)
        extended, canvas = grid.extended(image), grid.canvas(3)
        for strip in grid.strips():
            grid.paste(canvas, grid.spectra(grid.cut(extended, strip) * grid.taper, tapered=False), strip)
        torch.testing.assert_close(grid.image(canvas), image)


def test_spectra_are_those_of_the_fast_fourier_transform() -> None:
    image = torch.rand(2, 24, 30)
    grid = Windows(image.shape[-2:], (0, 0), image.device)
    windows = grid.cut(grid.extended(image), slice(0, grid.counts[0]))
    expected = torch.fft.rfft2((windows * grid.taper).unflatten(-1, (SIDE, SIDE)))
    rows, columns = PLACES.T
    spectra = grid.spectra(windows)
    torch.testing.assert_close(torch.complex(*spectra), expected[..., rows, columns], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(grid.windows(spectra), windows * grid.taper, atol=1e-5, rtol=1e-5)


def test_what_windows_do_not_show_is_not_subtracted() -> None:
    """Of a half spectrum that belongs to no real window, as after each frequency had its own gain."""
    grid = Windows((24, 30), (0, 0), torch.device("cpu"))
    of_none = torch.randn(2, 3, 5, FREQUENCIES)
    left = torch.zeros_like(of_none)
    grid.subtract_shown(left, of_none)
    shown = grid.spectra(grid.windows(of_none), tapered=False)
    torch.testing.assert_close(left, -shown, atol=1e-5, rtol=1e-5)
    assert float((shown - of_none).abs().max()) > 0.1


def test_means_of_windows_and_of_neighbouring_frequencies() -> None:
    image = torch.rand(2, 24, 30)
    grid = Windows(image.shape[-2:], (3, 4), image.device)
    extended = grid.extended(image)
    weights = grid.taper.square() / grid.taper.square().sum()
    expected = (grid.cut(extended, slice(0, grid.counts[0])) * weights).sum(-1)
    torch.testing.assert_close(grid.mean(extended).flatten(1), expected)
    power = torch.zeros(FREQUENCIES)
    power[(PLACES[:, 0] == 0) & (PLACES[:, 1] == 1)] = 9.0
    near = power @ grid.neighbours
    assert near.sum() == pytest.approx(12)  # column 0 has it on both sides
    assert near[CONSTANT] == pytest.approx(2) and near[grid.lowest].min() == pytest.approx(1)


def test_the_plane_of_a_window() -> None:
    """All of a ramp, and nothing of what is left without it."""
    down, right = torch.meshgrid(torch.arange(36.0), torch.arange(48.0), indexing="ij")
    image = torch.stack([0.3 + 0.01 * down, 0.02 * right - 0.1 * down, torch.rand(36, 48)])
    grid = Windows(image.shape[-2:], (0, 0), image.device)
    windows = grid.cut(grid.extended(image), slice(0, grid.counts[0])).unflatten(1, grid.counts)
    inside = windows[:, 1:-1, 1:-1].flatten(1, 2)  # not mirrored at a border
    spectra = grid.spectra(inside)
    rest = spectra.clone()
    grid.add_planes(rest, grid.slopes(spectra), -1)
    torch.testing.assert_close(rest[:, :2], 0 * rest[:, :2], atol=5e-4, rtol=0)  # of 200
    assert float(rest[:, 2].abs().max()) > 0.1
    torch.testing.assert_close(grid.slopes(rest), 0 * grid.slopes(rest), atol=1e-4, rtol=0)


def grid_of(residual: torch.Tensor) -> tuple[float, float, list[float]]:
    """How much windows show in (C, H, W), H and W multiples of HOP, from 8 HOP on.

    The deviation of what repeats every HOP px, its share of the variance, and the power of the mean column
    and of the mean row at this period, against that of neighbouring frequencies.
    """
    channels, height, width = residual.shape
    centred = residual - residual.mean((-1, -2), keepdim=True)
    tile = centred.reshape(channels, height // HOP, HOP, width // HOP, HOP).mean((1, 3))
    contrasts = []
    for across, size in ((-1, height), (-2, width)):
        power = torch.fft.rfft(centred.mean(across)).abs().square().sum(0)
        at = size // HOP
        near = torch.cat([power[at - 6 : at - 1], power[at + 2 : at + 7]])
        contrasts.append(float(power[at] / near.mean()))
    return float(tile.std()), float(tile.square().mean() / centred.square().mean()), contrasts


@pytest.mark.parametrize(("low", "high", "ratio"), [(0.02, 0.3, 4.0), (0.1, 0.5, 2.0), (0.004, 0.02, 4.0)])
def test_windows_do_not_show_where_a_frame_is_rejected(low: float, high: float, ratio: float) -> None:
    """Two ramps, the right half of the second upside down: it stays out, and the first is smooth there."""
    light = torch.linspace(low, high, 120)[:, None].expand(4, 120, 240).repeat(2, 1, 1, 1)
    light[1, :, :, 120:] = light[1, :, :, 120:].flip(-2)
    exposure = torch.tensor([1.0, ratio])
    frames = measured(light, exposure)
    known = {
        "flow": torch.zeros(1, 1, 2, 120, 240),
        "noise": torch.ones(1, 2, 120, 240),
        "black": torch.ones(1, 2, 120, 240),
    }
    network = create_network("exposure_merge")
    with torch.inference_mode():
        residual = network(frames, exposure[None], **known)[0] - light[0]
    for columns in (slice(12, 108), slice(132, 228)):  # merged, rejected
        deviation, share, contrasts = grid_of(residual[:, 12:108, columns])
        assert deviation < 0.003 * light.mean()  # up to 0.011 of it, 5 % of the variance and 7.7 times its
        assert share < 0.004 and max(contrasts) < 2  # neighbours, if no plane were kept
