"""The strategies eld and exposure_diffusion through the programs: training, resuming, the table, mistakes."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from data.simulate.brackets import Settings, make_dataset
from data.simulate.sources import built_in
from tests.programs import largest_difference, log_rows, run, succeed
from tests.test_distributed import torchrun, wait

CONDITIONS = "--with_photon --concat_origin --adaptive_res_and_x0"
LATEST, STATE = "UNet_model_latest.pth", "train_state.pth"


@pytest.fixture(scope="module")
def low_light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes to train on and one to test. Not to be written to."""
    folder = tmp_path_factory.mktemp("data") / "sid"
    found = built_in()
    sources = {"Train": found["Train"][:2], "Test": found["Test"][:1]}
    make_dataset(folder, Settings(size=(48, 64), layout="sid"), 1, sources)
    return folder


@pytest.fixture
def training(low_light: Path, tmp_path: Path) -> tuple:
    """The words of a short training as run `run`."""
    words = f"--name run --checkpoints_dir {tmp_path} --dataroot {low_light} --gpu_ids -1 --size tiny -j 0"
    words += " --patch_size 16 --batch_size 2 --epoch_iters 4 --niter 2 --val_freq 0 --print_freq 1 --lr 1e-2"
    return tuple(words.split())


def table(path: Path) -> dict[str, dict[str, str]]:
    with path.open() as file:
        return {row["name"] + row.get("group", ""): row for row in csv.DictReader(file)}


def test_trained_and_tested(training, low_light: Path, tmp_path: Path) -> None:
    """Blind by default; a row for each number of exposures; scores by ratio; the record says the rest."""
    succeed("train.py", *training, "--model", "exposure_diffusion", *CONDITIONS.split(), "--auxloss")
    rows = log_rows(tmp_path / "run")
    assert rows[-1].keys() >= {"step1", "step2", "step3"}
    words = ("--name", "run", "--checkpoints_dir", tmp_path, "--gpu_ids", -1, "-j", 0, "--crop", "none")
    done = succeed("test.py", *words, "--iter_num", "0,1", "--baselines", "True")
    for method in ("restored x100", "iter_num 0 x250", "non-local means x300", "exposure merge"):
        assert method in done.out
    assert "restoring blind  iter_num 1  photons drawn" in done.out
    assert "illumination_correction True" in done.out
    scores = json.loads((tmp_path / "run" / "metrics_sid_syn_latest.json").read_text())
    assert set(scores["groups"]) == {"x100", "x250", "x300"}
    rows = table(tmp_path / "run" / "metrics_sid_syn_latest.csv")
    means = [float(rows[f"meanx{ratio}"]["psnr_raw"]) for ratio in (100, 250, 300)]
    assert float(rows["mean"]["psnr_raw"]) == pytest.approx(np.mean(means))

    again = succeed("test.py", *words, "--iter_num", "0,1", "--save_imgs", "False")
    repeated = json.loads((tmp_path / "run" / "metrics_sid_syn_latest.json").read_text())
    assert repeated["mean"] == scores["mean"], again.out  # photons are a function of name and seed
    for option in (("--photons", "mean"), ("--oracle", "True"), ("--seed", "1")):
        succeed("test.py", *words, "--iter_num", "0,1", "--save_imgs", "False", *option)
        other = json.loads((tmp_path / "run" / "metrics_sid_syn_latest.json").read_text())
        assert other["mean"]["psnr_raw"] != scores["mean"]["psnr_raw"]
        assert other["mean"]["psnr_raw"] == pytest.approx(scores["mean"]["psnr_raw"], abs=3)


