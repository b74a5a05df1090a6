"""Self-supervised adaptation: what it starts from, its draws, student and teacher, exact resume."""

import argparse
import signal
from collections import Counter
from pathlib import Path

import pytest
import torch

from models.real_model import RealModel
from options.train_options import TrainOptions
from tests.programs import Running, largest_difference, log_rows, run, succeed, weights
from tests.test_distributed import torchrun, wait
from util.device import Place
from util.errors import UserError
from util.task import Task

STUDENT, TEACHER = "TMRNet_model", "TMRNetPre_model"
DECAY = 0.9


@pytest.fixture(scope="module")
def start(common, tmp_path_factory) -> Path:
    """Weights to adapt: of a network that has seen a few steps."""
    root = tmp_path_factory.mktemp("start")
    words = ("--niter", 1, "--epoch_iters", 3, "--val_freq", 0, "--lr", 1e-3)
    succeed("train.py", *common, *words, "--checkpoints_dir", root, "--name", "syn")
    return root / "syn" / f"{STUDENT}_1.pth"


@pytest.fixture(scope="module")
def adapt(common, start) -> tuple[object, ...]:
    """Options of short adaptations that move the weights visibly."""
    return (*common, "--model", "real", "--load_path", start, "--lr", 1e-3, "--teacher_decay", DECAY)


@pytest.fixture(scope="module")
def unbroken(adapt, tmp_path_factory) -> Path:
    """Folder of an adaptation of 3 epochs of 4 steps that nothing disturbed."""
    root = tmp_path_factory.mktemp("unbroken")
    succeed("train.py", *adapt, *LONG, "--checkpoints_dir", root, "--name", "run")
    return root / "run"


LONG = ("--niter", 3, "--epoch_iters", 4, "--save_latest_freq", 2)


def test_published_recipe() -> None:
    """Defaults that `--model real` and `realplus` bring (specification, 7)."""
    words = "--name x --dataroot /data --dataset_name"
    opt = TrainOptions().parse(f"--model real {words} syn".split())
    assert (opt.lr, opt.lr_policy, opt.niter, opt.epoch_iters) == (7.5e-5, "cosine", 10, 500)
    assert (opt.batch_size, opt.patch_size, opt.weight_decay, opt.save_epoch_freq) == (8, 128, 0.01, 1)
    assert (opt.self_weight, opt.teacher_decay, opt.val_freq) == (1, 0.999, 0)
    assert TrainOptions().parse(f"--model realplus {words} synplus".split()).patch_size == 64


@pytest.mark.parametrize(
    "more, expected",
    [
        ((), "--model real adapts trained weights: name a checkpoint by --load_path"),
        (("--frame_num", 1), "--model real learns from fewer frames against all: --frame_num 2 or more"),
    ],
)
def test_refused(more, expected, common, tmp_path) -> None:
    words = (*common, "--model", "real", "--checkpoints_dir", tmp_path, "--name", "run", *more)
    result = run("train.py", *words)
    assert (result.status, result.err) == (2, f"error: {expected}\n")


@pytest.mark.parametrize("model", ["syn", "synplus"])
def test_supervised_training_without_targets_is_refused(model) -> None:
    words = f"--name x --dataroot /data --model {model} --dataset_name real"
    with pytest.raises(UserError, match=f"--model {model} learns from ground truth, which patches of --data"):
        TrainOptions().parse(words.split())


@pytest.mark.parametrize("total, admitted", [(2, {1}), (3, {1}), (4, {1, 2}), (5, {1, 2, 3})])
def test_how_many_frames(total, admitted) -> None:
    """Drawn uniformly from one to all but two, by the seed of the step alone."""
    model = RealModel(argparse.Namespace(checkpoints_dir=".", name="x"), None, Task())
    asked = []

    def network(frames, outputs):
        asked.append(outputs)
        return frames[:, :2]

    model.parallel = network
    model.teacher = argparse.Namespace(module=lambda frames: frames[:, 0])
    model.frames, model.given = torch.zeros(1, total, 4, 2, 2), {}
    for seed in (*range(600), 0, 1, 2):
        model.begin_step(seed)
        model.forward()
    assert {last for _, last in asked} == {total}
    counts = Counter(few for few, _ in asked[:600])
    assert set(counts) == admitted
    assert all(abs(count - 600 / len(admitted)) < 75 for count in counts.values())
    assert asked[600:] == asked[:3]


def test_ground_truth_is_not_asked_for() -> None:
    model = RealModel(argparse.Namespace(checkpoints_dir=".", name="x"), Place(torch.device("cpu")), Task())
    model.network = torch.nn.Identity()
    model.set_input({"frames": torch.ones(1, 2, 4, 3, 3), "exposure": torch.tensor([[0.5, 2.0]])})
    assert model.frames[0, :, 0, 0, 0].tolist() == [2, 0.5]


