"""Damaged states of runs and checkpoints: one line with the file and what is wrong."""

import copy
import math
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from models import create_model
from models.base_model import BaseModel
from models.network_arguments import LARGEST, build_network
from options.train_options import TrainOptions
from train import save_state, train_step
from util import progress
from util.device import Place
from util.errors import UserError
from util.progress import MAX_SKIPPED, Progress, Rescue
from util.task import Task
from util.training_state import load_scaler

CPU = Place(torch.device("cpu"))
ITERS = 4  # steps of an epoch
WORDS = "--name run --dataroot /data --gpu_ids -1 --frame_num 2 --ema_decay 0.9 --epoch_iters 4"
SAMPLE = {"exposure": torch.ones(1, 2), "frames": torch.full((1, 2, 4, 16, 16), 0.5), "name": ["one"]}


def create(folder: Path, *words: str) -> BaseModel:
    """A model of the smallest network, which is not made yet."""
    network = ("--net", "unet", "--levels", "2", "--mid_channels", "4", "--checkpoints_dir")
    given = [*WORDS.split(), *network, str(folder), *words]
    return create_model(TrainOptions().parse(given), CPU, Task())


def begun(folder: Path, *words: str) -> BaseModel:
    """The same with a network and an optimizer."""
    model = create(folder, *words)
    model.build()
    model.prepare_training()
    model.folder.mkdir(exist_ok=True)
    return model


def sample(target: float = 0.5) -> dict[str, Any]:
    return SAMPLE | {"gt": torch.full((1, 4, 16, 16), target)}


def resumed(folder: Path) -> Progress:
    model = create(folder)
    now, state = Progress.load(model.folder, ITERS)
    model.build(resumed=state)
    model.prepare_training()
    model.load_state(state, model.folder / progress.FILE)
    return now


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """Folder of the state and the weights of a run after one step. The files may be overwritten."""
    folder, now = tmp_path_factory.mktemp("runs"), Progress()
    torch.manual_seed(1)
    model = begun(folder)
    assert train_step(model, [sample()], model.opt, now)
    save_state(model, now)
    model.save_weights(1)
    return folder


@pytest.fixture(scope="module")
def contents(run: Path) -> dict[str, dict]:
    """What is in these files."""
    files = {"state": run / "run" / progress.FILE, "weights": run / "run" / "UNet_model_1.pth"}
    return {name: torch.load(file, weights_only=True) for name, file in files.items()}


def changed(content: dict, place: str, change: Callable[[Any], Any] | None) -> dict:
    """A copy in which the value at a place, keys and numbers joined by /, is changed, or is not there."""
    content = inner = copy.deepcopy(content)
    *keys, last = [int(key) if key.isdecimal() else key for key in place.split("/")]
    for key in keys:
        inner = inner[key]
    if change is None:
        del inner[last]
    else:
        inner[last] = change(inner.get(last) if isinstance(inner, dict) else inner[last])
    return content


def spoilt(value: torch.Tensor) -> torch.Tensor:
    value = value.clone()
    value[(0,) * value.ndim] = math.nan
    return value


def to(value: Any) -> Callable[[Any], Any]:
    return lambda _: value


def stretched(value: torch.Tensor) -> torch.Tensor:
    return torch.zeros(1).expand(value.shape)


def quantized(value: torch.Tensor) -> torch.Tensor:
    return torch.quantize_per_tensor(value, 0.1, 0, torch.qint8)


