"""The classical merge: noise, black, clipped, moved and blurred values, and its use in the programs."""

import json

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.networks import create_network
from models.networks.exposure_merge import EXCESS, EXCESS_STEPS, ExposureMerge
from tests.programs import run, succeed
from util.scores.baselines import exposure_average

EXPOSURE = 4.0 ** torch.arange(-2, 3)
SHOT, READ = 0.0024, 1.8e-5
SIZE = (96, 120)


def texture(size: tuple[int, int] = SIZE, seed: int = 0, detail: float = 1.5) -> torch.Tensor:
    """A picture (H, W) of mean 0 and deviation 1, with details from about `detail` px on."""
    rng = np.random.default_rng(seed)
    layers = [cv2.GaussianBlur(rng.standard_normal(size), (0, 0), detail * 2**k) for k in range(4)]
    picture = sum(layer / layer.std() for layer in layers)
    return torch.from_numpy(picture / picture.std()).float()


def scene(
    level: float = 0.05,
    contrast: float = 0.4,
    channels: int = 4,
    size: tuple[int, int] = SIZE,
    detail: float = 1.5,
    seed: int = 0,
) -> torch.Tensor:
    """Light (C, H, W) of the given geometric mean, where 1 is the white level of the middle frame.

    Four channels are the planes R, G, G, B of a mosaic of twice the size.
    """
    colours, shown = torch.linspace(0.7, 1.3, channels), texture(size, seed, detail)
    if channels == 4:
        fine = texture((2 * size[0], 2 * size[1]), seed, 2 * detail)
        colours, shown = torch.tensor([0.7, 1.0, 1.0, 1.3]), F.pixel_unshuffle(fine[None], 2)
    return level * colours[:, None, None] * torch.exp(contrast * shown)


def measured(
    light: torch.Tensor,
    exposure: torch.Tensor = EXPOSURE,
    strength: float = 1.0,
    seed: int = 1,
    black: bool = True,
) -> torch.Tensor:
    """Normalised frames (1, T, C, H, W) of light (C, H, W) or (T, C, H, W), noisy and clipped."""
    exposure = exposure.view(-1, 1, 1, 1)
    clean = light * exposure
    normal = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    noisy = clean + (strength * (SHOT * clean + READ)).sqrt() * normal
    return (noisy.clamp(0 if black else -1, 1) / exposure)[None]


def merge(frames: torch.Tensor, exposure: torch.Tensor = EXPOSURE, **arguments) -> torch.Tensor:
    """The merged image (C, sH, sW)."""
    with torch.inference_mode():
        return create_network("exposure_merge", **arguments)(frames, exposure[None])[0]


def error(image: torch.Tensor, light: torch.Tensor) -> float:
    """Root mean square relative error, borders left out."""
    inside = (..., slice(8, -8), slice(8, -8))
    return float(((image - light) / light)[inside].square().mean().sqrt())


def moved(image: torch.Tensor, x: int, y: int) -> torch.Tensor:
    """What is at p + (x, y) comes to p: (..., H, W), round the edges."""
    return torch.roll(image, (-y, -x), (-2, -1))


# Merging


def test_noise_falls_to_what_the_frames_together_allow() -> None:
    light = scene()
    frames = measured(light)
    variance = (SHOT * light / EXPOSURE.view(-1, 1, 1, 1) + READ / EXPOSURE.view(-1, 1, 1, 1) ** 2)[:4]
    ideal = float(
        ((1 / (1 / variance).sum(0)) / light**2).mean().sqrt()
    )  # of the frames that do not clip here
    result = error(merge(frames), light)
    assert result < 1.1 * ideal < 0.21 * error(frames[0, 1], light)


@pytest.mark.parametrize("black", [True, False])
def test_black_is_not_raised_by_clipped_noise(black: bool) -> None:
    """Two short frames of a scene below their noise: the mean of the result is that of the light."""
    light = torch.full((4, *SIZE), 0.004)
    exposure = torch.tensor([1 / 16, 1 / 8])
    frames = measured(light, exposure, black=black)
    raised = float(frames.mean()) - 0.004
    assert (raised > 0.01) == black
    assert abs(float(merge(frames, exposure).mean()) - 0.004) < 0.002


