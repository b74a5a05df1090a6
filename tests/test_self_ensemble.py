"""Means over mirror images of the frames."""

import argparse
import json
from pathlib import Path

import pytest
import torch

from models import create_model, expectation
from models.base_model import BaseModel
from models.cost import Cost
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
from models.structure_labels import network_digest
from options.test_options import TestOptions
from tests.programs import run, succeed
from util.device import Place
from util.errors import UserError
from util.imaging.bayer import unpack
from util.scores.comparison import read_run
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
    assert VIEWS[:4] == ((False, ()), (True, ()), (False, (-2, -1)), (True, (-2, -1)))
    assert len({tuple(view.flatten().tolist()) for view in seen}) == len(VIEWS) == 8


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("planes", [3, 4, 6])
def test_views_come_back(planes: int, number: int) -> None:
    known = frames(planes)
    torch.testing.assert_close(mean_of_views(first, known, number), known[:, 0])


def test_results_are_summed_in_full_precision() -> None:
    known = frames(4)
    mean = mean_of_views(lambda view, _tell: view[:, 0].bfloat16(), known, 8)
    torch.testing.assert_close(mean, known[:, 0].bfloat16().float())


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
    assert told == [("tiles", done) for done in (0.25, 0.5, 0.5, 0.75, 1.0, 1.0)]


def test_frames_of_one_column() -> None:
    thin = frames(4)[..., :1]
    assert mean_of_views(first, thin, 2).shape == (1, 4, 6, 1)
    with pytest.raises(UserError, match="--self_ensemble 4 takes mosaics of 4 px or more on each side"):
        mean_of_views(first, thin, 4)
    assert mean_of_views(first, thin[:, :, :3], 8).shape == (1, 3, 6, 1)


@pytest.mark.parametrize(
    "task, scale, reason",
    [
        (Task(scale=4), 4, "results are not as their frames"),
        (Task(result_channels=3), 1, "results are not as their frames"),
        (Task(mosaic=False), 1, "four planes need not be a mosaic that begins with red"),
        (Task(channels=1, result_channels=3), 1, "frames of 1 plane are neither RGB nor RGGB"),
        (Task(carries=("gain", "noise_map")), 1, "a noise_map belongs to the px"),
    ],
)
def test_what_has_no_mirror_images(task: Task, scale: int, reason: str) -> None:
    refused = "--self_ensemble 2 cannot mirror what --model syn restores of --dataset_name syn: "
    with pytest.raises(UserError, match=f"^{refused}{reason}$"):
        check_views(options("--self_ensemble", "2"), task, scale)
    check_views(options(), task, scale)


@pytest.mark.parametrize("task", [Task(), Task(channels=3), Task(carries=("gain", "ratio"))])
def test_what_has_mirror_images(task: Task) -> None:
    check_views(options("--self_ensemble", "8"), task, 1)


def options(*words: str) -> argparse.Namespace:
    return TestOptions().parse(["--name", "x", "--dataroot", "/data", "--gpu_ids", "-1", *words])


def model_of(number: int) -> BaseModel:
    opt = options("--self_ensemble", str(number), "--size", "tiny", "--frame_num", "2")
    torch.manual_seed(0)
    model = create_model(opt, Place(torch.device("cpu")), Task())
    model.build()
    return model


def test_work_is_that_of_all_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Multiply-adds and time; and labels that were made of one are made anew of several."""
    trial = expectation._Trial
    monkeypatch.setattr(expectation, "_tried", lambda *_: (trial(2.0, 0), trial(1.0, 0)))  # seconds
    costs, expected, digests = [], [], []
    for number in (1, 8):
        model, sample = model_of(number), {"exposure": torch.ones(1, 2)}
        known = torch.rand(1, 2, 4, 96, 96)
        expected.append(expectation.expect(model, known, sample))
        cost = Cost(model, alone=True)
        cost.restore(known, sample)
        costs.append(cost.facts()["gmacs_per_image"])
        digests.append(network_digest(model))
    assert costs[1] == pytest.approx(8 * costs[0]) and digests[0] != digests[1]
    assert [each.total for each in expected] == [3.0, 24.0]
    assert [expected[1].share("tiles", done) for done in (0, 0.5, 1)] == [0, 0.5, 1]


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
    assert [row.row["self_ensemble"] for row in read_run(tmp_path / "8", "8")] == [8]
    other = ("--model", "synplus", "--dataset_name", "synplus", *merged)
    refused = run("test.py", "--name", "x", *other, "--self_ensemble", 2)
    assert (refused.status, len(refused.err.splitlines())) == (2, 1)
    assert "--self_ensemble 2 cannot mirror what --model synplus restores" in refused.err
