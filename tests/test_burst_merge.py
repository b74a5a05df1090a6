"""The classical merge of raw bursts: alignment, resolution, noise, motion, tiles; and its rows of scores."""

import argparse
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from skimage import data as pictures

from data.simulate.burst import REFERENCE, Motion, frames
from models.base_model import BaseModel
from models.methods import create_baselines, noise_law
from models.networks import create_network
from models.networks.flow.refined_flow import refined
from models.networks.parts.kernel_regression import Aligned, regressed
from util import tiling
from util.device import Place
from util.errors import UserError
from util.scores.baselines import bicubic
from util.task import Task

SHOT, READ = 0.002, 2e-5
SR = Task(channels=4, white=1.0, reference=0, result_channels=3, scale=8, bracketed=False)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def light(size: tuple[int, int] = (32, 32)) -> np.ndarray:
    """Linear camera RGB (3, H, W) for frames of `size` packed px, a textured part of a photograph."""
    height, width = (8 * side + 48 for side in size)
    picture = (pictures.astronaut()[40 : 40 + height, 100 : 100 + width] / 255.0).astype(np.float32)
    return np.ascontiguousarray((picture**2.2).transpose(2, 0, 1)) * np.float32([0.5, 1, 0.6])[:, None, None]


def motions(count: int) -> list[Motion]:
    """Of a hand: any shift up to 6 px of the mosaic, and up to 1 degree."""
    rng = np.random.default_rng(3)
    return [REFERENCE, *(Motion.draw(rng) for _ in range(count - 1))]


def taken(picture: np.ndarray, count: int, noise: float = 1.0) -> torch.Tensor:
    """A noisy burst (1, T, 4, h, w) of a picture."""
    clean = np.stack(list(frames(picture, motions(count))))
    normal = np.random.default_rng(0).standard_normal(clean.shape)
    noisy = clean + noise * np.sqrt(SHOT * clean + READ) * normal
    return torch.from_numpy(np.float32(noisy.clip(0, 1)))[None]


def truth(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture[None, :, 24:-24, 24:-24].copy())


def psnr(image: torch.Tensor, target: torch.Tensor, border: int = 24) -> float:
    inside = (..., slice(border, -border), slice(border, -border))
    return float(-10 * torch.log10((image - target)[inside].square().mean()))


def merge(burst: torch.Tensor, **arguments) -> torch.Tensor:
    with torch.inference_mode():
        return create_network("burst_merge", **arguments)(burst)


@pytest.fixture(scope="module")
def burst() -> tuple[torch.Tensor, torch.Tensor]:
    """14 frames and the truth."""
    return taken(light(), 14), truth(light())


# What it is for


def test_a_burst_is_better_than_a_frame_and_more_frames_than_few(burst: tuple) -> None:
    noisy, target = burst
    single = psnr(bicubic(noisy), target)
    scores = [psnr(merge(noisy[:, :count]), target) for count in (1, 2, 4, 14)]
    assert scores[0] > single + 0.3  # one frame alone, by kernels that follow edges
    assert np.diff(scores).min() > 0.25
    assert scores[-1] > single + 3


def test_flow_is_right_to_a_fraction_of_a_px(burst: tuple) -> None:
    noisy, _ = burst
    found = create_network("burst_merge").whole_frame(noisy)["flow"][0] * 2  # px of the mosaic
    height, width = light().shape[1:]
    first = cv2.invertAffineTransform(REFERENCE.matrix(height, width))
    rows, columns = (np.arange(32) * 8 + 24 + 3.5 for _ in range(2))  # middles of cells, in the picture
    x, y = np.meshgrid(columns, rows)
    place = first @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    errors = []
    for flow, motion in zip(found, motions(14)[1:], strict=True):
        moved = motion.matrix(height, width) @ np.vstack([place, np.ones(x.size)])
        right = torch.from_numpy((moved - [x.ravel(), y.ravel()]) / 4).view(2, 32, 32)
        errors.append((flow - right)[:, 4:-4, 4:-4].square().sum(0).sqrt().median())
    assert np.median(errors) < 0.15


