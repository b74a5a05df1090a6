"""--model sve: what networks are shown of a shot, what weights remember of their data, the programs."""

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from data import create_dataset
from data.draws import Draw
from models import create_model
from models.base_model import BaseModel
from models.cost import Cost
from models.expectation import expect
from models.networks import needs_weights, network_class
from options.test_options import TestOptions
from options.train_options import TrainOptions
from tests.programs import largest_difference, log_rows, run, succeed
from tests.test_network_arguments import CPU
from util.errors import UserError
from util.imaging.radiance import write_radiance

SHORT = ("--patch_size", 16, "--batch_size", 2, "--epoch_iters", 3, "--niter", 1, "--print_freq", 1)
SHORT = (*SHORT, "--sim_size", 32, "--gpu_ids", -1, "-j", 0)


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of linear light, two to train on and one to test on."""
    root, rng = tmp_path_factory.mktemp("light"), np.random.default_rng(0)
    for name in ("Train/a", "Train/b", "Test/c"):
        coarse = np.exp(rng.normal(-1, 1, (8, 8, 3)))
        image = np.repeat(np.repeat(coarse, 8, axis=0), 8, axis=1).astype(np.float32)
        (root / name).parent.mkdir(exist_ok=True)
        write_radiance(root / f"{name}.exr", image)
    return root


@pytest.fixture(scope="module")
def trained(light: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps at ratio 8."""
    folder = tmp_path_factory.mktemp("runs")
    words = ("--name", "x", "--checkpoints_dir", folder, "--size", "tiny", *SHORT)
    succeed("train.py", "--model", "sve", "--dataset_name", "sve_sim", "--dataroot", light, *words)
    return folder / "x"


def parsed(light: Path, *words: object, is_train: bool = False) -> argparse.Namespace:
    usual = (
        "--name",
        "x",
        "--model",
        "sve",
        "--dataset_name",
        "sve_sim",
        "--dataroot",
        light,
        "--gpu_ids",
        -1,
    )
    usual = (*usual, "--sim_size", 32, "--size", "tiny")
    kind = TrainOptions if is_train else TestOptions
    return kind().parse([str(word) for word in (*usual, *words)])


def model_of(light: Path, *words: object) -> tuple[BaseModel, dict]:
    """A new network for testing, and the one sample that there is to test on, as a batch."""
    opt = parsed(light, *words)
    dataset = create_dataset(opt, "test")
    model = create_model(opt, CPU, dataset.task)
    torch.manual_seed(0)
    model.build()
    return model, default_collate([dataset[0]])


# What networks are shown


@pytest.mark.parametrize("net", ["nafnet", "unet", "hdr_transformer", "ahdrnet", "tmrnet"])
def test_other_networks_are_given_two_frames_with_a_mask(light: Path, net: str) -> None:
    model, sample = model_of(light, "--net", net)
    arguments = model.network.arguments
    assert (arguments["in_channels"], arguments["out_channels"], arguments["scale"]) == (5, 3, 2)
    cost = Cost(model, alone=True)
    result = cost.restore(model.normalised(sample), sample)
    assert result.shape == sample["gt"].shape and result.std() > 0
    assert cost.facts()["gmacs_per_image"] > 0


def test_the_network_of_mosaics_sees_radiance_and_mask(light: Path) -> None:
    model, sample = model_of(light, "--net", "svenet")
    rows = sample["frames"][0, :, 0].clone()
    radiance = rows[0] + rows[1] / 8
    network = model.network.eval()
    with torch.inference_mode():
        expected = network(radiance[None, None, None], sample["mask"])
    torch.testing.assert_close(model.restore(model.normalised(sample), sample), expected)


def test_tiles_are_the_whole_shot(light: Path) -> None:
    model, sample = model_of(light, "--net", "svenet", "--sim_size", 64)
    frames = model.normalised(sample)
    whole = model.restore(frames, sample)
    model.opt.tile, model.opt.tile_overlap = 32, 8
    torch.testing.assert_close(model.restore(frames, sample), whole, atol=1e-6, rtol=0)


