"""A run that was stopped and resumed ends as one that was not."""

import json
import os
import shlex
import signal
from pathlib import Path

import pytest
import torch

import train
from options.train_options import TrainOptions
from tests.programs import Running, largest_difference, log_rows, run, succeed, weights
from util.device import Place
from util.errors import UserError
from util.stop import Stopped, StopRequest

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
    "how, status", [("terminate", 143), ("kill a worker", 1), ("interrupt the group", 130)]
)
def test_stop(how, status, common, unbroken, tmp_path):
    """SIGTERM, a signal to all processes, or a killed loader: the step ends, the state is saved."""
    running = start(common, tmp_path, "plain", "-j", 2, "--save_latest_freq", 1000)
    running.wait_for_step(tmp_path / "run", 7)
    if how == "terminate":
        running.terminate()
    elif how == "kill a worker":
        os.kill(min(running.children()), signal.SIGKILL)
    else:
        running.signal(signal.SIGINT)
    result = running.wait()
    assert result.status == status, result.err
    assert len(result.err.splitlines()) == 1
    again = f"python train.py @{tmp_path}/run/opt_train.args --resume True"
    assert f"of epoch 2; go on with: {again}" in result.err
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
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 1, 2, 3, 3, 4, 5, 6]
    starts = [row for row in rows if row["kind"] == "start"]
    assert [row["step"] for row in starts] == [0, 3]
    assert all(row.keys() == {"kind", "step", "time", "version", "dataroot"} for row in starts)


def test_continued_with_other_options(common, tmp_path):
    """A finished run that goes on for longer records that: the printed command repeats nothing old."""
    words = (*common, "--epoch_iters", 2, "--val_freq", 0, "--lr", 1e-3, "--save_latest_freq", 1000)
    words = (*words, "--checkpoints_dir", tmp_path, "--name", "one run", "--niter")
    succeed("train.py", *words, 1)
    folder = tmp_path / "one run"
    running = Running("train.py", *words, 40, "--resume", True)
    running.wait_for_step(folder, 4)
    running.terminate()
    result = running.wait()
    assert result.status == 143, result.err
    again = shlex.split(result.err.partition("go on with: python ")[2])
    assert again == ["train.py", f"@{folder}/opt_train.args", "--resume", "True"]
    recorded = (folder / "opt_train.txt").read_text().split()
    assert recorded[recorded.index("niter:") + 1] == "40"
    made = log_rows(folder)[-1]["step"]
    result = succeed(*again, "--niter", 1 + made // 2)
    assert "going on in epoch" in result.out and "nothing left to do" not in result.out
    assert [row["step"] for row in log_rows(folder)] == list(range(1, 2 * (1 + made // 2) + 1))
    assert [row["step"] for row in log_rows(folder, "start")] == [0, 2, made]


def test_resuming_keeps_what_the_run_began_with(common, tmp_path):
    """The weights that a run started from stay in its record, although its state holds newer ones."""
    words = (*common, "--epoch_iters", 1, "--val_freq", 0, "--checkpoints_dir", tmp_path)
    succeed("train.py", *words, "--niter", 1, "--name", "first")
    start = tmp_path / "first" / LATEST
    succeed("train.py", *words, "--niter", 1, "--name", "second", "--load_path", start)
    result = succeed("train.py", *words, "--niter", 2, "--name", "second", "--resume", True)
    assert "weights from" not in result.out
    assert f"--load_path {start}" in (tmp_path / "second" / "opt_train.args").read_text().splitlines()


def test_epochs_of_another_length(common, tmp_path):
    """By epochs a state says how far it is: with others it would go on somewhere else."""
    words = (*common, "--val_freq", 0, "--checkpoints_dir", tmp_path, "--name", "run", "--epoch_iters")
    succeed("train.py", *words, 2, "--niter", 1)
    result = run("train.py", *words, 3, "--niter", 2, "--resume", True)
    assert result.status == 2
    expected = "train_state.pth: 1 epochs and 0 iterations are 2 steps, not with --epoch_iters 3"
    assert expected in result.err and len(result.err.splitlines()) == 1


@pytest.fixture
def begin(common, tmp_path):
    """Trains for an epoch of two steps and a validation, in this process."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    place = Place(torch.device("cpu"))
    words = [*common, "--niter", 1, "--epoch_iters", 2, "--checkpoints_dir", tmp_path, "--name", "run"]

    def begin(*more: object) -> None:
        train.train(TrainOptions().parse([str(word) for word in (*words, *more)]), place, StopRequest())

    yield begin
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_stop_in_a_validation(begin, tmp_path, monkeypatch):
    """It is left after the sample under way, and repeated on resuming; a log in the way says how to go on."""
    truths, truth = [], train.ground_truth

    def signalled(sample: dict) -> torch.Tensor:
        truths.append(sample["name"])
        signal.raise_signal(signal.SIGINT)
        return truth(sample)

    with monkeypatch.context() as patched, pytest.raises(Stopped) as stopped:
        patched.setattr(train, "ground_truth", signalled)
        begin()
    assert len(truths) == 1
    (note,) = stopped.value.__notes__
    assert note.startswith("saved after iteration 2 of epoch 1; go on with: python train.py @")
    log = tmp_path / "run" / "log.jsonl"
    assert log_rows(tmp_path / "run", "val") == []
    log.rename(tmp_path / "log")
    log.mkdir()
    with pytest.raises(UserError, match=r"^cannot write .*log\.jsonl: Is a directory") as refused:
        begin("--resume", True)
    assert refused.value.__notes__ == [note]
    log.rmdir()
    (tmp_path / "log").rename(log)
    begin("--resume", True)
    assert [row["step"] for row in log_rows(tmp_path / "run")] == [1, 2, 2]
    assert len(log_rows(tmp_path / "run", "val")) == 1