def test_steps_find_a_small_shift_under_noise() -> None:
    rng = np.random.default_rng(0)
    large = cv2.GaussianBlur(rng.standard_normal((400, 400)), (0, 0), 6)
    base, other = (large[dy : 380 + dy : 4, dx : 380 + dx : 4] / large.std() for dy, dx in ((2, 2), (3, 0)))
    first, second = (
        torch.from_numpy(np.float32(part + 0.1 * rng.standard_normal(part.shape)))[None, None]
        for part in (base, other)
    )
    flow = refined(first, second, torch.zeros(1, 2, 95, 95), torch.tensor(0.01))
    error = flow[0] - torch.tensor([0.5, -0.25])[:, None, None]
    assert error[:, 8:-8, 8:-8].square().mean().sqrt() < 0.05


def test_what_moves_leaves_no_ghost(burst: tuple) -> None:
    noisy, target = burst
    moving = noisy.clone()
    for number in range(1, 14):  # a bright thing that jumps; in the first frame it is not there
        top, left = 4 + number % 3 * 8, 3 + number * 7 % 22
        moving[0, number, :, top : top + 5, left : left + 5] = 0.9
    plain, result = merge(noisy), merge(moving)
    assert psnr(result, target) > psnr(plain, target) - 1.0
    assert (result - plain).abs().amax() < 0.5


def test_noise_falls_in_even_places() -> None:
    even = np.full((3, 304, 304), 0.3, np.float32)
    noisy = taken(even, 8)
    spread = [float(merge(noisy[:, :count])[..., 24:-24, 24:-24].std()) for count in (1, 8)]
    assert spread[0] < 0.6 * float(noisy[:, 0].std()) and spread[1] < 0.45 * spread[0]


def test_known_noise_is_used(burst: tuple) -> None:
    noisy, target = burst
    known = (SHOT * noisy.clamp(min=0) + READ).sqrt()
    with torch.inference_mode():
        network = create_network("burst_merge")
        scores = [psnr(network(noisy, noise_map=factor * known), target) for factor in (1, 30)]
    assert scores[0] > scores[1] + 0.5  # under far too much noise everything is smoothed
    assert scores[0] > psnr(merge(noisy), target) - 0.3


# Shapes, places, tiles


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_colours_lie_where_the_mosaic_has_them(scale: int) -> None:
    rows, columns = np.mgrid[0:40, 0:36].astype(np.float32)
    ramp = torch.from_numpy(0.1 + rows / 80 + columns / 120)
    mosaic = torch.stack([ramp[r::2, c::2] for r, c in ((0, 0), (0, 1), (1, 0), (1, 1))])[None, None]
    down, across = (torch.arange(side * scale) * (2 / scale) for side in (20, 18))
    right = 0.1 + down[:, None] / 80 + across / 120
    inside = (..., slice(4 * scale, -4 * scale), slice(4 * scale, -4 * scale))
    for image in (merge(mosaic, scale=scale), bicubic(mosaic, scale)):
        assert image.shape == (1, 3, 20 * scale, 18 * scale)
        assert_allclose(image[inside], right.expand(1, 3, -1, -1)[inside], atol=0.006)


@pytest.mark.parametrize("noise", [0.1, 1.0, 3.0])
def test_scale_1_gives_the_planes_of_the_reference_with_less_noise(noise: float) -> None:
    picture = light()
    noisy = taken(picture, 6, noise)
    clean = torch.from_numpy(next(iter(frames(picture, [REFERENCE]))))
    with torch.inference_mode():
        network = create_network("burst_merge", scale=1, out_channels=4)
        result = network(noisy, noise_map=noise * (SHOT * noisy + READ).sqrt())
    assert result.shape == (1, 4, 32, 32)
    gain = psnr(result[0], clean, 4) - psnr(noisy[0, 0], clean, 4)
    assert gain > {0.1: -0.1, 1.0: 1.5, 3.0: 4.0}[noise]  # and detail does not go where there is no noise