def test_teacher_follows_the_student(adapt, start, tmp_path) -> None:
    """teacher = decay teacher + (1 - decay) student after every step, from the starting weights on."""
    words = (*adapt, "--niter", 3, "--epoch_iters", 1, "--checkpoints_dir", tmp_path, "--name", "run")
    succeed("train.py", *words)
    teacher = weights(start)
    for epoch in (1, 2, 3):
        student = weights(tmp_path / "run" / f"{STUDENT}_{epoch}.pth")
        saved = weights(tmp_path / "run" / f"{TEACHER}_{epoch}.pth")
        assert max((student[name] - teacher[name]).abs().max() for name in student) > 1e-4
        teacher = {name: DECAY * teacher[name] + (1 - DECAY) * student[name] for name in teacher}
        for name, value in saved.items():
            torch.testing.assert_close(value, teacher[name], rtol=1e-5, atol=1e-7)
    assert {row["kind"] for row in log_rows(tmp_path / "run")} == {"train"}
    assert all(row["self_l1"] > 0 for row in log_rows(tmp_path / "run"))
    assert [row["ema_l1"] > 0 for row in log_rows(tmp_path / "run")] == [False, True, True]


def test_resume_is_exact(adapt, unbroken, tmp_path) -> None:
    """Killed in the second epoch and resumed: student, teacher and losses are those of the unbroken run."""
    words = (*adapt, *LONG, "--checkpoints_dir", tmp_path, "--name", "run")
    running = Running("train.py", *words)
    running.wait_for_step(tmp_path / "run", 7)
    running.signal(signal.SIGKILL)
    running.wait()
    assert not (tmp_path / "run" / f"{STUDENT}_3.pth").exists()
    result = run("train.py", f"@{tmp_path}/run/opt_train.args", "--resume", "True")
    assert result.status == 0, result.err
    for file in (STUDENT, TEACHER):
        one, other = (weights(folder / f"{file}_3.pth") for folder in (tmp_path / "run", unbroken))
        assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    rows, expected = log_rows(tmp_path / "run"), log_rows(unbroken)
    assert [(row["ema_l1"], row["self_l1"]) for row in rows] == [
        (row["ema_l1"], row["self_l1"]) for row in expected
    ]
    losses = [row["self_l1"] for row in rows]
    assert len(set(losses)) == 12


def test_passes_make_one_step(adapt, tmp_path) -> None:
    """With --accumulate all passes of a step compare the same outputs: its losses are those of one pass."""
    rows = {}
    for parts in (1, 2):
        words = ("--niter", 1, "--epoch_iters", 4, "--accumulate", parts, "--lr", 1e-6)
        succeed("train.py", *adapt, *words, "--checkpoints_dir", tmp_path, "--name", parts)
        rows[parts] = log_rows(tmp_path / str(parts))
    for one, two in zip(rows[1], rows[2], strict=True):
        assert two["self_l1"] == pytest.approx(one["self_l1"], rel=1e-4)


def test_state_of_another_strategy(adapt, common, tmp_path) -> None:
    """A run of --model syn cannot be resumed as one of --model real."""
    words = (*common, "--niter", 1, "--epoch_iters", 1, "--val_freq", 0)
    words = (*words, "--checkpoints_dir", tmp_path, "--name", "run")
    succeed("train.py", *words)
    result = run("train.py", *words, "--model", "real", "--niter", 2, "--resume", True)
    assert result.status == 2
    assert "was written by --model syn, not real" in result.err


def test_realplus_and_validation(common, start, tmp_path) -> None:
    """BracketIRE+ from BracketIRE weights; where there is a ground truth, --val_freq 1 scores the student."""
    words = ("--model", "realplus", "--dataset_name", "synplus", "--patch_size", 8, "--load_path", start)
    words = (*common, *words, "--niter", 1, "--epoch_iters", 2, "--val_freq", 1)
    result = succeed("train.py", *words, "--checkpoints_dir", tmp_path, "--name", "run")
    assert "from scratch: up_para" in result.out
    (score,) = log_rows(tmp_path / "run", "val")
    assert 5 < score["psnr_mu"] < 60
    assert (tmp_path / "run" / f"{STUDENT}_best.pth").exists()


@pytest.mark.slow
def test_two_processes(adapt, start, tmp_path) -> None:
    """They draw the same numbers of frames, and make the steps of one process."""
    words = (*adapt, "--niter", 1, "--epoch_iters", 6, "--lr", 5e-5)
    words = (*words, "--checkpoints_dir", tmp_path, "--name")
    succeed("train.py", *words, "one")
    status, _, err = wait(torchrun(*words, "two"))
    assert status == 0, err
    for file in (STUDENT, TEACHER):
        one, two = (tmp_path / name / f"{file}_1.pth" for name in ("one", "two"))
        assert largest_difference(one, two) < 1e-5 < largest_difference(start, two) / 5
