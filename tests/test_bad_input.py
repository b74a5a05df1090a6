"""A user's mistake or a damaged file gives one line and exit status 2, wherever it is met."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.foreign import Command
from tests.programs import ROOT, Result, log_rows, run, succeed

SHORT = ("--niter", 1, "--epoch_iters", 2, "--val_freq", 0)
SAMPLE = "Train/astronaut/000000"
TEST_SAMPLE = "Test/coffee/000000"


def assert_refused(result: Result, *expected: object) -> None:
    """Status 2, one line that begins with `error:` and has all of these words, and no traceback."""
    assert result.status == 2, result
    assert "Traceback" not in result.err + result.out, result.err
    lines = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.err
    assert result.err.rstrip().endswith(lines[0]), result.err
    for word in expected:
        assert str(word) in lines[0], lines[0]


def put(words: tuple, **changes: object) -> list[object]:
    """A command line with the values of some options replaced or added."""
    given = dict(zip(words[::2], words[1::2], strict=True))
    return [
        word
        for pair in (given | {f"--{key}": value for key, value in changes.items()}).items()
        for word in pair
    ]


@pytest.fixture
def train(common, tmp_path) -> Callable[..., Result]:
    """Runs train.py with changed or additional options."""
    words = (*common, *SHORT, "--checkpoints_dir", tmp_path / "ckpt", "--name", "run")
    return lambda **changes: run("train.py", *put(words, **changes))


@pytest.fixture(scope="module")
def trained(common, tmp_path_factory) -> Path:
    """Folder of a finished run. Not to be written to."""
    folder = tmp_path_factory.mktemp("trained")
    succeed("train.py", *common, *SHORT, "--checkpoints_dir", folder, "--name", "run")
    return folder / "run"


@pytest.fixture
def test(brackets, tmp_path) -> Callable[..., Result]:
    """Runs test.py with changed or additional options."""
    words = ("--dataroot", brackets, "--gpu_ids", -1, "-j", 0)
    words = (*words, "--checkpoints_dir", tmp_path / "ckpt", "--name", "run")
    return lambda **changes: run("test.py", *put(words, **changes))


@pytest.fixture
def own_brackets(brackets, tmp_path) -> Path:
    """A data set of one training and one test sample that may be damaged."""
    root = tmp_path / "data"
    for sample in (SAMPLE, TEST_SAMPLE):
        shutil.copytree(brackets / sample, root / sample)
    return root


def truncate(path: Path, size: int = 3000) -> Path:
    """Cut a file off."""
    assert path.stat().st_size > size
    os.truncate(path, size)
    return path


NAMES = {
    "model": ("sny", ("model", "syn")),
    "net": ("tmrnett", ("network", "tmrnet")),
    "dataset_name": ("synpls", ("dataset", "synplus")),
    "size": ("huge", ("--size huge", "full, small, tiny")),
    "patchsize": (24, ("--patchsize", "--patch_size")),
    "lr_policy": ("cosin", ("--lr_policy", "'cosin'", "cosine")),
    "precision": ("fp8", ("--precision", "bf16")),
    "augment": ("flip", ("--augment", "cfa")),
    "val_freq": ("often", ("--val_freq", "often")),
    "shuffle": ("maybe", ()),
    "skip_damaged": ("maybe", ("--skip_damaged", "True or False")),
    "batch_size": (0, ("--batch_size", "from 1 to 65536")),
    "niter": (-1, ("--niter", "from 1 to 1000000")),
    "accumulate": (3, ("--batch_size 2", "--accumulate 3")),
    "frame_num": (7, ("--frame_num 7", "5")),
    "gpu_ids": ("7", ("--gpu_ids 7", "no GPU 7")),
    "workers": (-2, ("-j",)),
    "seed": (-1, ("--seed",)),
    "lr": (-1e-4, ("--lr", "-0.0001")),
    "weight_decay": (-1, ("--weight_decay",)),
    "beta1": (1.5, ("--beta1",)),
    "ema_decay": (1, ("--ema_decay",)),
    "grad_clip": (-1, ("--grad_clip",)),
    "niter_decay": (-3, ("--niter_decay",)),
    "tile": (3, ("--tile 3 is too small", "16 px or more", "0 for whole frames")),
    "mid_channels": (0, ("--mid_channels",)),
    "deform_groups": (3, ("--net tmrnet", "divisible")),
    "load_path": ("/nowhere/x.pth", ("no checkpoint /nowhere/x.pth",)),
    "load_iter": ("400", ("--load_iter 400", "epoch 401 is the next", "--niter ends with 1")),
    "resume": ("True", ("--resume True", "train_state.pth")),
    "dataroot": ("/nowhere/data", ("/nowhere/data", "not a folder", "raw_{1,4,16,64,256}.npy")),
    "patch_size": (64, ("--patch_size 64", "44 px", "astronaut")),
    "checkpoints_dir": (__file__, ("cannot write", "test_bad_input.py")),
    "demosaic": ("net", ("--demosaic_weights",)),
}
ACCEPTED = ("shuffle",)  # published, without effect


@pytest.mark.parametrize("option", [name for name in NAMES if name not in ACCEPTED])
def test_option(option, train):
    value, expected = NAMES[option]
    assert_refused(train(**{option: value}), *expected)


def test_missing_words(common):
    assert_refused(run("train.py", *common), "--name")
    assert_refused(run("train.py", "--name", "x"), "--dataroot")
    assert_refused(run("train.py", *common, "--name"), "--name")
    assert_refused(run("train.py", "@/nowhere/run.args"), "/nowhere/run.args")


def test_real_command_line():
    """The same without the short cut of these tests."""
    for program in ("train.py", "test.py"):
        command = [sys.executable, program, "--name", "x", "--model", "sny", "--dataroot", "."]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert_refused(Result(done.returncode, done.stdout, done.stderr), "unknown model 'sny'", "syn")
        assert len(done.stderr.splitlines()) == 1


# Data


def test_no_train_folder(train, brackets, tmp_path):
    (tmp_path / "Test").mkdir()
    assert_refused(train(dataroot=tmp_path), "no folder Train", "<scene>/<frame>")
    (tmp_path / "Train" / "scene").mkdir(parents=True)
    assert_refused(train(dataroot=tmp_path), "no samples", "<scene>/<frame>")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("file", ["raw_16.npy", "raw_gt.npy"])
def test_truncated_in_training(workers, file, train, own_brackets):
    path = truncate(own_brackets / SAMPLE / file)
    assert_refused(train(dataroot=own_brackets, **{"workers": workers}), path, "damaged")


def test_truncated_in_validation_and_test(train, test, trained, own_brackets):
    path = truncate(own_brackets / TEST_SAMPLE / "raw_64.npy")
    assert_refused(train(dataroot=own_brackets, val_freq=1), path, "damaged")
    weights = trained / "TMRNet_model_latest.pth"
    assert_refused(test(dataroot=own_brackets, load_path=weights, workers=2), path, "damaged")


def change(path: Path, function: Callable[[np.ndarray], np.ndarray]) -> Path:
    np.save(path, function(np.load(path)))
    return path


@pytest.mark.parametrize(
    "file, function, expected",
    [
        ("raw_4.npy", lambda a: a[..., :3], "(H, W, 4)"),
        ("raw_4.npy", lambda a: a[:-1], "shape (63, 80, 4)"),
        ("raw_256.npy", lambda a: a.astype(np.float32), "expected uint16"),
        ("raw_gt.npy", lambda a: a[:, :-2], "expected (64, 80, 4)"),
        ("raw_gt.npy", lambda a: a.astype(np.float64), "expected float32"),
        ("raw_1.npy", lambda a: np.array({"a": a}, dtype=object), "damaged or not a plain array"),
    ],
)
def test_wrong_array(file, function, expected, train, own_brackets):
    path = change(own_brackets / SAMPLE / file, function)
    assert_refused(train(dataroot=own_brackets), path, expected)


def test_missing_file(train, own_brackets):
    for file, expected in (("raw_64.npy", "no such file"), ("raw_gt.npy", "raw_gt.npy to train on")):
        (own_brackets / SAMPLE / file).unlink()
        assert_refused(train(dataroot=own_brackets), SAMPLE, expected)
        shutil.rmtree(own_brackets / SAMPLE)
        shutil.copytree(own_brackets / TEST_SAMPLE, own_brackets / SAMPLE)


OPEN_BRACKET = b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': (((".ljust(118)
LONG_HEADER = b"\x93NUMPY\x01\x00\xff\xff" + b"{".ljust(65535)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", OPEN_BRACKET, LONG_HEADER, b"PK\x03\x04junk"])
def test_not_an_array(content, train, own_brackets):
    path = own_brackets / SAMPLE / "raw_1.npy"
    path.write_bytes(content)
    assert_refused(train(dataroot=own_brackets), path, "damaged")
    path = own_brackets / TEST_SAMPLE / "metadata.npy"
    path.write_bytes(content)
    (own_brackets / SAMPLE / "raw_1.npy").write_bytes((own_brackets / TEST_SAMPLE / "raw_1.npy").read_bytes())
    assert_refused(train(dataroot=own_brackets, val_freq=1), path, "damaged or unsafe metadata")


@pytest.mark.parametrize("program", ["train", "test"])
def test_malicious_metadata(program, train, test, trained, own_brackets, tmp_path):
    """A pickle that would run a command is refused, and the command not run."""
    path, marker = own_brackets / TEST_SAMPLE / "metadata.npy", tmp_path / "was_here"
    np.save(path, np.array({"red_gain": Command(f"touch {marker}")}, dtype=object), allow_pickle=True)
    if program == "train":
        result = train(dataroot=own_brackets, val_freq=1)
    else:
        result = test(dataroot=own_brackets, load_path=trained / "TMRNet_model_latest.pth")
    assert_refused(result, path, "system")
    assert not marker.exists()
    np.load(path, allow_pickle=True)  # what it would have done
    assert marker.exists()


# Checkpoints


def test_malicious_checkpoint(test, tmp_path):
    marker, path = tmp_path / "was_here", tmp_path / "weights.pth"
    torch.save({"state_dict": {"a": Command(f"touch {marker}")}}, path)
    assert_refused(test(load_path=path), path, "damaged, or not a checkpoint of tensors")
    assert not marker.exists()


@pytest.mark.parametrize(
    "damage, expected",
    [
        (lambda content: content["network"].update(name="ahdrnet"), "holds a ahdrnet, not the --net tmrnet"),
        (lambda content: content["network"].clear(), "network"),
        (lambda content: content.update(network=3), "network"),
        (lambda content: content["state_dict"].pop("conv_last.bias"), "lacks conv_last.bias"),
        (lambda content: content["state_dict"].update(extra=torch.ones(1)), "holds unknown extra"),
        (lambda content: content["state_dict"].update({"conv_last.bias": torch.ones(7)}), "other shapes of"),
        (lambda content: content.update(state_dict={}), "no state_dict"),
        (lambda content: content.update(state_dict=[1, 2]), "no state_dict"),
        (lambda content: content["network"].update(colour=1), "colour"),
    ],
)
def test_changed_checkpoint(damage, expected, train, test, trained, tmp_path):
    content = torch.load(trained / "TMRNet_model_latest.pth", weights_only=True)
    damage(content)
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    assert_refused(test(load_path=path), path, expected)
    assert_refused(train(load_path=path), path, expected)


def test_impossible_network(train, test, trained, tmp_path):
    """A checkpoint whose description of its network nothing can be built from."""
    content = torch.load(trained / "TMRNet_model_latest.pth", weights_only=True)
    content["network"]["mid_channels"] = "wide"
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    assert_refused(test(load_path=path), path, "cannot be built for --model syn")
    assert_refused(train(load_path=path), path, "mid_channels wide, not 16 as the options ask")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_corrupt_checkpoint(content, train, test, trained, tmp_path):
    """Empty, of another kind, cut off; by its path, as the run's own, and as the state to resume from."""
    folder = tmp_path / "ckpt" / "run"
    shutil.copytree(trained, folder)
    for file in ("TMRNet_model_latest.pth", "train_state.pth"):
        cut_off = (trained / file).read_bytes()[:100_000]
        (folder / file).write_bytes(cut_off if content is None else content)
    assert_refused(test(), folder / "TMRNet_model_latest.pth", "damaged")
    assert_refused(train(load_path=folder / "TMRNet_model_latest.pth"), "damaged")
    assert_refused(train(resume=True), folder / "train_state.pth", "damaged")
    assert test().err.endswith("damaged, or not a checkpoint of tensors\n")  # no advice of PyTorch's