NET, SGD = "model/network", "model/optimizer"
WEIGHT = f"{NET}/conv1_1.weight"
DENSE = "conv1_1.weight is not a dense tensor of real numbers"
POSITION = "how far it has come cannot be read"
STATES = [
    (WEIGHT, spoilt, "damaged: network.conv1_1.weight has values that are not finite"),
    ("model/ema/module.conv1_1.bias", lambda x: x / 0, "ema.module.conv1_1.bias has values that are not"),
    (f"{SGD}/state/0/exp_avg", spoilt, "optimizer.state.0.exp_avg has values that are not finite"),
    (f"{SGD}/state/0/exp_avg", to(torch.zeros(1)), "parameter 0: its exp_avg has another shape or type"),
    (f"{SGD}/state/0/exp_avg_sq", lambda x: x - 1, "parameter 0: its exp_avg_sq is below 0"),
    (f"{SGD}/state/0/exp_avg", None, "parameter 0: it lacks exp_avg"),
    (f"{SGD}/state/0/step", to("x"), "parameter 0: it lacks step"),
    (f"{SGD}/state/99", to({}), "its optimizer is of other parameters"),
    (f"{SGD}/state", to([]), "its optimizer has no state or no groups"),
    (f"{SGD}/param_groups", to([]), "its optimizer is of other parameters"),
    (f"{SGD}/param_groups/0/params", lambda x: x[1:], "its optimizer is of other parameters"),
    (f"{SGD}/param_groups/0/betas", to((0.9, 1.0)), "its optimizer has betas (0.9, 1.0)"),
    (f"{SGD}/param_groups/0/eps", None, "its optimizer lacks eps"),
    (f"{SGD}/param_groups/0/weight_decay", to(math.nan), "its optimizer has weight_decay nan"),
    (SGD, None, "its optimizer has no state or no groups"),
    ("model/scaler", None, "its loss scaler has no state"),
    ("model/scaler", to({"scale": 1.0}), "its loss scaler has no state"),
    (NET, None, "it has no tensors of its network"),
    (WEIGHT, None, "it lacks conv1_1.weight"),
    (WEIGHT, to("x"), "it has no tensors of its network"),
    (WEIGHT, lambda x: x[:1], "it has other shapes of conv1_1.weight"),
    (WEIGHT, lambda x: x.int(), "it has other types of conv1_1.weight"),
    (WEIGHT, lambda x: x.to(torch.complex64), DENSE),
    (WEIGHT, lambda x: x.to_sparse(), DENSE),
    (WEIGHT, quantized, DENSE),
    (WEIGHT, lambda x: x.to("meta"), "conv1_1.weight has no values"),
    (WEIGHT, stretched, "conv1_1.weight has fewer values than its shape says"),
    (WEIGHT, lambda x: torch.full(x.shape, 1e300, dtype=torch.float64), "conv1_1.weight has values that are"),
    ("model/arguments", None, "it does not tell which network it is of"),
    ("model/arguments", to("unet"), "what should say which network it holds does not"),
    ("model/arguments/levels", to(10**9), "levels 1000000000, not 2 as the options ask"),
    ("model/arguments/num_frames", to("two"), "its network has num_frames 'two'"),
    ("model/ema", to({}), "it has no tensors of its ema"),
    ("model/ema/n_averaged", None, "it lacks n_averaged"),
    ("model/strategy", to([1]), "was written by --model [1], not syn"),
    ("model/protocol", to([1]), "what should say how it was trained does not"),
    ("model", to([1]), POSITION),
    ("progress", to("x"), POSITION),
    ("progress/epoch", None, POSITION),
    ("progress/epoch", to("1"), POSITION),
    ("progress/epoch", to(10**30), POSITION),
    ("progress/iteration", to(-1), POSITION),
    ("progress/skipped", to(MAX_SKIPPED), POSITION),
    ("progress/scores", to(["x"]), POSITION),
    ("progress/more", to(1), POSITION),
    ("step", to("x"), "are x steps, not with --epoch_iters 4"),
]


@pytest.mark.parametrize("place, change, message", STATES)
def test_state(run, contents, place, change, message) -> None:
    path = run / "run" / progress.FILE
    torch.save(changed(contents["state"], place, change), path)
    with pytest.raises(UserError, match=f"^{re.escape(str(path))}.*{re.escape(message)}"):
        resumed(run)


def test_sound_state(run, contents) -> None:
    """What stands in memory with gaps, or in fewer bits, is as good."""
    path = run / "run" / progress.FILE
    torch.save(contents["state"], path)
    assert resumed(run) == Progress(iteration=1)
    for change in (lambda x: x.repeat_interleave(2, 0)[::2], lambda x: x.half(), lambda x: x.double()):
        torch.save(changed(contents["state"], WEIGHT, change), path)
        resumed(run)


def test_iteration_beyond_the_epoch(run, contents) -> None:
    state = contents["state"] | {"progress": contents["state"]["progress"] | {"iteration": 5}, "step": 5}
    torch.save(state, run / "run" / progress.FILE)
    with pytest.raises(UserError, match=r"iteration 5 of epoch 1 is not in --epoch_iters 4: resume with the"):
        resumed(run)


