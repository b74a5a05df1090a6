"""The training loop: samples that cannot be used, clipping, precision, augmentation, and that it learns."""

import argparse
import ast
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch

from models.losses import mu_law_log_mse
from options.record import write_options
from options.train_options import TrainOptions
from tests.programs import ROOT, largest_difference, log_rows, run, succeed, weights
from util.imaging.tonemap import mu_law

LATEST = "TMRNet_model_latest.pth"
PROGRAMS = ("data", "models", "options", "util")


@pytest.fixture
def two_samples(brackets, tmp_path) -> Path:
    """Training samples `camera` and `grass` that may be damaged."""
    for scene in ("camera", "grass"):
        shutil.copytree(brackets / "Train" / scene, tmp_path / "data" / "Train" / scene)
    return tmp_path / "data"


@pytest.fixture
def train(common, tmp_path):
    """Runs train.py as run `run`, one sample per step."""
    words = (*common, "--batch_size", 1, "--val_freq", 0, "--niter", 1)
    words = (*words, "--checkpoints_dir", tmp_path, "--name", "run")
    return lambda *more: run("train.py", *words, *more)


def spoil(root: Path, scene: str) -> None:
    """Fill a sample's ground truth with NaN."""
    path = root / "Train" / scene / "000000" / "raw_gt.npy"
    np.save(path, np.full_like(np.load(path), np.nan))


def test_step_without_finite_gradient(train, two_samples, tmp_path):
    """It is left out, its sample named, and nothing of it gets into weights, averages or logs."""
    spoil(two_samples, "grass")
    result = train("--dataroot", two_samples, "--epoch_iters", 24, "--ema_decay", 0.9)
    assert result.status == 0, result.err
    lines = [line for line in result.err.splitlines() if line.startswith("left out a step")]
    assert len(lines) == 12  # more than ten, but not in a row
    assert all(line.endswith(": grass-000000") for line in lines)
    assert all(value.isfinite().all() for value in weights(tmp_path / "run" / LATEST).values())
    rows = log_rows(tmp_path / "run")
    assert 12 <= len(rows) <= 24
    assert all(np.isfinite(row["mu_l1"]) for row in rows)
    state = torch.load(tmp_path / "run" / "train_state.pth", weights_only=True)
    assert {int(entry["step"]) for entry in state["model"]["optimizer"]["state"].values()} == {12}


def test_part_without_finite_gradient(train, two_samples):
    """With --accumulate one bad part spoils its step alone."""
    spoil(two_samples, "grass")
    words = ("--batch_size", 2, "--accumulate", 2, "--epoch_iters", 4, "--seed", 1)
    result = train("--dataroot", two_samples, *words)
    assert result.status == 0, result.err
    assert 1 <= result.err.count("left out a step") <= 4
    assert result.err.count("left out a step") == result.err.count("\n")


def test_ten_in_a_row(train, two_samples, tmp_path):
    """The run gives up with one error line; weights that these steps may have spoilt are not saved."""
    spoil(two_samples, "grass")
    spoil(two_samples, "camera")
    words = ("--dataroot", two_samples, "--epoch_iters", 20, "--save_latest_freq", 4)
    result = train(*words)
    assert result.status == 2
    *lines, error = result.err.splitlines()
    assert error.startswith("error: 10 steps in a row without a finite gradient")
    assert len(lines) == 10
    assert not (tmp_path / "run" / LATEST).exists()
    assert not (tmp_path / "run" / "train_state.pth").exists()


@pytest.mark.parametrize("workers", [0, 2])
def test_damaged_samples_left_out(workers, train, two_samples):
    """--skip_damaged names the file and goes on with the other samples, until there is none."""
    path = two_samples / "Train" / "grass" / "000000" / "raw_64.npy"
    os.truncate(path, 2000)
    words = ("--dataroot", two_samples, "--epoch_iters", 4, "-j", workers, "--skip_damaged", True)
    result = train(*words)
    assert result.status == 0, result.err
    lines = result.err.splitlines()
    assert lines
    assert all(line.startswith(f"left out: {path}: damaged") for line in lines)
    os.truncate(two_samples / "Train" / "camera" / "000000" / "raw_gt.npy", 2000)
    result = train(*words)
    assert result.status == 2
    errors = [line for line in result.err.splitlines() if not line.startswith("left out: ")]
    assert errors == [f"error: no readable sample in {two_samples}"]