def test_wrong_state(train, trained, tmp_path):
    """A state that is not one, of another network, or of another --ema_decay cannot be resumed."""
    folder = tmp_path / "ckpt" / "run"
    shutil.copytree(trained, folder)
    path = folder / "train_state.pth"
    assert_refused(train(resume=True, ema_decay=0.9), path, "--ema_decay")
    assert_refused(train(resume=True, mid_channels=8), path, "mid_channels 16, not 8")
    shutil.copyfile(folder / "TMRNet_model_latest.pth", path)
    assert_refused(train(resume=True), path, "not the state of a training run")


def test_no_checkpoint(test, tmp_path):
    assert_refused(test(), "no checkpoint", tmp_path / "ckpt" / "run" / "TMRNet_model_latest.pth")
    assert_refused(test(load_iter="3,7"), "no checkpoint", "TMRNet_model_3.pth")


def test_other_arguments(test, trained):
    """Options of the network that contradict the checkpoint."""
    path = trained / "TMRNet_model_latest.pth"
    assert_refused(test(load_path=path, size="small"), path, "16", "32")
    assert_refused(test(load_path=path, mid_channels=24), path, "mid_channels 16, not 24")


def test_test_options(test, trained, tmp_path):
    weights = trained / "TMRNet_model_latest.pth"
    assert_refused(test(load_path=weights, metrics="psnr_mu,psrn_l"), "'psrn_l'", "psnr_l")
    assert_refused(test(load_path=weights, demosaic="net"), "--demosaic_weights")
    missing = tmp_path / "model.bin"
    words = {"load_path": weights, "demosaic": "net", "demosaic_weights": missing}
    assert_refused(test(**words), missing)
    missing.write_bytes(b"nonsense")
    assert_refused(test(**words), missing)
    assert_refused(test(load_path=weights, frame_num=7), "--frame_num 7")


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "much"])
def test_noise_that_cannot_be(value, test):
    """Options of a network that are no whole numbers."""
    assert_refused(test(net="exposure_merge", shot_noise=value), "--shot_noise", f"'{value}'")


