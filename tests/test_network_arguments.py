"""Checkpoints against the data they are used on: numbers of frames and planes, and which network is built."""

import argparse
from pathlib import Path

import pytest
import torch

from models import create_model, network_arguments
from models.networks import create_network
from models.networks.tmrnet import TMRNet
from options.test_options import TestOptions
from options.train_options import TrainOptions
from util import checkpoint
from util.device import Place
from util.errors import UserError
from util.task import Task

CPU = Place(torch.device("cpu"))


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a network for three frames of four planes."""
    network = create_network("tmrnet", num_frames=3, **TMRNet.sizes["tiny"])
    path = tmp_path_factory.mktemp("weights") / "TMRNet_model_7.pth"
    checkpoint.save_weights(path, network.state_dict(), network.arguments)
    return path


@pytest.fixture(scope="module")
def published(ours: Path) -> Path:
    """The same without a record of its network."""
    path = ours.with_name("TMRNet_model_8.pth")
    torch.save({"state_dict": checkpoint.load_weights(ours)[0]}, path)
    return path


def options(*words: object, frame_num: int = 3) -> argparse.Namespace:
    shared = (
        "--name",
        "x",
        "--dataroot",
        "/data",
        "--gpu_ids",
        "-1",
        "--size",
        "tiny",
        "--frame_num",
        frame_num,
    )
    return TestOptions().parse([str(word) for word in (*shared, *words)])


def restored(path: Path, frames: int, frame_num: int) -> torch.Tensor:
    model = create_model(options("--load_path", path, frame_num=frame_num), CPU, Task())
    assert model.load_trained(None) == path.stem[-1]
    return model.restore(torch.rand(1, frames, 4, 12, 14), {"exposure": torch.ones(1, frames)})


def test_fewer_frames_than_the_checkpoint_is_for(ours: Path, published: Path) -> None:
    torch.manual_seed(0)
    first = restored(ours, 2, 2)
    torch.manual_seed(0)
    assert torch.equal(restored(published, 2, 2), first)


@pytest.mark.parametrize("kind", ["ours", "published"])
def test_more_frames_than_the_checkpoint_is_for(kind: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(kind)
    with pytest.raises(UserError, match=r"for 3 frames, not 5: --frame_num 3, or --net exposure_merge"):
        restored(path, 5, 5)


def test_more_frames_than_the_data_set_said(ours: Path) -> None:
    text = r"this TMRNet restores at most 3 frames, not 4: give --frame_num 3, or --net exposure_merge"
    with pytest.raises(UserError, match=text):
        restored(ours, 4, 3)


@pytest.mark.parametrize("kind", ["ours", "published"])
def test_planes_of_another_number(kind: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(kind)
    model = create_model(options("--load_path", path), CPU, Task(channels=3))
    text = r"is for 4 planes per frame, --dataset_name syn gives 3: --net exposure_merge takes any"
    with pytest.raises(UserError, match=text):
        model.load_trained(None)


def test_a_new_network_is_for_the_planes_of_the_data() -> None:
    model = create_model(options(), CPU, Task(channels=3))
    model.build()
    assert model.restore(torch.rand(1, 3, 3, 12, 14), {"exposure": torch.ones(1, 3)}).shape == (1, 3, 12, 14)


def test_missing_weights() -> None:
    text = r"no checkpoint .*TMRNet_model_latest.pth: try --load_path .*brackets.pth, or --net exposure_merge"
    with pytest.raises(UserError, match=text):
        create_model(options(), CPU, Task()).load_trained("latest")


def test_weights_for_a_network_that_has_none(ours: Path) -> None:
    words = ("--name", "x", "--dataroot", "/data", "--net", "exposure_merge")
    opt = TestOptions().parse([*words, "--load_path", str(ours)])
    with pytest.raises(UserError, match="--net exposure_merge has no parameters to train or load"):
        create_model(opt, CPU, Task()).load_trained(None)


@pytest.mark.parametrize(
    ("words", "net"),
    [
        ("", "exposure_merge"),
        ("--load_path weights.pth", "tmrnet"),
        ("--load_iter 400", "tmrnet"),
        ("--net tmrnet", "tmrnet"),
        ("--load_path weights.pth --net exposure_merge", "exposure_merge"),
    ],
)
def test_network_for_own_photographs(words: str, net: str) -> None:
    """What needs no weights, unless the user names some, or a network."""
    opt = TestOptions().parse(["--name", "x", "--dataroot", "/d", "--dataset_name", "folder", *words.split()])
    assert opt.net == net
    assert hasattr(opt, "shot_noise") == (net == "exposure_merge")


def test_gradient_checkpointing_of_a_network_that_cannot() -> None:
    opt = TrainOptions().parse(["--name", "x", "--dataroot", "/d", "--gradient_checkpointing", "True"])
    model = create_model(opt, CPU, Task())
    model.network = torch.nn.Linear(2, 2)
    with pytest.raises(
        UserError, match="--gradient_checkpointing: --net tmrnet has no parts to compute again"
    ):
        model.prepare_training()


def test_a_network_that_knows_no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's own need not: what it restores is what it has learnt."""

    class Plain(torch.nn.Module):
        def __init__(self, num_frames: int = 3) -> None:
            super().__init__()

    opt = TestOptions().parse(["--name", "x", "--dataroot", "/d", "--frame_num", "3"])
    task, held = {"in_channels": 3, "reference": 1}, {"name": "tmrnet", "num_frames": 3}
    with pytest.raises(UserError, match=r"holds a network that restores frame 1, .* asks for frame 2"):
        network_arguments.arguments_of_checkpoint(opt, task, "x.pth", held)
    monkeypatch.setattr(network_arguments, "network_class", lambda name: Plain)
    assert network_arguments.arguments_of_checkpoint(opt, task, "x.pth", held)["num_frames"] == 3
