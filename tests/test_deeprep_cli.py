"""Bursts through the programs: training, resuming, several processes, numbers of frames, files and scores."""

import csv
import json
import signal
from pathlib import Path

import numpy as np
import pytest

from data.reading.plane_png import read_planes
from tests import burst_sets, denoising_sets
from tests.programs import Running, largest_difference, log_rows, run, succeed
from tests.test_distributed import torchrun, wait

SHORT = "--gpu_ids -1 --size tiny --frame_num 3 --batch_size 2 --epoch_iters 3 --niter 2 -j 0 --print_freq 1"
SR = "--model deeprep --dataset_name synburst_train --patch_size 12 --val_freq 0"
DENOISE = "--model deeprep --net deeprep_denoise --dataset_name burst_denoise_train --patch_size 28"
LATEST = "DeepRepSR_model_latest.pth"


def words(text: str, root: Path, data: Path) -> tuple[str, ...]:
    """A command line of run `run` in the folder `root`."""
    return ("--name", "run", "--checkpoints_dir", str(root), "--dataroot", str(data), *text.split())


@pytest.fixture(scope="module")
def bursts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SyntheticBurst with photographs to train on. Not to be written to."""
    return burst_sets.simulate(tmp_path_factory.mktemp("data") / "synburst")


@pytest.fixture(scope="module")
def trained(bursts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `run`: two epochs of DeepRepSR with its flow trained along, undisturbed."""
    root = tmp_path_factory.mktemp("trained")
    succeed("train.py", *words(f"{SHORT} {SR}", root, bursts))
    return root


def table(path: Path) -> dict[str, dict[str, str]]:
    with path.open() as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def test_resumed_run_is_the_unbroken_one(trained: Path, bursts: Path, tmp_path: Path) -> None:
    """Bit for bit, flow network and all."""
    assert all(row["flow"] > 0 and row["image"] > 0 for row in log_rows(trained / "run", "train"))
    running = Running("train.py", *words(f"{SHORT} {SR} --save_latest_freq 1", tmp_path, bursts))
    running.wait_for_step(tmp_path / "run", 4)
    running.signal(signal.SIGKILL)
    running.wait()
    done = succeed("train.py", f"@{tmp_path}/run/opt_train.args", "--resume", "True")
    assert "going on in epoch 2" in done.out or "nothing left to do" in done.out
    assert largest_difference(tmp_path / "run" / LATEST, trained / "run" / LATEST) == 0
    pairs = zip(*(log_rows(root / "run", "train") for root in (tmp_path, trained)), strict=True)
    assert all((row["image"], row["flow"]) == (other["image"], other["flow"]) for row, other in pairs)


@pytest.mark.slow
def test_two_processes_are_one(trained: Path, bursts: Path, tmp_path: Path) -> None:
    """The flow's loss is shared between them like the image's."""
    status, _, err = wait(torchrun(*words(f"{SHORT} {SR}", tmp_path, bursts)))
    assert status == 0, err
    folders = trained / "run", tmp_path / "run"
    assert largest_difference(folders[1] / LATEST, folders[0] / LATEST) < 2e-5
    assert largest_difference(folders[0] / "DeepRepSR_model_2.pth", folders[1] / LATEST) < 2e-5
    for row, other in zip(*(log_rows(folder, "train") for folder in folders), strict=True):
        assert (row["step"], row["lr"]) == (other["step"], other["lr"])


def test_numbers_of_frames(trained: Path, bursts: Path) -> None:
    """A row and a table of scores for each; the files of results are those of all frames."""
    test = words("--gpu_ids -1 -j 0 --model deeprep --dataset_name synburst --frame_num 4", trained, bursts)
    done = succeed("test.py", *test, "--burst_sizes", "1,2,4", "--descent_steps", 1)
    assert "alignment pyramid  descent_steps 1" in done.out
    rows = [line.split()[0] for line in done.out.splitlines() if "frames  " in line]
    assert {"1", "2", "4"} <= set(rows)
    folder = trained / "run"
    scores = {
        count: table(folder / f"metrics_synburst_latest{count and f'_{count}_frames'}.csv")
        for count in ("", 1, 2, 4)
    }
    assert scores[4] == scores[""] and scores[1] != scores[2] != scores[4]
    assert set(scores[1]) == {"0000-00", "0001-00", "mean"}
    facts = json.loads((folder / "metrics_synburst_latest.json").read_text())
    assert (facts["frames"], facts["border"], facts["descent_steps"]) == (4, 40, 1)
    linear = [read_planes(folder / f"output_synburst_linear14_latest/{n:04d}.png", 3) for n in (0, 1)]
    truth = read_planes(bursts / "gt/0000/im_rgb.png", 3)
    assert linear[0].shape == truth.shape and np.array(linear).max() <= 2**14
    error = (np.float64(linear[0]) - truth)[:, 40:-40, 40:-40] / 2**14
    psnr = -10 * np.log10(np.square(error).mean())
    assert float(scores[""]["0000-00"]["psnr_14bit"]) == pytest.approx(psnr, abs=1e-3)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ("--burst_sizes 1,5", "--burst_sizes 5: 0000-00 has 4 frames"),
        ("--burst_sizes 0", "--burst_sizes 0: 0000-00 has 4 frames"),
        ("--alignment dis", "holds a deeprep_sr with alignment pyramid, not dis as the options ask"),
    ],
)
def test_what_cannot_be_is_refused(more: str, text: str, trained: Path, bursts: Path) -> None:
    test = words("--gpu_ids -1 -j 0 --model deeprep --dataset_name synburst --frame_num 4", trained, bursts)
    result = run("test.py", *test, *more.split())
    errors = [line for line in result.err.splitlines() if "error: " in line]
    assert result.status == 2 and len(errors) == 1 and text in errors[0], result.err


def test_denoising(tmp_path: Path) -> None:
    """Validated on photographs, tested on the set, whose levels have means of their own."""
    data = denoising_sets.simulate(tmp_path / "data")
    training = f"{SHORT} {DENOISE} --niter 1 --epoch_iters 2 --val_freq 1 --loss_border 2"
    succeed("train.py", *words(training, tmp_path, data))
    assert log_rows(tmp_path / "run", "val")[-1]["step"] == 2
    test = "--gpu_ids -1 -j 0 --model deeprep --dataset_name burst_denoise --frame_num 3 --save_imgs False"
    done = succeed("test.py", *words(f"{test} --burst_sizes 1", tmp_path, data))
    assert "restored noise_1" in done.out and "1 frames noise_8" in done.out
    scores = json.loads((tmp_path / "run" / "metrics_burst_denoise_latest.json").read_text())
    assert set(scores["groups"]) == {"noise_1", "noise_2", "noise_4", "noise_8"}
