"""The network that starts from the merge: any frames, tiles, prepared samples, and what it begins as."""

import numpy as np
import pytest
import torch

from data.brackets_dataset import draw_sparks, photographed
from data.simulate.bracketing import Bracketing, draw_bracketing, few
from models.networks import create_network
from models.networks.merge_unet import coded, decoded
from util.tiling import restore


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    made = create_network("merge_unet", mid_channels=8).eval()
    torch.nn.init.normal_(made.last.weight, std=0.02)
    return made


def bracket(frames: int, planes: int = 4, side: int = 96, ratio: float = 4.0) -> tuple[torch.Tensor, ...]:
    """Frames of a smooth scene with noise, divided by their exposures, and these."""
    generator = torch.Generator().manual_seed(frames)
    light = torch.rand(1, planes, side // 8, side // 8, generator=generator) * 4
    light = torch.nn.functional.interpolate(light, size=(side, side), mode="bicubic").clamp(min=0.01)
    exposure = ratio ** torch.arange(frames, dtype=torch.float32)[None] / 16
    measured = light[:, None] * exposure[..., None, None, None]
    measured += 0.01 * torch.randn(measured.shape, generator=generator)
    return measured.clamp(0, 1) / exposure[..., None, None, None], exposure


def test_it_begins_as_the_merge():
    frames, exposure = bracket(5)
    made = create_network("merge_unet", mid_channels=8).eval()
    merge = create_network("exposure_merge")
    torch.testing.assert_close(made(frames, exposure), merge(frames, exposure), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("count", "planes"), [(1, 4), (2, 4), (3, 3), (7, 4), (9, 3)])
def test_any_number_of_frames_raw_or_rgb(network, count, planes):
    frames, exposure = bracket(count, planes, side=50, ratio=2.0)
    result = network(frames, exposure)
    assert result.shape == (1, planes, 50, 50) and result.isfinite().all() and (result >= 0).all()


def test_more_frames_than_slots_are_averaged_as_photons_are_counted(network):
    frames, exposure = bracket(7, ratio=1.0)
    parts = network.aligned(frames, exposure)
    assert parts.frames.shape[1] == 5
    one = network.aligned(frames[:, :5], exposure[:, :5])
    first, lone = parts.noise_law[0, 0, 0], one.noise_law[0, 0, 0]
    assert float(first / lone) == pytest.approx(0.5, rel=0.2)  # two frames in the first slot


def test_tiles_equal_the_whole_frame(network):
    frames, exposure = bracket(3, side=352)
    with torch.inference_mode():
        whole = network(frames, exposure)
        tiled = restore(network, frames, 256, 32, exposure=exposure)
    assert float((whole - tiled).abs().max()) < 5e-4 * float(whole.max())


def test_prepared_frames_give_the_same_result(network):
    frames, exposure = bracket(4)
    parts = network.aligned(frames, exposure)
    given = {"trust": parts.trust, "merge": parts.merge, "noise_law": parts.noise_law}
    prepared = network(parts.frames, network.exposures_of(exposure[0])[None], **given)
    torch.testing.assert_close(prepared, network(frames, exposure))


def test_brightness_and_unit_of_exposure_do_not_matter(network):
    frames, exposure = bracket(3)
    torch.testing.assert_close(
        network(frames * 8, exposure / 8) / 8, network(frames, exposure), rtol=1e-3, atol=1e-4
    )


def test_codes_can_be_decoded_and_those_outside_keep_a_gradient():
    light = torch.linspace(0, 1, 101)
    torch.testing.assert_close(decoded(coded(light)), light, rtol=1e-4, atol=1e-6)
    assert torch.equal(coded(-light), -coded(light))
    code = torch.tensor([-0.1, 0.5, 1.3], requires_grad=True)
    restored = decoded(code)
    assert restored[0] == 0 and restored[2] < 2.5
    restored.sum().backward()
    assert (code.grad > 0).all()


@pytest.mark.parametrize("developed", [False, True])
def test_brackets_of_any_kind_are_in_order_and_in_time(developed):
    kinds = set()
    for seed in range(200):
        how: Bracketing = draw_bracketing(np.random.default_rng(seed), developed)
        ratio = how.exposure[1] / how.exposure[0]
        kinds.add((len(how.exposure), round(ratio)))
        assert all(a.stop <= b.start for a, b in zip(how.spans, how.spans[1:], strict=False))
        assert how.spans[0].start == 0 and how.spans[-1].stop <= 341
        assert all(0 < len(few(span)) <= 32 for span in how.spans)
        assert len(how.noise) == len(how.spans) == len(how.exposure)
    assert {count for count, _ in kinds} == set(range(2, 8))
    assert {ratio for _, ratio in kinds} == {2, 4, 8}


def test_sparks_are_single_bright_px_in_some_scenes():
    rng, shares = np.random.default_rng(0), []
    for _ in range(100):
        sparks = draw_sparks(rng, (60, 80))
        assert sparks.shape == (60, 80, 3) and sparks.dtype == np.float32 and (sparks >= 0).all()
        lit = sparks.max(2) > 0
        assert np.array_equal(lit, sparks.min(2) > 0)
        shares.append(lit.mean())
    assert max(shares) < 0.1 and np.mean(shares) > 0.0005
    dark = np.zeros((60, 80, 3), np.float32)
    sparkle = [photographed(rng, dark).any() for _ in range(300)]
    assert 0.1 < np.mean(sparkle) < 0.3