def test_another_frame_may_be_the_reference(burst: tuple) -> None:
    noisy, _ = burst
    turned = noisy[:, [2, 0, 1]]
    assert_allclose(merge(noisy[:, :3], reference=2), merge(turned), atol=1e-6)
    assert_allclose(merge(turned, reference=1), merge(noisy[:, [0, 2, 1]]), atol=1e-6)


@pytest.mark.parametrize("count", [1, 3])
def test_tiles_of_odd_sizes_equal_the_whole_frame(count: int) -> None:
    noisy = taken(light((37, 45)), count)
    network = create_network("burst_merge")
    whole = tiling.restore(network, noisy, 0, 8)
    assert whole.shape == (1, 3, 8 * 37, 8 * 45) and whole.isfinite().all()
    assert_allclose(tiling.restore(network, noisy, 32, 8), whole, atol=1e-5)


def test_strips_change_nothing(burst: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = torch.stack((torch.ones(32, 32), torch.zeros(32, 32), torch.ones(32, 32)))
    one = Aligned(burst[0][0, :2], torch.zeros(2, 2, 32, 32), torch.ones(2, 32, 32), kernel)
    whole = regressed(one, 4)
    monkeypatch.setattr("models.networks.parts.kernel_regression.STRIP", 1)
    assert_allclose(regressed(one, 4), whole, atol=1e-6)


def test_what_cannot_be_is_refused() -> None:
    for arguments, text in (
        ({"scale": 1, "out_channels": 3}, "at scale 1 a burst is merged to its 4 planes"),
        ({"bracketed": True}, "exposure_merge is for brackets"),
        ({"read_noise": 0.0}, "read_noise must be above 0"),
    ):
        with pytest.raises(ValueError, match=text):
            create_network("burst_merge", **arguments)
    with pytest.raises(ValueError, match="frame 2, is not among 2 frames"):
        merge(torch.zeros(1, 2, 4, 20, 20), reference=2)


# Rows of scores


def model_for(task: Task, net: str) -> BaseModel:
    known = {"net": net, "size": None, "frame_num": 3, "checkpoints_dir": ".", "name": "x", "model": "syn"}
    known |= {
        "dataset_name": "synburst",
        "is_train": False,
        "tile": None,
        "tile_overlap": 8,
        "self_ensemble": 1,
        "precision": "fp32",
    }
    known |= {"compile": False, "channels_last": False, "scale": None}
    model = BaseModel(argparse.Namespace(**known), Place(torch.device("cpu")), task)
    model.scale = task.scale
    model.build()
    return model


def test_rows_of_super_resolution(burst: tuple) -> None:
    noisy, target = burst[0][:, :3], burst[1]
    rows = create_baselines(model_for(SR, "burst_merge"))
    assert list(rows) == ["single frame bicubic"]
    assert_allclose(rows["single frame bicubic"](noisy, {}), bicubic(noisy))
    assert psnr(bicubic(noisy), target) > 20


def test_rows_of_denoising(burst: tuple) -> None:
    noisy = burst[0][:, :3, :3]
    task = Task(channels=3, white=1.0, reference=0, scale=1, carries=("noise_map",), bracketed=False)
    rows = create_baselines(model_for(task, "exposure_merge"))
    assert list(rows) == ["single frame", "burst average"]
    assert_allclose(rows["single frame"](noisy, {}), noisy[:, 0])
    assert_allclose(rows["burst average"](noisy, {}), noisy.mean(1))


def test_brackets_are_refused_in_a_line() -> None:
    with pytest.raises(UserError, match="exposure_merge is for brackets"):
        model_for(Task(scale=1), "burst_merge")


def test_noise_law_is_that_of_the_map() -> None:
    frames = torch.rand(1, 3, 3, 20, 24, generator=torch.Generator().manual_seed(0)) - 0.1
    noise_map = (0.03 * frames.clamp(min=0) + 4e-4).sqrt()
    shot, read = noise_law(frames, noise_map)
    assert shot == pytest.approx(0.03, rel=1e-3) and read == pytest.approx(4e-4, rel=1e-2)
    assert noise_law(frames, torch.zeros_like(frames))[1] > 0  # a merge asks for some
