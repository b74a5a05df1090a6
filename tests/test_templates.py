"""The templates for one's own model and data set: they train, test, and refuse what does not fit."""

import argparse
import csv
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from data import create_dataset, dataset_names
from data.draws import Draw
from models import model_names
from util.errors import UserError
from util.imaging.images import read_picture

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two samples to train on, one to test with; brackets of a step of 2 that agree with their target."""
    folder = tmp_path_factory.mktemp("template")
    for number, name in enumerate(("train/one", "train/two", "test/three")):
        path = folder / f"{name}.npy"
        path.parent.mkdir(exist_ok=True)
        target = np.random.default_rng(number).uniform(0, 0.9, (40, 48, 4)).astype(np.float32)
        exposures = np.float32([0.5, 1, 2]).reshape(3, 1, 1, 1)
        np.save(path, np.minimum(target * exposures, 1))
        np.save(path.with_name(f"{path.stem}_gt.npy"), target)
    return folder


def options(root: Path, **changes) -> argparse.Namespace:
    settings = {
        "dataset_name": "template",
        "dataroot": str(root),
        "max_dataset_size": None,
        "frame_num": 5,
        "patch_size": 24,
        "exposure_step": 2.0,
        "skip_damaged": False,
    }
    return argparse.Namespace(**settings | changes)


def program(name: str, *arguments: object) -> str:
    """Run train.py or test.py; returns what it printed."""
    command = [sys.executable, str(ROOT / name), *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_templates_are_found_by_their_names() -> None:
    assert "template" in dataset_names() and "template" in model_names()


def test_templates_train_and_test(root: Path, tmp_path: Path) -> None:
    names = ("--model", "template", "--dataset_name", "template", "--dataroot", root, "--name", "own")
    shared = (*names, "--checkpoints_dir", tmp_path, "--gpu_ids", -1, "-j", 0, "--frame_num", 3)
    small = ("--size", "tiny", "--batch_size", 2, "--epoch_iters", 2, "--niter", 1, "--print_freq", 1)
    program("train.py", *shared, *small, "--patch_size", 24, "--exposure_step", 2, "--linear_weight", 0.5)
    run = tmp_path / "own"
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "mu_l1" in line]
    assert len(steps) == 2 and all(0 < step["mu_l1"] < 1 and 0 < step["linear_l1"] < 10 for step in steps)
    assert "linear_weight: 0.5" in (run / "opt_train.txt").read_text()
    assert any("psnr_mu" in line for line in lines)  # of the validation
    output = program("test.py", *shared, "--exposure_step", 2, "--save_hdr", "hdr", "--baselines", True)
    with (run / "metrics_template_latest.csv").open() as file:
        rows = {row["name"]: float(row["psnr_mu"]) for row in csv.DictReader(file)}
    assert set(rows) == {"test-three", "mean"} and math.isfinite(rows["mean"])
    assert read_picture(run / "output_template_vispng_latest" / "test" / "three.png").shape == (80, 96, 3)
    average = next(line for line in output.splitlines() if line.startswith("exposure average"))
    assert float(average.split()[2]) > 60  # so frames / exposure is on the scale of the target


def test_patch_is_cut_alike_from_frames_and_target(root: Path) -> None:
    dataset = create_dataset(options(root), "train")
    patches = [dataset[Draw(index, 0, 1, position, 0)] for index in (0, 1) for position in range(5)]
    for sample in patches:
        assert sample["exposure"].tolist() == [0.5, 1, 2] and sample["frames"].shape == (3, 4, 24, 24)
        assert torch.equal(sample["frames"][1], sample["gt"])
    assert len({float(sample["gt"].sum()) for sample in patches}) == 10
    again = dataset[Draw(0, 0, 1, 2, 0)]
    assert torch.equal(again["gt"], patches[2]["gt"])


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "damaged or not a plain array"),
        (lambda path: np.save(path, np.zeros((3, 40, 48, 3), np.float32)), "expected float32 with 4 planes"),
        (lambda path: np.save(path, np.zeros((3, 40, 48, 4), np.uint16)), "found uint16"),
        (lambda path: np.save(path, np.zeros((3, 40, 40, 4), np.float32)), "expected .40, 40, 4."),
        (lambda path: np.save(path, np.array({}, dtype=object)), "not a plain array"),
        (lambda path: path.with_name("one_gt.npy").unlink(), "no target to train on"),
    ],
)
def test_wrong_files_are_named(root: Path, tmp_path: Path, spoil, text: str) -> None:
    for name in ("one.npy", "one_gt.npy"):
        (tmp_path / "train").mkdir(exist_ok=True)
        (tmp_path / "train" / name).write_bytes((root / "train" / name).read_bytes())
    spoil(tmp_path / "train" / "one.npy")
    dataset = create_dataset(options(tmp_path), "train")
    with pytest.raises(UserError, match=text) as error:
        dataset[Draw(0, 0, 1, 0, 0)]
    assert str(tmp_path / "train" / "one") in str(error.value)


def test_wrong_folder_and_patch(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no samples: train/ and test/"):
        create_dataset(options(tmp_path), "train")
    with pytest.raises(UserError, match="--patch_size 41 is larger"):
        create_dataset(options(root, patch_size=41), "train")[Draw(0, 0, 1, 0, 0)]
