"""A run that was stopped and resumed ends as one that was not."""

import json
import signal
from pathlib import Path

import pytest
import torch

from tests.programs import Running, largest_difference, log_rows, run, succeed, weights

STEPS = ("--niter", 3, "--epoch_iters", 5, "--save_latest_freq", 2, "--lr", 1e-3)
VARIANTS = {
    "plain": ("--val_freq", 0),
    "averaged": ("--val_freq", 1, "--lr_policy", "plateau", "--ema_decay", 0.9, "--accumulate", 2),
}
LATEST = "TMRNet_model_latest.pth"


def same_weights(first: Path, second: Path) -> bool:
    one, other = weights(first / LATEST), weights(second / LATEST)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def unbroken(common, tmp_path_factory):
    """Folder of a run of each variant that nothing disturbed."""
    folders = {}

    def folder(variant: str) -> Path:
        if variant not in folders:
            root = tmp_path_factory.mktemp("unbroken")
            succeed(
                "train.py",
                *common,
                *STEPS,
                *VARIANTS[variant],
                "--checkpoints_dir",
                root,
                "--name",
                "run",
            )
            folders[variant] = root / "run"
        return folders[variant]

    return folder


def start(common: tuple, root: Path, variant: str, *more: object) -> Running:
    words = ("--checkpoints_dir", root, "--name", "run")
    return Running("train.py", *common, *STEPS, *VARIANTS[variant], *words, *more)


def resume(root: Path, *more: object) -> Running:
    return Running("train.py", f"@{root}/run/opt_train.args", "--resume", "True", *more)


@pytest.mark.parametrize("variant, workers", [("plain", 2), ("averaged", 0)])
def test_kill(variant, workers, common, unbroken, tmp_path):
    """SIGKILL in the middle of the first and of the second epoch; other workers after the second."""
    running = start(common, tmp_path, variant, "-j", workers)
    running.wait_for_step(tmp_path / "run", 3)
    running.signal(signal.SIGKILL)
    assert running.wait().status == -signal.SIGKILL
    running = resume(tmp_path)
    running.wait_for_step(tmp_path / "run", 8)
    running.signal(signal.SIGKILL)
    running.wait()
    assert not (tmp_path / "run" / "TMRNet_model_3.pth").exists()
    result = resume(tmp_path, "-j", 2 - workers).wait()
    assert result.status == 0, result.err
    assert "going on in epoch 2 after iteration" in result.out
    assert same_weights(tmp_path / "run", unbroken(variant))
    rows = log_rows(tmp_path / "run", "train")
    assert [row["step"] for row in rows] == list(range(1, 16))
    for row, expected in zip(rows, log_rows(unbroken(variant), "train"), strict=True):
        assert (row["mu_l1"], row["lr"]) == (expected["mu_l1"], expected["lr"])
    validations = log_rows(tmp_path / "run", "val")
    assert [row["step"] for row in validations] == ([] if variant == "plain" else [5, 10, 15])
    assert [(row["step"], row["psnr_mu"]) for row in validations] == [
        (row["step"], row["psnr_mu"]) for row in log_rows(unbroken(variant), "val")
    ]


def test_weights_move(unbroken):
    """What the comparisons above rest on: epochs and variants differ."""
    epochs = [unbroken("plain") / f"TMRNet_model_{epoch}.pth" for epoch in (1, 2, 3)]
    assert largest_difference(epochs[0], epochs[1]) > 1e-4
    assert largest_difference(epochs[1], epochs[2]) > 1e-4
    assert largest_difference(epochs[2], unbroken("averaged") / LATEST) > 1e-4


@pytest.mark.parametrize(
    "how, status", [("terminate", 143), ("terminate the group", 143), ("interrupt", 130)]
)
def test_stop(how, status, common, unbroken, tmp_path):
    """SIGTERM, or a signal to all processes, loaders included: the step ends, the state is saved."""
    running = start(common, tmp_path, "plain", "-j", 2, "--save_latest_freq", 1000)
    running.wait_for_step(tmp_path / "run", 7)
    if how == "terminate":
        running.terminate()
    elif how == "terminate the group":
        running.signal(signal.SIGTERM)
    else:
        running.signal(signal.SIGINT)
    result = running.wait()
    assert result.status == status, result.err
    assert "Traceback" not in result.err, result.err
    again = f"python train.py @{tmp_path}/run/opt_train.args --resume True"
    assert f"of epoch 2; go on with: {again}" in result.out.splitlines()[-1]
    made = log_rows(tmp_path / "run")[-1]["step"]
    state = torch.load(tmp_path / "run" / "train_state.pth", weights_only=True)
    assert state["progress"]["epoch"] == 2
    assert 5 + state["progress"]["iteration"] == made
    result = resume(tmp_path).wait()
    assert result.status == 0, result.err
    assert same_weights(tmp_path / "run", unbroken("plain"))
    assert [row["step"] for row in log_rows(tmp_path / "run")] == list(range(1, 16))


def test_half_a_log_line(common, tmp_path):
    """A log whose last line was cut off by a crash does not stand in the way."""
    words = (
        "--niter",
        1,
        "--epoch_iters",
        3,
        "--val_freq",
        0,
        "--checkpoints_dir",
        tmp_path,
        "--name",
        "run",
    )
    succeed("train.py", *common, *words)
    log = tmp_path / "run" / "log.jsonl"
    log.write_text(log.read_text() + '{"kind": "train", "st')
    succeed("train.py", f"@{tmp_path}/run/opt_train.args", "--resume", "True", "--niter", 2)
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [1, 2, 3, 4, 5, 6]


def test_new_run_in_old_folder(common, tmp_path):
    """Without --resume a run starts afresh, and says so."""
    words = (
        "--niter",
        1,
        "--epoch_iters",
        2,
        "--val_freq",
        0,
        "--checkpoints_dir",
        tmp_path,
        "--name",
        "run",
    )
    first = succeed("train.py", *common, *words)
    again = run("train.py", *common, *words)
    assert "replaces" not in first.out
    assert "--resume True would go on with it" in again.out
    assert [row["step"] for row in log_rows(tmp_path / "run")] == [1, 2]