WEIGHTS = [
    ("state_dict/conv1_1.weight", spoilt, "damaged: conv1_1.weight has values that are not finite"),
    ("state_dict/conv1_1.weight", lambda x: x.to("meta"), "conv1_1.weight has no values"),
    ("state_dict/conv1_1.weight", to(torch.zeros(1).expand(10**6, 10**6)), "fewer values than its shape"),
    ("state_dict", lambda x: {1: x["conv1_1.bias"]}, "it has no state_dict of tensors"),
    ("network/scale", to(-1), "damaged: its network has scale -1"),
    ("network/num_frames", to(None), "damaged: its network has num_frames None"),
    ("network/depth", to(1), "network cannot be built for --model syn: network 'unet' takes no 'depth'"),
    ("network/mid_channels", to(10**9), f"mid_channels 1000000000: {LARGEST} is the largest that is built"),
    ("network/mid_channels", to(4000), "would have more parameters than go with its weights, which are"),
    ("network/levels", to(4000), "would have more parameters than go with its weights|cannot be built"),
    ("network/levels", to("two"), "its network cannot be built for --model syn"),
    ("protocol", to("x"), "what should say how it was trained does not"),
    ("step", to([1]), "what should say how it was trained does not"),
]


@pytest.mark.parametrize("place, change, message", WEIGHTS)
def test_weights(run, contents, place, change, message) -> None:
    path = run / "damaged.pth"
    torch.save(changed(contents["weights"], place, change), path)
    model = create_model(TrainOptions().parse([*WORDS.split(), "--net", "unet"]), CPU, Task())
    with pytest.raises(UserError, match=f"^{re.escape(str(path))}.*({message})"):
        model.build(path)


def test_network_larger_than_memory() -> None:
    """Widths of options are judged before there are weights, and numbers beyond all memory too."""
    opt = SimpleNamespace(net="unet", size=None, model="syn", frame_num=2, mid_channels=LARGEST, levels=12)
    task = {"in_channels": 4, "out_channels": 4, "scale": 1}
    with pytest.raises(UserError, match="--net unet would have more parameters than memory holds"):
        build_network(opt, task)
    opt.mid_channels = LARGEST + 1
    with pytest.raises(UserError, match="--net unet has mid_channels 4097: 4096 is the largest"):
        build_network(opt, task)


def test_scaler_of_another_precision(tmp_path) -> None:
    scaler = torch.amp.GradScaler("cpu", enabled=True)
    with pytest.raises(UserError, match="was not written with --precision fp16: resume with the former"):
        load_scaler(scaler, {}, tmp_path)
    state = {"scale": 2.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 9}
    load_scaler(scaler, state | {"_growth_tracker": 0}, tmp_path)
    assert scaler.get_scale() == 2
    with pytest.raises(UserError, match="its loss scaler has scale inf"):
        load_scaler(scaler, state | {"_growth_tracker": 0, "scale": math.inf}, tmp_path)


# Steps


def test_no_backward_pass_of_a_loss_that_is_not_finite(tmp_path, monkeypatch) -> None:
    """The step changes nothing, neither does that part of a batch which was finite."""
    model, now = begun(tmp_path), Progress()
    passes = []
    monkeypatch.setattr(torch.Tensor, "backward", lambda *_: passes.append(1))
    before = copy.deepcopy(model.state())
    assert train_step(model, [sample(), sample(math.nan)], model.opt, now) is None
    assert len(passes) == 1
    assert (now.iteration, now.skipped) == (1, 1)
    after = model.state()
    assert all(torch.equal(after["network"][name], value) for name, value in before["network"].items())
    assert after["optimizer"]["state"] == {}


@pytest.mark.parametrize("lr", ["1e30", "1e38"])
def test_learning_rate_that_spoils_the_weights(tmp_path, lr) -> None:
    """Ten steps later the run gives up; the state before is left as it was."""
    model, now = begun(tmp_path, "--lr", lr), Progress()
    save_state(model, now)
    path = model.folder / progress.FILE
    saved = path.read_bytes()
    assert train_step(model, [sample()], model.opt, now)
    with pytest.raises(UserError, match=r"weights of up to .* after a step: they are not saved; lower --lr"):
        save_state(model, now)
    again = Rescue(now, lambda: save_state(model, now), "train.py --resume True")
    with (
        pytest.raises(UserError, match="10 steps in a row without a finite gradient: lower --lr") as caught,
        again,
    ):
        while True:
            train_step(model, [sample()], model.opt, now)
    assert caught.value.__notes__ == [
        "saved after iteration 0 of epoch 1; go on with: train.py --resume True"
    ]
    assert path.read_bytes() == saved
    assert now.skipped == MAX_SKIPPED