def test_no_noise_at_all(test):
    result = test(net="exposure_merge", shot_noise=0, read_noise=0)
    assert_refused(result, "--net exposure_merge cannot be built", "read_noise must be above 0")


@pytest.mark.parametrize("step", ["weights", "state"])
def test_full_disk(step, common, trained, tmp_path):
    """A checkpoint that cannot be written leaves the old one as it was, and nothing half-written."""
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    before = {path.name: path.read_bytes() for path in folder.glob("*.pth")}
    size = (folder / "TMRNet_model_latest.pth").stat().st_size
    limit = size // 2 if step == "weights" else size + 50_000
    words = (f"@{folder}/opt_train.args", "--resume", True, "--niter", 2)
    result = run("train.py", *words, "--checkpoints_dir", tmp_path, file_limit=limit)
    assert_refused(result, "cannot write", "TMRNet_model_2.pth" if step == "weights" else "train_state.pth")
    for name, content in before.items():
        assert (folder / name).read_bytes() == content or (step, name) == ("state", "TMRNet_model_latest.pth")
    assert {path.name for path in folder.iterdir()} <= {
        *before,
        *(path.name for path in trained.iterdir()),
        "TMRNet_model_2.pth",
    }
    result = run("train.py", *words, "--checkpoints_dir", tmp_path)
    assert result.status == 0, result.err
    assert [row["step"] for row in log_rows(folder)] == [1, 2, 3, 4]


def test_full_log(common, tmp_path):
    """So does a log that cannot be written."""
    words = (*common, *SHORT, "--epoch_iters", 30, "--checkpoints_dir", tmp_path, "--name", "run")
    result = run("train.py", *words, file_limit=3000)
    assert_refused(result, "cannot write", "log.jsonl")
    assert len(log_rows(tmp_path / "run")) > 5


def test_unequal_scales(train, tmp_path):
    """A model and a data set whose ground truths differ in size."""
    assert_refused(train(model="synplus"), "--model synplus enlarges by 4", "--dataset_name syn by 1")


def test_more_frames_than_the_checkpoint(train, test, tmp_path):
    """Weights for three frames, and five in the data set: the message says which option to give."""
    result = train(frame_num=3, niter=1, epoch_iters=1, val_freq=0)
    assert result.status == 0, result.err
    assert_refused(test(frame_num=5), "a network for 3 frames, not 5", "--frame_num 3")
