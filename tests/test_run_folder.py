"""A run of a name that was trained before: the earlier one is kept, none of it is taken for the new."""

import argparse
import shutil
from pathlib import Path

import pytest
import torch

from options.run_folder import is_run, owned, set_aside
from tests.programs import largest_difference, log_rows, run, succeed
from tests.test_distributed import torchrun, wait
from tests.test_locks import holder
from util.device import Place
from util.errors import UserError

SHORT = ("--niter", 1, "--epoch_iters", 2, "--val_freq", 0, "--lr", 1e-3)
LATEST = "TMRNet_model_latest.pth"


@pytest.fixture(scope="module")
def trained(common, tmp_path_factory) -> Path:
    """Folder of a finished run. Not to be written to."""
    root = tmp_path_factory.mktemp("trained")
    succeed("train.py", *common, *SHORT, "--niter", 2, "--checkpoints_dir", root, "--name", "run")
    return root / "run"


@pytest.fixture
def train(common, trained, tmp_path):
    """Trains under the name of a finished run."""
    shutil.copytree(trained, tmp_path / "run")
    words = (*common, *SHORT, "--checkpoints_dir", tmp_path, "--name", "run")
    return lambda *more: run("train.py", *words, *more)


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a run but its options, which name it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in files if "opt_train" not in path.name
    }


def test_earlier_runs_move_aside(train, trained, tmp_path) -> None:
    """Whole, to the next free number, and said in one line; the new run holds nothing of them."""
    (tmp_path / "run" / "notes.txt").write_text("mine")
    (tmp_path / "run.1").mkdir()
    earlier = contents(tmp_path / "run")
    result = train()
    assert result.status == 0, result.err
    lines = [line for line in result.out.splitlines() if "earlier run" in line]
    assert lines == [
        f"the earlier run in {tmp_path}/run is now in {tmp_path}/run.2 "
        "(--resume True would have gone on with it)"
    ]
    assert contents(tmp_path / "run.2") == earlier
    assert sorted(path.name for path in (tmp_path / "run").glob("*.pth")) == [
        "TMRNet_model_1.pth",
        LATEST,
        "train_state.pth",
    ]
    assert [row["step"] for row in log_rows(tmp_path / "run")] == [1, 2]
    assert train().status == 0
    assert contents(tmp_path / "run.3").keys() > {"log.jsonl", LATEST}


def test_moved_run_goes_on_under_its_new_name(train, tmp_path) -> None:
    """Its record names it: resuming it does not touch the run that has its name now."""
    assert train().status == 0
    newer = contents(tmp_path / "run")
    words = ("--checkpoints_dir", tmp_path, "--resume", True, "--niter", 3)
    succeed("train.py", f"@{tmp_path}/run.1/opt_train.args", *words)
    assert [row["step"] for row in log_rows(tmp_path / "run.1")] == [1, 2, 3, 4, 5, 6]
    assert contents(tmp_path / "run") == newer
    assert "      name: run.1\n" in (tmp_path / "run.1" / "opt_train.txt").read_text()


@pytest.mark.parametrize("words", [("--load_iter", "1", "--first_epoch", "1"), ("--load_path",)])
def test_start_from_the_earlier_run(words, train, tmp_path) -> None:
    """Its weights are read before it moves, and recorded where they are then."""
    file = "TMRNet_model_1.pth"
    if words == ("--load_path",):
        words = (*words, tmp_path / "run" / file)
    still = ("--lr", 0, "--weight_decay", 0)
    result = train(*words, *still)
    assert result.status == 0, result.err
    assert largest_difference(tmp_path / "run" / LATEST, tmp_path / "run.1" / file) == 0
    recorded = (tmp_path / "run" / "opt_train.args").read_text()
    assert f"--load_path {tmp_path}/run.1/{file}\n" in recorded and "load_iter" not in recorded
    succeed("train.py", f"@{tmp_path}/run/opt_train.args")
    assert largest_difference(tmp_path / "run" / LATEST, tmp_path / "run.1" / file) == 0


