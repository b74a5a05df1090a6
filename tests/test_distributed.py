"""The same training in several processes, and in several passes per step."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.programs import PATIENCE, ROOT, largest_difference, log_rows, run, succeed, weights

STEPS = ("--batch_size", 4, "--niter", 2, "--epoch_iters", 4, "--val_freq", 2, "--lr", 5e-5)
STEPS = (*STEPS, "--lr_policy", "step", "--save_latest_freq", 1000)
LATEST = "TMRNet_model_latest.pth"


def torchrun(*words: object, processes: int = 2, restarts: int = 0) -> subprocess.Popen:
    """Start train.py under torchrun."""
    command = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    return start(*command, f"--max_restarts={restarts}", "train.py", *words)


def start(*words: object) -> subprocess.Popen:
    """Start Python with these words, and read what it says."""
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait(program: subprocess.Popen) -> tuple[int, str, str]:
    """Status, output and errors of a program that ends by itself."""
    try:
        out, err = program.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(program.pid, signal.SIGKILL)
        raise
    return program.returncode, out, err


@pytest.fixture(scope="module")
def single(common, tmp_path_factory) -> Path:
    """Folder of a run in one process and one pass per step."""
    root = tmp_path_factory.mktemp("single")
    succeed("train.py", *common, *STEPS, "--checkpoints_dir", root, "--name", "run")
    return root / "run"


def assert_same_run(folder: Path, single: Path) -> None:
    """Weights within 1e-5, although they have moved much further, and the same scores.

    A larger learning rate would not do: AdamW makes steps of its size out of rounding errors.
    """
    moved = largest_difference(single / "TMRNet_model_1.pth", single / LATEST)
    assert largest_difference(folder / LATEST, single / LATEST) < 1e-5 < moved / 10
    rows, expected = log_rows(folder), log_rows(single)
    assert [(row["kind"], row["step"]) for row in rows] == [(row["kind"], row["step"]) for row in expected]
    assert rows[-1]["psnr_mu"] == pytest.approx(expected[-1]["psnr_mu"], abs=1e-3)


@pytest.mark.parametrize("parts", [2, 4])
def test_accumulate(parts, common, single, tmp_path):
    """A step in several passes is the step in one; so is its logged loss."""
    words = (*common, *STEPS, "--accumulate", parts, "--checkpoints_dir", tmp_path, "--name", "run")
    succeed("train.py", *words)
    assert_same_run(tmp_path / "run", single)
    for row, expected in zip(log_rows(tmp_path / "run", "train"), log_rows(single, "train"), strict=True):
        assert row["mu_l1"] == pytest.approx(expected["mu_l1"], abs=1e-5)


@pytest.mark.slow
def test_two_processes(common, single, tmp_path):
    """Two processes with half a batch each, in two passes, stopped by SIGTERM, resumed by one process."""
    words = (*common, *STEPS, "--accumulate", 2, "--checkpoints_dir", tmp_path, "--name", "run")
    program = torchrun(*words)
    wait_for_step(tmp_path / "run", 1)
    for process in children(program.pid):
        os.kill(process, signal.SIGTERM)
    _, _, err = wait(program)
    assert len(re.findall(r"^stopped by SIGTERM; .*go on with: python train.py @", err, re.M)) == 1, err
    state = torch.load(tmp_path / "run" / "train_state.pth", weights_only=True)["progress"]
    assert 1 <= 4 * (state["epoch"] - 1) + state["iteration"] < 8
    assert re.search(r"exitcode  : 143", err), err
    status, out, err = wait(torchrun(f"@{tmp_path}/run/opt_train.args", "--resume", "True"))
    assert status == 0, err
    assert out.count("parameters on cpu") == 1  # one process talks
    assert_same_run(tmp_path / "run", single)


@pytest.mark.slow
def test_fewer_frames(common, single, tmp_path):
    """A network for five frames trained with three: the same in two processes as in one."""
    words = (*common, *STEPS, "--frame_num", 3, "--load_path", single / LATEST, "--val_freq", 0)
    words = (*words, "--checkpoints_dir", tmp_path, "--name")
    succeed("train.py", *words, "one")
    status, _, err = wait(torchrun(*words, "two"))
    assert status == 0, err
    assert largest_difference(tmp_path / "one" / LATEST, tmp_path / "two" / LATEST) < 1e-5
    start, end = weights(single / LATEST), weights(tmp_path / "two" / LATEST)
    moved = {name for name, value in start.items() if not torch.equal(end[name], value)}
    assert any(name.startswith("backbone.backward_rec_3") for name in moved)
    assert not any(name.startswith("backbone.backward_rec_4") for name in moved)


@pytest.mark.slow
def test_a_killed_process_is_told_and_replaced(common, tmp_path):
    """Bit-equal to a run that nothing disturbed; the process that is left says who is gone, and saves."""
    words = (*common, *STEPS, "--batch_size", 4, "--val_freq", 0, "--checkpoints_dir", tmp_path, "--name")
    code = "import sys; from util.launch import launch; launch(2, sys.argv[1:])"
    undisturbed = start("-c", code, "train.py", *words, "one")
    status, _, err = wait(undisturbed)
    assert (status, err) == (0, "")
    program = torchrun(*words, "two", "--resume", "auto", restarts=3)
    wait_for_step(tmp_path / "two", 2)
    os.kill(children(program.pid)[1], signal.SIGKILL)
    status, _, err = wait(program)
    assert status == 0, err
    ours = [
        line for line in err.splitlines() if not re.match(r"[WE]\d{4} .*torch/distributed/elastic/", line)
    ]
    pattern = "error: process 1 of 2 is gone, perhaps killed for memory; saved after .* go on with: python .*"
    assert [bool(re.fullmatch(pattern, line)) for line in ours] == [True], err
    assert largest_difference(tmp_path / "one" / LATEST, tmp_path / "two" / LATEST) == 0
    rows = [[row["step"] for row in log_rows(tmp_path / name, "train")] for name in ("one", "two")]
    assert rows == [list(range(1, 9))] * 2


@pytest.mark.slow
def test_a_mistake_is_one_line(common, tmp_path):
    """That of both processes; that of the first, for which the second waits, without torchrun's report."""
    words = (*common, *STEPS, "--checkpoints_dir", tmp_path, "--name", "run")
    status, _, err = wait(torchrun(*words, "--niter", 0))
    assert status == 1
    assert [line for line in err.splitlines() if line.startswith("error:")] == err.splitlines()[:1]
    assert re.search(r"traceback : error: argument --niter.* from 1 to 1000000, not '0'\n=+\n$", err)
    (tmp_path / "run" / "opt_train.args").mkdir(parents=True)  # which the first writes
    code = "import sys; from util.launch import launch; launch(2, sys.argv[1:])"
    status, _, err = wait(start("-c", code, "train.py", *words))
    assert (status, len(err.splitlines())) == (2, 1), err
    assert "opt_train.args" in err


def wait_for_step(folder: Path, step: int) -> None:
    """Return when the log tells of this step."""
    end = time.monotonic() + PATIENCE
    while not any(row["step"] >= step for row in log_rows(folder)) and time.monotonic() < end:
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_uneven_batch(common, tmp_path):
    """More processes than the batch divides into: each says so before it waits for the others."""
    words = (*common, "--batch_size", 4, "--checkpoints_dir", tmp_path, "--name", "run")
    for processes, more in ((3, ()), (2, ("--accumulate", 4))):
        place = {"WORLD_SIZE": str(processes), "RANK": "0", "LOCAL_RANK": "0"}
        result = run("train.py", *words, *more, environment=place)
        assert result.status == 2
        assert result.err.startswith("error: --batch_size 4 cannot be split evenly")
        assert len(result.err.splitlines()) == 1