def test_a_mask_of_ones_changes_the_result(light: Path) -> None:
    model, sample = model_of(light, "--net", "svenet")
    frames = model.normalised(sample)
    result = model.restore(frames, sample)
    ones = {**sample, "mask": torch.ones_like(sample["mask"])}
    assert (model.restore(frames, ones) - result).abs().max() > 1e-4


@pytest.mark.parametrize(
    "words, message",
    [
        (("--model", "syn", "--dataset_name", "syn", "--net", "svenet"), "svenet .* frames of 1 plane"),
        (
            ("--dataset_name", "syn", "--net", "svenet"),
            "--model sve restores mosaics that repeat",
        ),
        (("--model", "syn", "--net", "exposure_merge"), "repeats every 1 x 1 px, not 4 x 2 px"),
        (("--model", "deeprep", "--net", "deeprep_sr"), "restores bursts of one exposure"),
        (("--net", "deeprep_denoise"), "--net deeprep_denoise cannot restore --dataset_name sve_sim"),
    ],
)
def test_impossible_pairs_are_refused_by_name(light: Path, words: tuple[str, ...], message: str) -> None:
    opt = ["--name", "x", "--model", "sve", "--dataset_name", "sve_sim", "--dataroot", str(light)]
    with pytest.raises(UserError, match=message):
        TestOptions().parse([*opt, "--gpu_ids", "-1", *words])


# The loss


def test_px_that_are_not_known_teach_nothing(light: Path) -> None:
    opt = parsed(light, "--patch_size", 16, is_train=True)
    dataset = create_dataset(opt, "train")
    model = create_model(opt, CPU, dataset.task)
    model.build()
    model.prepare_training()
    batch = default_collate([dataset[Draw(0, 0, 1, 0, 0)]])
    batch["valid"] = torch.ones(1, 1, 16, 16)
    batch["valid"][..., 8:] = 0
    losses = []
    for spoilt in (0.0, 1e3):
        batch["gt"][..., 8:] += spoilt
        model.set_input(
            {key: value.clone() if torch.is_tensor(value) else value for key, value in batch.items()}
        )
        model.forward()
        losses.append(model.compute_loss().item())
    assert losses[0] == losses[1] > 0
    del batch["valid"]
    model.set_input(batch)
    model.forward()
    assert model.compute_loss() > 100


def test_a_strategy_that_would_learn_from_unknown_px_says_so(light: Path) -> None:
    opt = parsed(light, "--patch_size", 16, "--model", "syn", "--net", "svenet", is_train=True)
    dataset = create_dataset(opt, "train")
    model = create_model(opt, CPU, dataset.task)
    model.build()
    batch = default_collate([dataset[Draw(0, 0, 1, 0, 0)]])
    with pytest.raises(UserError, match="px whose truth is unknown, which --model syn would learn from"):
        model.set_input(batch | {"valid": torch.ones(1, 1, 16, 16)})


@pytest.mark.parametrize("net", ["unet", "exposure_merge", "row_merge", "sve_residual"])
def test_the_expected_time_is_of_what_the_network_is_shown(light: Path, net: str) -> None:
    size = "tiny" if needs_weights(net) else "full"
    model, sample = model_of(light, "--net", net, "--size", size)
    assert 0 < expect(model, model.normalised(sample), sample).total < 60


# What weights remember


def test_the_checkpoint_tells_its_protocol(trained: Path) -> None:
    content = torch.load(trained / "SVENet_model_latest.pth", weights_only=True)
    assert content["protocol"] == {
        "exposure ratio": "8",
        "row order": "short_first",
        "guidance mask": "binary 0.02 0.98",
        "unit": "saturation of the short exposure",
    }
    chosen = {"dataset_name": "sve_sim", "clip_truth": "True", "delta_ev": "3.0", "sve_kind": "time"}
    assert content["data"].items() >= (chosen | {"full_well": "[7500.0]", "sve_read_noise": "3.0"}).items()