def test_start_that_fails_moves_nothing(train, tmp_path) -> None:
    before = contents(tmp_path / "run")
    result = train("--load_iter", 7, "--first_epoch", 1)
    assert result.status == 2 and "TMRNet_model_7.pth" in result.err
    assert contents(tmp_path / "run") == before and not (tmp_path / "run.1").exists()


def test_results_alone_stay(common, trained, brackets, tmp_path) -> None:
    """A folder in which test.py wrote is no run: it is trained into, and nothing in it changes."""
    words = ("--dataroot", brackets, "--gpu_ids", -1, "-j", 0, "--checkpoints_dir", tmp_path, "--name", "run")
    succeed("test.py", *words, "--load_path", trained / LATEST)
    before = contents(tmp_path / "run")
    assert before
    result = succeed("train.py", *common, *SHORT, "--checkpoints_dir", tmp_path, "--name", "run")
    assert "earlier run" not in result.out and not (tmp_path / "run.1").exists()
    assert before.items() <= contents(tmp_path / "run").items()


@pytest.mark.parametrize(
    "file, text, expected",
    [
        ("train_state.pth", "", True),
        ("SCTNet_model_400.pth", "", True),
        ("log.jsonl", '{"kind": "start", "step": 0}\n{"kind": "train", "step": 1}\n', True),
        ("log.jsonl", '{"kind": "start", "step": 0}\n', False),  # it never made a step
        ("metrics_syn_latest.json", "{}", False),
        ("opt_train.args", "--name x\n", False),
    ],
)
def test_what_a_run_is(file, text, expected, tmp_path) -> None:
    assert not is_run(tmp_path / "nowhere")
    (tmp_path / file).write_text(text)
    assert is_run(tmp_path) == expected


def test_data_in_the_folder(tmp_path) -> None:
    """What the new run is still to read cannot be moved from under it."""
    folder = tmp_path / "run"
    (folder / "cache").mkdir(parents=True)
    opt = argparse.Namespace(name="run", dataroot="/data", cache_dir=str(folder / "cache"))
    with pytest.raises(UserError, match=r"--cache_dir .* is in the folder of an earlier run"):
        set_aside(opt, folder)
    assert folder.is_dir()


def test_one_training_of_a_name(tmp_path) -> None:
    """A second one is refused; then what a killed one left goes, and other ranks do not ask."""
    opt, device = argparse.Namespace(checkpoints_dir=str(tmp_path), name="run"), torch.device("cpu")
    left = tmp_path / "run" / ".train_state.999999999.partial.pth"
    left.parent.mkdir()
    left.touch()
    process, _ = holder(tmp_path / "run")
    refusal = pytest.raises(UserError, match="wait until that training has ended, or give another --name")
    with refusal, owned(opt, Place(device)):
        pass
    with owned(opt, Place(device, rank=1, world=2)):
        assert left.exists()
    process.communicate("")
    with owned(opt, Place(device)):
        assert not left.exists() and not is_run(tmp_path / "run")


def test_folder_that_cannot_be_used(tmp_path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for name, cause in (("loop", "Too many levels of symbolic links"), ("n" * 300, "File name too long")):
        opt = argparse.Namespace(checkpoints_dir=str(tmp_path), name=name)
        refusal = pytest.raises(UserError, match=f"^cannot use {tmp_path}/{name}: {cause}")
        with refusal, owned(opt, Place(torch.device("cpu"))):
            pass


@pytest.mark.slow
def test_two_processes(train, common, tmp_path) -> None:
    """One of them moves the run, once, after both have read its weights."""
    where = ("--checkpoints_dir", tmp_path, "--name", "run")
    words = (*common, *SHORT, *where, "--load_iter", 1, "--first_epoch", 1)
    status, out, err = wait(torchrun(*words))
    assert status == 0, err
    assert out.count("the earlier run in") == 1
    assert sorted(path.name for path in tmp_path.glob("run*")) == ["run", "run.1"]
    state = torch.load(tmp_path / "run" / "train_state.pth", weights_only=True)
    assert state["step"] == 2
