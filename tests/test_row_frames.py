"""The two exposures of a shot with rows exposed in turn as frames, and merges of them without a network."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skimage import data

from data.row_exposure import ORDERS, RowExposure, mosaicked
from models import methods
from models.networks import create_network
from models.networks.parts.row_frames import by_rows, interpolated, packed
from models.networks.parts.row_merges import bilinear_merge, edge_aware_merge
from util.errors import UserError
from util.imaging.bayer import pack
from util.imaging.tonemap import srgb_decode
from util.scores.guided_metrics import GUIDED_METRICS, target_planes, trust

RATIO = 8.0
EXPOSURE = torch.tensor([[1.0, RATIO]])
MERGES = (bilinear_merge, edge_aware_merge)


def shot(image: np.ndarray, order: str = ORDERS[0], noise: tuple[float, float] = (0.0, 0.0)):
    """Normalised frames of camera RGB (H, W, 3), with variances of shot and read noise; and their trust."""
    rows, rng, mosaic = RowExposure(RATIO, order), np.random.default_rng(0), mosaicked(image)
    shots = []
    for time in rows.exposures:
        deviation = np.sqrt(noise[0] * mosaic * time + noise[1])
        shots.append(mosaic * time + deviation * rng.standard_normal(mosaic.shape))
    sample = rows.sample(np.float32(rows.rows_of(*shots)))
    frames, mask = (torch.from_numpy(sample[key])[None] for key in ("frames", "mask"))
    frames = frames / EXPOSURE[..., None, None, None]
    return frames, trust(frames, EXPOSURE, mask)


def ramp(height: int = 24, width: int = 14) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (0.01 + 0.003 * y + 0.002 * x)[None, None]


def flat(red: float, green: float, blue: float, height: int = 16) -> np.ndarray:
    return np.broadcast_to(np.float32([red, green, blue]), (height, 12, 3)).copy()


@pytest.mark.parametrize("order", ORDERS)
def test_rows_are_those_of_the_data(order):
    mosaic = torch.rand(1, 1, 8, 6)
    expected = RowExposure(RATIO, order).sample(mosaic[0, 0].numpy())["frames"]
    assert np.array_equal(by_rows(mosaic, order)[0].numpy(), expected)


@pytest.mark.parametrize("order", ORDERS)
def test_interpolation_is_exact_on_ramps_and_keeps_what_was_measured(order):
    image = interpolated(by_rows(ramp(), order), order)
    assert image.shape == (1, 2, 3, 24, 14)
    torch.testing.assert_close(image[..., 4:-4, 1:-1], ramp()[:, None].expand_as(image)[..., 4:-4, 1:-1])
    mosaic = torch.rand(2, 1, 8, 6)
    frames = by_rows(mosaic, order)
    image = interpolated(frames, order)
    sites = torch.from_numpy(mosaicked(np.arange(3)[None, None].repeat(8, 0).repeat(6, 1)))
    measured = image.gather(2, sites.expand(2, 2, 1, 8, 6))
    is_own = by_rows(torch.ones_like(mosaic), order) == 1
    assert torch.equal(measured[is_own], frames[is_own])


def test_red_is_interpolated_bilinearly():
    """A single red sample spreads as a tent over four rows and two columns on each side."""
    frames = torch.zeros(1, 2, 1, 16, 12)
    frames[0, 0, 0, 4, 4] = 1
    red = interpolated(frames, "short_first")[0, 0, 0]
    tent = torch.outer(
        (1 - (torch.arange(16) - 4).abs() / 4).clamp(min=0),
        (1 - (torch.arange(12) - 4).abs() / 2).clamp(min=0),
    )
    torch.testing.assert_close(red, tent)


@pytest.mark.parametrize("size", [(4, 2), (4, 6), (12, 4)])
def test_flat_frames_stay_so_up_to_the_border_of_any_size(size):
    frames = by_rows(torch.full((1, 1, *size), 0.3), "long_first")
    assert torch.equal(interpolated(frames, "long_first"), torch.full((1, 2, 3, *size), 0.3))
    assert packed(frames, torch.ones(1, 1, *size), "long_first").shape == (
        1,
        2,
        5,
        size[0] // 2,
        size[1] // 2,
    )


def test_a_part_of_whole_patterns_is_interpolated_as_in_the_whole():
    frames = by_rows(torch.rand(1, 1, 32, 12), "short_first")
    part = interpolated(frames[..., 8:24, 4:], "short_first")
    whole = interpolated(frames, "short_first")[..., 8:24, 4:]
    assert torch.equal(part[..., 4:-4, 2:], whole[..., 4:-4, 2:])


@pytest.mark.parametrize("order", ORDERS)
def test_packed_frames_have_the_planes_and_their_trust(order):
    mosaic, mask = torch.rand(1, 1, 16, 8), torch.ones(1, 1, 16, 8)
    mask[..., :2, :2] = 0  # the four of a cell
    mask[..., 0, 2] = 0  # one of four
    frames = packed(by_rows(mosaic, order), mask, order)
    cells = torch.from_numpy(pack(mosaic.numpy()))[0, 0]  # (4, 8, 4)
    first = int(order == "long_first")  # frame of rows of cells 0, 2, 4
    for number, own in ((first, 0), (1 - first, 1)):
        planes = frames[0, number]
        assert torch.equal(planes[:4, own::2], cells[:, own::2])
        torch.testing.assert_close(planes[:4, 3 - own], (cells[:, 2 - own] + cells[:, 4 - own]) / 2)
        assert (planes[4, own + 2 :: 2] == 1).all() and (planes[4, 3 - own :: 2] == 0.5).all()
    assert torch.equal(frames[0, 1 - first, :4, 0], cells[:, 1])
    assert torch.equal(frames[0, first, :4, 7], cells[:, 6])
    assert frames[0, first, 4, 0].tolist() == [0, 0.75, 1, 1]
    assert frames[0, first, 4, 1].tolist() == [0.25, 0.4375, 0.5, 0.5]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("merge", MERGES)
def test_merges_of_flat_scenes_are_exact(merge, order):
    """Where both are trusted, the long rows are clipped, the short ones are dark, and where all is dark."""
    for colour in ((0.05, 0.1, 0.03), (0.5, 0.9, 0.3), (0.004, 0.01, 0.006), (0.001, 0.002, 0.0005)):
        frames, trusted = shot(flat(*colour), order)
        result = merge(frames, EXPOSURE, trusted, order)
        expected = torch.tensor(colour)[:, None, None].expand(3, 16, 12)
        torch.testing.assert_close(result[0], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("merge", MERGES)
def test_what_clips_in_the_short_rows_is_white_and_black_is_black(merge):
    frames, trusted = shot(flat(1.5, 2.0, 1.2))
    torch.testing.assert_close(merge(frames, EXPOSURE, trusted, ORDERS[0]), torch.ones(1, 3, 16, 12))
    black = merge(torch.zeros_like(frames), EXPOSURE, torch.zeros_like(trusted), ORDERS[0])
    assert black.abs().max() < 1e-6


@pytest.mark.parametrize("merge", MERGES)
def test_each_sample_of_a_batch_is_merged_by_its_own_ratio(merge):
    frames, trusted = shot(flat(0.5, 0.9, 0.3))
    batch = merge(
        frames.repeat(2, 1, 1, 1, 1),
        EXPOSURE.repeat(2, 1) / torch.tensor([[1.0], [2]]),
        trusted.repeat(2, 1, 1, 1),
        ORDERS[0],
    )
    torch.testing.assert_close(batch[1], batch[0])


@pytest.mark.parametrize("photograph", ["astronaut", "coffee"])
def test_edges_are_worth_following(photograph):
    """On a sharp photograph: 2 dB of PSNR-mu, PSNR-l no worse, and colours that are nearer by a tenth."""
    picture = srgb_decode(getattr(data, photograph)()[:384, :384] / 255.0)
    image = picture.reshape(192, 2, 192, 2, 3).mean((1, 3)).astype(np.float32) * np.float32([0.5, 1, 0.6])
    frames, trusted = shot(image, noise=(1.2e-4, 1.4e-7))
    target = target_planes(torch.from_numpy(image).permute(2, 0, 1)[None], trusted, None)
    scores = []
    for merge in MERGES:
        result = merge(frames, EXPOSURE, trusted, ORDERS[0])[0].permute(1, 2, 0).numpy()
        names = ("psnr_mu", "psnr_l", "angle", "psnr_mu_recovered", "psnr_mu_trusted")
        scores.append([GUIDED_METRICS[name](result, target) for name in names])
    gain = np.subtract(*scores[::-1])
    assert gain[0] > 2 and gain[1] > 0 and gain[3] > 2 and gain[4] > 2, gain
    assert scores[1][2] < 0.9 * scores[0][2]


def test_narrow_shots_are_refused():
    frames = torch.zeros(1, 2, 1, 4, 2)
    with pytest.raises(UserError, match="needs 4 px or more across, got 2x4"):
        edge_aware_merge(frames, EXPOSURE, torch.zeros(1, 1, 4, 2), ORDERS[0])


def test_the_table_has_both_merges_and_that_of_exposures(monkeypatch):
    def without_weights(net, *_, edge_aware=True):
        network = create_network(net, **({"edge_aware": edge_aware} if net == "row_merge" else {}))
        return lambda frames, sample: network(frames, sample["exposure"], sample["mask"])

    monkeypatch.setattr(methods, "_without_weights", without_weights)
    opt = SimpleNamespace(net="svenet", row_order=ORDERS[1])
    model = SimpleNamespace(task=SimpleNamespace(bracketed=True, period=(4, 2)), opt=opt, scale=1)
    found = methods.create_baselines(model)
    assert list(found) == ["bilinear merge", "edge-aware merge", "exposure merge"]
    frames, trusted = shot(flat(0.05, 0.1, 0.03), ORDERS[1])
    sample = {"exposure": EXPOSURE, "mask": torch.ones_like(trusted)}
    for name, merge in zip(found, MERGES, strict=False):
        assert torch.equal(found[name](frames, sample), merge(frames, EXPOSURE, trusted, ORDERS[1]))
    opt.net = "exposure_merge"
    assert "exposure merge" not in methods.create_baselines(model)
    opt.net = "row_merge"
    assert list(methods.create_baselines(model)) == ["bilinear merge", "exposure merge"]