@pytest.mark.parametrize(
    "words, told",
    [
        (("--delta_ev", 5), "exposure ratio 8, --dataset_name sve_sim has 32"),
        (("--row_order", "long_first"), "row order short_first, .* has long_first"),
        (("--guidance_mask", "soft"), "guidance mask binary 0.02 0.98, .* has soft 0.005 0.03 0.9 0.98"),
        (("--mask_limits", "0.05,0.9"), "guidance mask binary 0.02 0.98, .* has binary 0.05 0.9"),
    ],
)
def test_weights_for_another_protocol_are_refused(light, trained, capsys, words, told) -> None:
    weights = ("--load_path", trained / "SVENet_model_latest.pth")
    for more in ((), ("--any_protocol", True)):
        opt = parsed(light, *weights, *words, *more)
        model = create_model(opt, CPU, create_dataset(opt, "test").task)
        if more:
            model.load_trained("latest")
            assert "note: " in capsys.readouterr().out
        else:
            with pytest.raises(UserError, match=f"was trained with {told}: --any_protocol True"):
                model.load_trained("latest")


def test_a_measured_ratio_is_compared_as_well(light: Path, trained: Path) -> None:
    """A data set that measures each shot says no ratio beforehand."""
    opt = parsed(light, "--load_path", trained / "SVENet_model_latest.pth")
    dataset = create_dataset(opt, "test")
    facts = tuple(fact for fact in dataset.task.protocol if fact[0] != "exposure ratio")
    model = create_model(opt, CPU, dataset.task._replace(protocol=facts))
    model.load_trained("latest")
    for ratio, fits in ((7.5, True), (8.6, True), (4.0, False), (32.0, False)):
        sample = default_collate([dataset[0]]) | {"exposure": torch.tensor([[1.0, ratio]])}
        frames = model.normalised(sample)
        if fits:
            model.restore(frames, sample)
        else:
            with pytest.raises(UserError, match=f"exposed 1 : {ratio:g}, the weights .* ratio of 8"):
                model.restore(frames, sample)


# Through the programs


def test_trained_resumed_and_tested(light: Path, trained: Path, tmp_path: Path) -> None:
    """A run that is stopped after its first step and goes on ends as the unbroken one; then it is scored."""
    (score,) = log_rows(trained, "val")
    assert {"psnr_l", "psnr_mu", "ssim_mu", "angle"} <= score.keys()
    words = ("--checkpoints_dir", tmp_path, "--size", "tiny", *SHORT, "--print_freq", 1)
    where = ("--model", "sve", "--dataset_name", "sve_sim", "--dataroot", light, "--name", "x")
    succeed("train.py", *where, *words, "--epoch_iters", 3, "--niter", 2)
    unbroken = tmp_path / "x" / "SVENet_model_2.pth"
    again = ("train.py", f"@{trained}/opt_train.args", "--resume", True, "--niter", 2)
    refused = run(*again, "--delta_ev", 2)
    assert refused.status == 2 and "was trained with exposure ratio 8" in refused.err
    succeed(*again)
    assert largest_difference(unbroken, trained / "SVENet_model_2.pth") == 0

    succeed("test.py", "--name", "x", "--checkpoints_dir", tmp_path, "--gpu_ids", -1, "--baselines", True)
    rows = {}
    for path in (tmp_path / "x").glob("metrics_sve_sim_latest*.csv"):
        with path.open() as file:
            rows[path.stem.removeprefix("metrics_sve_sim_latest")] = next(csv.DictReader(file))
    assert set(rows) == {"", "_bilinear_merge", "_edge-aware_merge", "_exposure_merge"}
    facts = json.loads((tmp_path / "x" / "metrics_sve_sim_latest.json").read_text())
    assert "guided" in json.dumps(facts)
    assert (tmp_path / "x" / "report_sve_sim_latest" / "index.html").exists()


def test_published_defaults(light: Path) -> None:
    opt = parsed(light, "--size", "full", is_train=True)
    assert opt.net == "svenet" and network_class(opt.net).__name__ == "SVENet"
    assert (opt.lr, opt.beta1, opt.beta2, opt.weight_decay) == (2e-4, 0.9, 0.99, 0.0)
    assert (opt.batch_size, opt.patch_size, opt.grad_clip) == (16, 128, 1.0)
    assert opt.niter * opt.epoch_iters == 300_000 and opt.lr_milestone_factor == 0.5