def test_gradient_clipping(train, tmp_path):
    """Gradients far below AdamW's epsilon of 1e-8 make steps as much smaller than the learning rate."""
    words = ("--niter", 2, "--epoch_iters", 3, "--weight_decay", 0, "--lr", 1e-3, "--lr_policy", "step")
    moved = []
    for limit in (0, 1e4, 1e-11):
        assert train(*words, "--grad_clip", limit).status == 0
        moved.append(largest_difference(tmp_path / "run" / "TMRNet_model_1.pth", tmp_path / "run" / LATEST))
    assert moved[0] == moved[1] > 1e-3
    assert 0 < moved[2] < 3 * 1e-3 * 1e-11 / 1e-8 * 1.5


def test_precision(train, tmp_path):
    """bf16 and fp16 lose no more than their digits; their weights stay float32."""
    losses = {}
    for precision in ("fp32", "bf16", "fp16"):
        result = train("--epoch_iters", 3, "--precision", precision)
        assert (result.status, result.err) == (0, "")
        losses[precision] = np.array([row["mu_l1"] for row in log_rows(tmp_path / "run")])
        assert {value.dtype for value in weights(tmp_path / "run" / LATEST).values()} == {torch.float32}
    for precision in ("bf16", "fp16"):
        assert 0 < np.abs(losses[precision] / losses["fp32"] - 1).max() < 0.05


@pytest.mark.parametrize("name, patch", [("syn", 24), ("synplus", 8)])
def test_augmentation(name, patch, train, tmp_path):
    """Every way runs, and each gives other data."""
    first = {}
    for way in ("none", "published", "cfa"):
        words = ("--model", name, "--dataset_name", name, "--patch_size", patch, "--augment", way)
        assert train(*words, "--epoch_iters", 3, "--batch_size", 2).status == 0
        first[way] = [row["mu_l1"] for row in log_rows(tmp_path / "run")]
    assert len({tuple(losses) for losses in first.values()}) == 3