def test_excess_table() -> None:
    """Against the mean of many clipped draws."""
    normal = torch.randn(400_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for x in (0.0, 0.5, 1.0, 2.0):
        seen = float((normal + x).clamp(min=0).mean())
        assert EXCESS[round(seen * EXCESS_STEPS)] == pytest.approx(seen - x, abs=0.004)
    assert EXCESS[-1] < 1e-4 and EXCESS[0] == 0


def test_clipped_values_are_left_out() -> None:
    """A bright patch that only the shortest frame shows whole."""
    light = scene(0.05)
    light[:, 30:60, 40:80] = 9.0 * torch.exp(0.1 * texture())[30:60, 40:80]
    result = merge(measured(light))
    patch = (..., slice(34, 56), slice(44, 76))
    assert float((result[patch] / light[patch] - 1).abs().mean()) < 0.03
    assert (
        float(exposure_average(measured(light), EXPOSURE[None])[0][patch].mean()) > 8
    )  # nor has it a problem


@pytest.mark.parametrize("in_first", [True, False])
def test_what_is_not_in_all_frames_is_as_in_the_first(in_first: bool) -> None:
    """A lamp that is lit only in the first frame, or in all others: no ghost of it."""
    background, lamp = scene(0.1, 0.2), torch.full((4, 24, 30), 0.9)
    light = background.repeat(5, 1, 1, 1)
    light[slice(0, 1) if in_first else slice(1, 5), :, 40:64, 50:80] = lamp
    frames = measured(light)
    result, plain = merge(frames), exposure_average(frames, EXPOSURE[None])[0]
    inside = (..., slice(46, 58), slice(56, 74))
    expected = light[0][inside].mean()
    assert abs(float(result[inside].mean() / expected) - 1) < 0.05
    assert abs(float(plain[inside].mean() / expected) - 1) > 0.5


@pytest.mark.parametrize(("level", "times", "most"), [(0.1, 5.0, 0.33), (0.5, 0.1, 0.11)])
def test_a_patch_that_changes_as_a_whole_is_not_merged(level: float, times: float, most: float) -> None:
    """Its low frequencies alone tell; taken by themselves, the high ones would be merged (0.42 and 0.14)."""
    light = scene(level, 0.05).repeat(5, 1, 1, 1)
    light[1:, :, 40:64, 50:80] *= times
    around = (..., slice(30, 74), slice(40, 90))
    assert error(merge(measured(light))[around], light[0][around]) < most


def test_levels_near_black_may_be_wrong() -> None:
    """The short frames' black level is off by what a scene below their noise has itself."""
    light, exposure = scene(0.003, 0.4), EXPOSURE.view(-1, 1, 1, 1)
    frames = measured(light)
    frames[:, :2] += 0.004 / exposure[:2]
    assert error(merge(frames), light) < 0.12


def test_noise_that_a_picture_hides_at_black_is_no_precision() -> None:
    """Clean pictures in steps of 1/255: at black they have less noise than errors."""
    light, exposure = scene(0.02, 1.0, channels=3), EXPOSURE.view(-1, 1, 1, 1)
    steps = (measured(light, strength=0.02)[0] * exposure * 255).round() / 255
    assert error(merge((steps / exposure)[None]), light) < 0.0235  # 0.026 if they were believed


def test_a_blurred_long_frame_leaves_the_others_sharp() -> None:
    light = scene(0.1, 0.4, detail=1.0)
    kernel = torch.ones(4, 1, 1, 13) / 13
    blurred = F.conv2d(F.pad(light[None], (6, 6, 0, 0), mode="reflect"), kernel, groups=4)[0]
    frames = measured(torch.stack([light, light, light, blurred, blurred]))
    merged, average = merge(frames), exposure_average(frames, EXPOSURE[None])[0]
    detail = [(image - F.avg_pool2d(image, 3, 1, 1))[..., 8:-8, 8:-8] for image in (light, merged, average)]
    true, *found = (part.flatten() for part in detail)
    alike, plainly = (float(torch.corrcoef(torch.stack([true, part]))[0, 1]) for part in found)
    assert alike > 0.8 > plainly + 0.1
    assert error(merged, light) < 0.7 * error(average, light)


@pytest.mark.parametrize("strength", [0.1, 1.0, 9.0])
def test_noise_is_measured(strength: float) -> None:
    """On each frame but the black one, which is taken to be like the others; texture hardly counts."""
    light = scene(0.1, 0.3)
    known = ExposureMerge().whole_frame(measured(light, strength=strength, black=False), EXPOSURE[None])
    assert known["noise"].shape == (1, 5, *SIZE)
    factors = known["noise"][0, :, 0, 0] / strength
    assert float(factors.min()) > 0.7 and float(factors.max()) < (2.5 if strength < 1 else 1.5)


@pytest.mark.parametrize(
    ("number", "ratio", "channels"), [(2, 16.0, 3), (3, 2.0, 4), (7, 1.5, 3), (9, 4.0, 4), (5, 4.0, 1)]
)
def test_any_frames(number: int, ratio: float, channels: int) -> None:
    exposure = ratio ** torch.arange(number) * 0.1
    light = scene(2.0 / float(exposure[-1]) ** 0.5, channels=channels)
    frames = measured(light, exposure)
    result = merge(frames, exposure)
    assert result.shape == light.shape and result.min() >= 0
    assert error(result, light) < 1.05 * error(exposure_average(frames, exposure[None])[0], light)


def test_mosaics_that_begin_with_another_colour_are_merged_plane_by_plane() -> None:
    """Of GRBG ones the planes called R, G, G, B lie elsewhere than those of RGGB."""
    fine = texture((2 * SIZE[0], 2 * SIZE[1]), detail=1.5)
    gains = torch.tensor([1.0, 0.7, 1.3, 1.0]).view(4, 1, 1)

    def planes(shift: int) -> torch.Tensor:
        cells = F.pixel_unshuffle(fine.roll(shift, -1)[None], 2)
        return (0.1 * gains * torch.exp(0.4 * cells))[[1, 0, 3, 2]]

    frames = measured(torch.stack([planes(shift) for shift in (0, 1, 3, 5, 7)]), strength=0.1)
    by_planes, as_rggb = (error(merge(frames, mosaic=mosaic), planes(0)) for mosaic in (False, True))
    assert by_planes < 0.9 * as_rggb


def test_enlarged() -> None:
    frames = measured(scene())
    whole, plain = merge(frames, scale=4), merge(frames)
    assert whole.shape == (4, 4 * SIZE[0], 4 * SIZE[1])
    torch.testing.assert_close(F.avg_pool2d(whole, 4), plain, atol=0.01, rtol=0.1)


def test_the_same_on_any_number_of_threads() -> None:
    frames = measured(scene())
    threads = cv2.getNumThreads()
    results = []
    for number in (1, 3):
        cv2.setNumThreads(number)
        results.append(merge(frames))
    cv2.setNumThreads(threads)
    assert torch.equal(*results)


# In the programs


def test_without_a_checkpoint(brackets, tmp_path) -> None:
    """test.py needs none; the results are named by the network and beat the plain average."""
    where = ("--dataroot", brackets, "--checkpoints_dir", tmp_path, "--name", "x", "--gpu_ids", -1, "-j", 0)
    result = succeed("test.py", *where, "--net", "exposure_merge", "--baselines", True)
    scores = {
        line[:16].strip(): float(line.split()[-2]) for line in result.out.splitlines()[-6:] if "0." in line
    }
    assert scores["restored"] > scores["exposure average"] + 1
    facts = json.loads((tmp_path / "x" / "metrics_syn_exposure_merge.json").read_text())
    assert "gmacs_per_image" not in facts and "gmacs" not in result.out  # only those of parameters count
    assert (facts["network"], facts["checkpoint"]) == ("ExposureMerge", "exposure_merge")
    assert (facts["parameters"], facts["mean"]["psnr_mu"]) == (0, pytest.approx(scores["restored"], abs=1e-3))
    succeed("test.py", *where, "--net", "exposure_merge", "--model", "synplus", "--dataset_name", "synplus")


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("syn", "--net exposure_merge has no parameters to train or load: test.py uses it as it is"),
        ("real", "--model real needs results after fewer frames, which --net exposure_merge has not"),
    ],
)
def test_there_is_nothing_to_train(model: str, text: str, brackets, tmp_path) -> None:
    words = ("--dataroot", brackets, "--checkpoints_dir", tmp_path, "--name", "x", "--gpu_ids", -1, "-j", 0)
    result = run("train.py", *words, "--net", "exposure_merge", "--model", model, "--patch_size", 24)
    assert (result.status, result.err) == (2, f"error: {text}\n")
