"""Means over mirror images of the frames."""

import argparse
import json
from pathlib import Path

import pytest
import torch

from models import create_model
from models.networks.exposure_merge import ExposureMerge
from models.self_ensemble import (
    NUMBERS,
    VIEWS,
    check_views,
    mean_of_views,
    mirrored,
    mirrored_back,
    transposed,
)
from options.test_options import TestOptions
from tests.programs import run, succeed
from util.device import Place
from util.errors import UserError
from util.imaging.bayer import unpack
from util.task import Task

SIZE = (6, 8)


def frames(planes: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 2, planes, *SIZE, generator=torch.Generator().manual_seed(seed))


def first(view: torch.Tensor, _tell: object) -> torch.Tensor:
    return view[:, 0]


def darker_to_the_right(view: torch.Tensor, _tell: object) -> torch.Tensor:
    """What no mirror image of the frames would be given."""
    return view[:, 0] * torch.linspace(1, 0.5, view.shape[-1])


def test_views_of_a_mosaic_are_mosaics() -> None:
    """As they are made of the mosaic itself: mirrored, it begins with red without its last column or row."""
    planes = frames(4)[0, 0]
    mosaic = torch.from_numpy(unpack(planes.numpy()))

    def whole(view: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(unpack(view.numpy()))

    assert torch.equal(whole(transposed(planes)), mosaic.T)
    assert torch.equal(whole(mirrored(planes, -1)), mosaic.flip(-1)[:, 1:-1])
    assert torch.equal(whole(mirrored(planes, -2)), mosaic.flip(-2)[1:-1])
    back = whole(mirrored_back(mirrored(planes, -1), -1))
    assert torch.equal(back[:, 1:-1], mosaic[:, 1:-1])
    assert not back[:, [0, -1]].any()


def test_views_are_different() -> None:
    seen = []
    mean_of_views(lambda view, _tell: seen.append(view) or view[:, 0], frames(3), 8)
    assert len({tuple(view.flatten().tolist()) for view in seen}) == len(VIEWS) == 8


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("planes", [3, 4, 6])
def test_views_come_back(planes: int, number: int) -> None:
    known = frames(planes)
    torch.testing.assert_close(mean_of_views(first, known, number), known[:, 0])


@pytest.mark.parametrize("planes", [3, 4])
def test_the_mean_knows_no_direction(planes: int) -> None:
    """Inside, if views of a mosaic do not have its border."""
    known = frames(planes)
    mean = mean_of_views(darker_to_the_right, known, 8)
    torch.testing.assert_close(mean_of_views(darker_to_the_right, transposed(known), 8), transposed(mean))
    inside = (..., slice(1, -1), slice(1, -1))
    for dim in (-1, -2):
        other = mean_of_views(darker_to_the_right, mirrored(known, dim), 8)
        torch.testing.assert_close(other[inside], mirrored(mean, dim)[inside], atol=0.06, rtol=0)
    assert (darker_to_the_right(known.flip(-1), None).flip(-1) - known[:, 0])[..., 0].abs().max() > 0.2


def test_means_are_nearer_the_truth() -> None:
    generator = torch.Generator().manual_seed(0)
    soft = torch.nn.functional.interpolate(
        torch.rand(1, 4, 12, 12, generator=generator), (96, 96), mode="bicubic"
    )
    truth = soft.clamp(0.02, 1)[:, None] / 4
    exposure = torch.tensor([[1.0, 4.0]])
    clean = (truth * exposure[..., None, None, None]).expand(1, 2, 4, 96, 96)
    noise = (0.0024 * clean + 1.8e-5).sqrt() * torch.randn(clean.shape, generator=generator)
    brackets = (clean + noise).clamp(0, 1) / exposure[..., None, None, None]
    merge = ExposureMerge()

    def restored(view: torch.Tensor, _tell: object) -> torch.Tensor:
        return merge(view, exposure)

    errors = [
        float((mean_of_views(restored, brackets, number) - truth[:, 0]).square().mean()) for number in NUMBERS
    ]
    assert errors[0] > 1.05 * errors[3] and errors == sorted(errors, reverse=True)


def test_all_views_count_as_one_work() -> None:
    told = []

    def restored(view: torch.Tensor, tell: object) -> torch.Tensor:
        tell("whole frame", 1.0)
        for done in (0.5, 1.0):
            tell("tiles", done)
        return view[:, 0]

    mean_of_views(restored, frames(4), 2, lambda *words: told.append(words))
    assert told == [("tiles", done) for done in (0.25, 0.5, 0.75, 1.0)]


def test_frames_of_one_column() -> None:
    thin = frames(4)[..., :1]
    assert mean_of_views(first, thin, 2).shape == (1, 4, 6, 1)
    with pytest.raises(UserError, match="--self_ensemble 4 takes frames of 2 px or more on each side"):
        mean_of_views(first, thin, 4)


@pytest.mark.parametrize(
    "task, scale",
    [
        (Task(scale=4), 4),
        (Task(mosaic=False), 1),
        (Task(channels=1, result_channels=3, period=(4, 2)), 1),
        (Task(result_channels=3), 1),
        (Task(carries=("noise_map",)), 1),
    ],
)
def test_what_has_no_mirror_images(task: Task, scale: int) -> None:
    opt = options("--self_ensemble", "2")
    with pytest.raises(UserError, match=r"--self_ensemble 2 mirrors .*: not what --model syn restores"):
        check_views(opt, task, scale)
    check_views(options(), task, scale)


@pytest.mark.parametrize("task", [Task(), Task(channels=3), Task(carries=("gain", "ratio"))])
def test_what_has_mirror_images(task: Task) -> None:
    check_views(options("--self_ensemble", "8"), task, 1)


def options(*words: str) -> argparse.Namespace:
    return TestOptions().parse(["--name", "x", "--dataroot", "/data", "--gpu_ids", "-1", *words])


def test_the_ground_truth_is_not_mirrored() -> None:
    words = ("--model", "exposure_diffusion", "--dataset_name", "sid", "--frame_num", "1", "--net", "unet")
    opt = options(*words, "--oracle", "True", "--self_ensemble", "2")
    task = Task(white=1.0, carries=("gain", "ratio"))
    with pytest.raises(UserError, match="--oracle True is of the ground truth as it is: without --self_ens"):
        create_model(opt, Place(torch.device("cpu")), task).build()


def test_through_the_program(brackets: Path, tmp_path: Path) -> None:
    """Other pictures and scores, which say what they are of; what has no mirror images is refused."""
    words = ("--dataroot", brackets, "--gpu_ids", -1, "-j", 0, "--checkpoints_dir", tmp_path)
    merged = ("--net", "exposure_merge", *words)
    scores = {}
    for number in (1, 8):
        succeed("test.py", "--name", number, *merged, "--self_ensemble", number)
        path = tmp_path / str(number) / "metrics_syn_exposure_merge.json"
        scores[number] = json.loads(path.read_text())
    assert "self_ensemble" not in scores[1] and scores[8]["self_ensemble"] == 8
    assert scores[8]["mean"]["psnr_mu"] > scores[1]["mean"]["psnr_mu"]
    other = ("--model", "synplus", "--dataset_name", "synplus", *merged)
    refused = run("test.py", "--name", "x", *other, "--self_ensemble", 2)
    assert (refused.status, len(refused.err.splitlines())) == (2, 1)
    assert "--self_ensemble 2 mirrors RGB frames and RGGB mosaics" in refused.err