def test_loss_of_psnr(train, tmp_path):
    """Its value falls by as much as PSNR-mu rises, and training by it goes another way."""
    target = torch.rand(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    output = target * torch.tensor([1.1, 1.2, 1.4]).view(-1, 1, 1, 1)
    squared = (mu_law(output) - mu_law(target)).square().mean((1, 2, 3))
    psnr = (-10 * squared.log10()).mean()
    assert mu_law_log_mse(output, target, 1.0) == pytest.approx(-float(psnr) * np.log(10) / 10, rel=0.01)
    losses = {}
    for loss in ("l1", "psnr"):
        assert train("--epoch_iters", 4, "--loss", loss, "--lr", 1e-3).status == 0
        losses[loss] = [row["mu_l1"] for row in log_rows(tmp_path / "run")]
    assert losses["l1"][0] == losses["psnr"][0] and losses["l1"] != losses["psnr"]


def test_learns(train, tmp_path):
    """The loss falls to less than two thirds within 60 steps on one sample."""
    words = ("--max_dataset_size", 1, "--batch_size", 2, "--epoch_iters", 60, "--augment", "none")
    assert train(*words, "--lr", 2e-3, "--lr_policy", "step").status == 0
    losses = [row["mu_l1"] for row in log_rows(tmp_path / "run")]
    assert len(losses) == 60
    assert np.mean(losses[-10:]) < 0.66 * np.mean(losses[:5])


def test_starts_from_own_epoch(train, common, tmp_path):
    """--load_iter takes this run's weights of an epoch as the start of a new run."""
    assert train("--epoch_iters", 3, "--lr", 1e-3).status == 0
    shutil.copytree(tmp_path / "run", tmp_path / "next")
    words = (*common, "--batch_size", 1, "--val_freq", 0, "--niter", 1, "--epoch_iters", 1, "--lr", 0)
    where = ("--checkpoints_dir", tmp_path, "--name", "next", "--load_iter", 1, "--first_epoch", 1)
    result = succeed("train.py", *words, *where, "--weight_decay", 0)
    assert f"weights from {tmp_path}/next/TMRNet_model_1.pth" in result.out
    assert largest_difference(tmp_path / "next" / LATEST, tmp_path / "run" / LATEST) == 0


def test_goes_on_after_an_epoch(train, common, tmp_path):
    """--load_iter N goes on in epoch N + 1: its steps, its samples and its learning rate, as published."""
    words = ("--epoch_iters", 2, "--niter", 3, "--print_freq", 1, "--lr_policy", "cosine")
    assert train(*words).status == 0
    unbroken = log_rows(tmp_path / "run")
    result = train(*words, "--load_iter", 1)
    assert result.status == 0, result.err
    rows = log_rows(tmp_path / "run")
    for key in ("step", "epoch", "lr"):
        assert [row[key] for row in rows] == [row[key] for row in unbroken[2:]]
    assert rows[0]["mu_l1"] == pytest.approx(unbroken[2]["mu_l1"], rel=1e-6)
    assert sorted(path.name for path in (tmp_path / "run").glob("*_model_[0-9].pth"))[0].endswith("_2.pth")
    assert "--first_epoch 2\n" in (tmp_path / "run" / "opt_train.args").read_text()


# Options


def test_recorded_options(tmp_path):
    """What a run writes down is what it was started with."""
    words = (
        "--name x --dataroot /data --lr 3e-4 --niter 7 --shuffle true --load_iter 4 -j 3 --mid_channels 24"
    )
    opt = TrainOptions().parse(words.split())
    write_options(opt, tmp_path)
    again = TrainOptions().parse([f"@{tmp_path}/opt_train.args"])
    assert vars(again) == vars(opt)
    assert (opt.lr, opt.niter, opt.load_iter, opt.workers, opt.mid_channels) == (3e-4, 7, [4], 3, 24)


def unread_options(sources: Iterable[str]) -> set[str]:
    """Options (`add_argument` with a literal name) that no source reads from an options object."""
    added, read = set(), set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call):
                names = [word.value for word in node.args if isinstance(word, ast.Constant)]
                function = getattr(node.func, "attr", getattr(node.func, "id", None))
                dest = [word.value.value for word in node.keywords if word.arg == "dest"]
                if function == "add_argument" and dest:
                    added.update(dest)
                elif function == "add_argument" and names:
                    long = [name for name in names if not name.startswith("-") or name.startswith("--")]
                    added.add((long or names)[0].lstrip("-").replace("-", "_"))
                elif function == "getattr":
                    read.update(names)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                holder = getattr(node.value, "attr", getattr(node.value, "id", None))
                if holder in ("opt", "options", "chosen"):
                    read.add(node.attr)
    return added - read - {"help"}


def test_every_option_is_read():
    files = [path for folder in PROGRAMS for path in (ROOT / folder).rglob("*.py")]
    files += [ROOT / "train.py", ROOT / "test.py"]
    assert unread_options(path.read_text() for path in files) == set()


def test_unread_options_are_found():
    """The search above finds what it is for."""
    source = "p.add_argument('-a', '--alpha', '--other')\np.add_argument('--beta')\np.add_argument('gamma')\n"
    assert unread_options([source]) == {"alpha", "beta", "gamma"}
    assert unread_options([source, "opt.alpha = 1; x = opt.beta + self.opt.gamma"]) == {"alpha"}
    assert unread_options([source, "getattr(opt, 'alpha', 0)", "beta(options.gamma)"]) == {"beta"}


def test_every_option_has_help():
    """Text in -h for every option, but for the published ones without effect."""
    parser = TrainOptions().build_parser([])
    shown = [action for action in parser._actions if action.help is not argparse.SUPPRESS]
    assert len(shown) > 40
    assert all(action.help for action in shown)
