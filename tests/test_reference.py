"""Results that show another frame than the shortest: TMRNet's and the classical merge's."""

import pytest
import torch
import torch.nn.functional as F

from models.networks import create_network, network_class
from models.networks.exposure_merge import Observed, _filled
from tests.test_exposure_merge import error, measured, merge, scene, texture
from tests.test_networks import random_frames
from util.scores.baselines import exposure_average
from util.tiling import restore

TRIPLE = torch.tensor([1.0, 4.0, 16.0])


def triple(strength: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames (1, 3, 3, H, W) from a moving camera, of a square that moves otherwise; light (3, 3, H, W)."""
    size, kind = (200, 260), {"channels": 3, "size": (200, 260), "detail": 2.0}
    square = scene(0.16, 1.0, **kind, seed=9)[:, 30:90, 40:100]
    background = F.pad(scene(0.08, 1.0, **kind), (16, 16, 16, 16), mode="reflect")
    light = torch.stack(
        [background[:, 16 + 2 * i :, 16 - 3 * i :][:, : size[0], : size[1]] for i in (-1, 0, 1)]
    )
    for i in range(3):
        light[i, :, 60:120, 80 + 6 * i : 140 + 6 * i] = square
    light = light.clamp(max=1)
    return measured(light, TRIPLE, strength), light


def psnr(image: torch.Tensor, light: torch.Tensor) -> float:
    difference = (image - light)[..., 8:-8, 8:-8]
    return float(-10 * difference.square().mean().log10())


@pytest.mark.parametrize("strength", [0.02, 0.3])
def test_moving_content_is_as_in_the_reference(strength: float) -> None:
    """The middle frame of a hand-held triple, of which a seventh clips."""
    frames, light = triple(strength)
    assert 0.1 < float((frames[:, 1] * 4 > 0.98).float().mean()) < 0.2
    merged = merge(frames, TRIPLE, reference=1)
    plain = exposure_average(frames, TRIPLE[None])[0]
    assert psnr(merged, light[1]) > max(psnr(plain, light[1]), psnr(frames[0, 1], light[1])) + 5
    for other in (0, 2):
        assert psnr(merged, light[1]) > psnr(merged, light[other]) + 5


def test_tiles_of_a_triple_are_the_whole() -> None:
    frames, _ = triple(0.3)
    network = create_network("exposure_merge", reference=1)
    whole = restore(network, frames, 0, 32, exposure=TRIPLE[None])
    tiled = restore(network, frames, 128, 32, exposure=TRIPLE[None])
    torch.testing.assert_close(tiled, whole, atol=1e-4, rtol=0)


def test_a_clipped_reference_shows_what_shorter_frames_show() -> None:
    """The longest of five: patches that only the first, and the second, shows whole."""
    light = scene(0.01)
    for left, level in ((20, 9.0), (70, 2.0)):
        light[:, 30:60, left : left + 30] = level * torch.exp(0.1 * texture())[30:60, left : left + 30]
    frames = measured(light)
    result = merge(frames, reference=4)
    for left, number in ((20, 0), (70, 1)):
        patch = (..., slice(34, 56), slice(left + 4, left + 26))
        alone = float((frames[0, number][patch] / light[patch] - 1).abs().mean())
        assert float((result[patch] / light[patch] - 1).abs().mean()) < 0.8 * alone
    assert error(result[..., 64:, :], light[..., 64:, :]) < 0.05


def test_a_clipped_reference_is_not_darkened() -> None:
    """A lamp that is off in the shortest frame is as bright as the reference can tell."""
    light = scene(0.05, 0.2, channels=3).repeat(3, 1, 1, 1)
    light[1:, :, 40:64, 50:80] = 0.9
    result = merge(measured(light, TRIPLE), TRIPLE, reference=1)
    assert abs(float(result[..., 46:58, 56:74].mean()) / 0.25 - 1) < 0.03


def test_what_fills_the_reference_is_not_merged_again() -> None:
    """Nor is it asked of the next frame, unless both are clipped."""
    valid = torch.ones(1, 9, 20)
    valid[..., 14:] = 0
    clipped = torch.zeros(2, 9, 20, dtype=torch.bool)
    clipped[0, 4, [5, 16]] = True
    seen, shorter = (Observed(*torch.full((3, 2, 9, 20), value), valid, clipped) for value in (0.25, 0.5))
    filled, rest = _filled(seen, shorter)
    assert int((filled.light == 0.5).sum()) == int((filled.variance == 0.5).sum()) == 18
    assert torch.all(filled.light[0, 3:6, 4:7] == 0.5) and torch.all(filled.light[1] == 0.25)
    assert torch.all(rest.valid[:, 3:6, 4:7] == 0) and int(rest.valid.sum()) == 9 * 14 - 9
    assert int(filled.clipped.sum()) == 9 and torch.all(filled.clipped[0, 3:6, 15:18])


def test_a_reference_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="the reference, frame 3, is not among 3 frames"):
        merge(triple(0.3)[0], TRIPLE, reference=3)
    with pytest.raises(ValueError, match="frame -1 cannot be the reference"):
        create_network("exposure_merge", reference=-1)


@torch.no_grad()
def test_tmrnet_takes_the_reference_first() -> None:
    frames, generator = random_frames(1, 4, 3, 24, 29), torch.Generator().manual_seed(0)
    task = {"num_frames": 4, "in_channels": 3, "out_channels": 3} | network_class("tmrnet").sizes["tiny"]
    first, other = (create_network("tmrnet", reference=i, **task) for i in (0, 2))
    for parameter in first.parameters():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    other.load_state_dict(first.state_dict())
    ordered = frames[:, [2, 0, 1, 3]]
    assert torch.equal(other.whole_frame(frames)["flow"], first.whole_frame(ordered)["flow"])
    outputs = other(frames, outputs=(1, 2, 4))
    assert torch.equal(outputs, first(ordered, outputs=(1, 2, 4)))
    assert torch.equal(other(frames, **other.whole_frame(frames)), outputs[:, -1])
    assert not torch.equal(outputs[:, -1], first(frames))
    with pytest.raises(ValueError, match="the reference, frame 2, is not among 2 frames"):
        other(frames[:, :2])
    with pytest.raises(ValueError, match="of 4 frames, frame 4 cannot be the reference"):
        create_network("tmrnet", num_frames=4, reference=4)