def test_srgb_view_without_correction(training, tmp_path: Path) -> None:
    """The baseline of one pass, and the other ways to score."""
    succeed("train.py", *training, "--model", "eld", "--net", "nafnet", "--noise", "P+g", "--loss", "kl")
    words = ("--name", "run", "--checkpoints_dir", tmp_path, "--gpu_ids", -1, "-j", 0)
    done = succeed("test.py", *words, "--stage_eval", "srgb", "--illumination_correction", "False")
    assert "psnr_srgb" in done.out, done.out
    assert "illumination_correction False" in done.out
    result = run("test.py", *words, "--metrics", "psnr_mu")
    assert (result.status, "known: psnr_raw, ssim_raw" in result.err) == (2, True)


@pytest.mark.parametrize("adaptive_loss", ["True", "published"])
def test_resumed_with_step_weights(training, tmp_path: Path, adaptive_loss: str) -> None:
    """A run that was stopped and resumed ends as one that was not, step weights and all."""
    words = (*training, "--model", "exposure_diffusion", *CONDITIONS.split())
    words = (
        *words,
        "--adaptive_loss",
        adaptive_loss,
        "--schedule",
        "published",
        "--batch_size",
        1,
        "--lr_policy",
        "step",
    )
    succeed("train.py", *words)
    whole = tmp_path / "whole"
    (tmp_path / "run").rename(whole)
    succeed("train.py", *words, "--niter", 1)
    succeed("train.py", *words, "--resume", "True")
    ends = [torch.load(folder / STATE, weights_only=True)["model"] for folder in (whole, tmp_path / "run")]
    assert ends[0]["step_weight"].shape == (2,)
    assert not ends[0]["step_weight"].equal(torch.full((2,), 1 / 3))
    assert ends[0]["step_weight"].equal(ends[1]["step_weight"])
    assert largest_difference(whole / LATEST, tmp_path / "run" / LATEST) == 0
    result = run("train.py", *words, "--resume", "True", "--iter_num", 1)
    assert (result.status, "another --adaptive_loss or --iter_num" in result.err) == (2, True)


@pytest.mark.slow
def test_two_processes(training, tmp_path: Path) -> None:
    """Both learn the same weights, those of the network and those of the steps."""
    words = (*training, "--model", "exposure_diffusion", *CONDITIONS.split(), "--adaptive_loss", "True")
    words = (*words, "--lr_policy", "step")
    succeed("train.py", *words, "--name", "one")
    status, _, err = wait(torchrun(*words, "--name", "two"))
    assert status == 0, err
    one, two = (torch.load(tmp_path / name / STATE, weights_only=True)["model"] for name in ("one", "two"))
    torch.testing.assert_close(one["step_weight"], two["step_weight"], atol=0.01, rtol=0)
    assert not two["step_weight"].equal(torch.full((2,), 1 / 3))


MISTAKES = {
    "--noise P+x": "noise model 'P+x' has an unknown letter x",
    "--camera BAD": "bad.json: the calibration lacks gain_max",
    "--auxloss --adaptive_res_and_x0 False": "--auxloss is of the two branches",
    "--iter_num 400": "--iter_num 400: a ratio of",
    "--model exposure_diffusion --dataset_name syn": "needs the gain of each sample",
    "--model eld --dataset_name syn": "restores one frame, amplified",
    "--model syn --with_photon --dataset_name syn --frame_num 1": "needs the gain of each sample",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_in_training(training, brackets: Path, tmp_path: Path, words: str) -> None:
    bad = json.loads((Path(__file__).parents[1] / "data/simulate/calibrations/NikonD850.json").read_text())
    del bad["gain_max"]
    (tmp_path / "bad.json").write_text(json.dumps(bad))
    given = words.replace("BAD", str(tmp_path / "bad.json")).split()
    if "syn" in given:
        given += ["--dataroot", str(brackets)]
    model = () if "--model" in given else ("--model", "exposure_diffusion")
    network = () if "--adaptive_res_and_x0" in given or "syn" in given else CONDITIONS.split()
    result = run("train.py", *training, *model, "--net", "unet", *network, *given)
    assert result.status == 2, result.err
    assert MISTAKES[words] in result.err
    assert len(result.err.strip().splitlines()) == 1
