"""Every network and every model on a GPU that is not there: what they do on CUDA, but for the numbers.

What is made on the wrong device, and what waits for the GPU without need, fails here as soon as it is
written, on any machine. What kernels compute, how fast, and in how much memory, only a GPU can tell; so too
for several processes, `--precision fp16`, whose scaler reads values by design, and `--compile`.
"""

import argparse
import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim.swa_utils import AveragedModel
from torchvision.models.vgg import cfgs, make_layers

from models import exposure_process, model_class, model_names
from models.base_model import BaseModel
from models.deeprep_model import DeeprepModel
from models.eld_model import EldModel
from models.networks import create_network, exposure_merge, network_class, row_merge, takes
from models.networks.exposure_merge import ExposureMerge
from models.networks.flow.dis_pairs import DisFlow
from models.restoring import DTYPES
from models.syn_model import SynModel
from tests.fake_gpu import GPU, Watch, backward, pretend
from tests.selfhdr_training import TASK, options
from tests.test_networks import RGB_ONLY, every_network, every_trained_network
from util import checkpoint, tiling
from util.device import Place
from util.parser import Parser
from util.task import CARRIED, Task

FRAMES = 2  # fewer are no merge
BLOCKS = ("feature_blocks", "common_blocks", "specific_blocks", "reconstruction_blocks")
ONCE = {  # what even the tiny presets repeat, which takes time and tells nothing more
    "hdr_transformer": {"groups": 1},
    "sctnet": {"stages": 1},
    "tmrnet": {"spynet_levels": 2} | dict.fromkeys(BLOCKS, 1),
}
SIZE = (25, 27)  # of all samples: what has once been faked is known

every_precision = pytest.mark.parametrize("precision", ["fp32", "bf16"])
# PyTorch says so where a fake tensor is copied, as for an average of weights.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")


@pytest.fixture(autouse=True)
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeTensorMode:
    """The mode under which a GPU is there."""
    # OpenCV's flow and the noise of a frame are measured, on the CPU, from values that a fake has not.
    monkeypatch.setattr(exposure_merge, "chained_flow", no_motion)
    monkeypatch.setattr(DisFlow, "_of_bursts", no_motion_of_bursts)
    # So is the order of rows, and Menon's method has no values on the CPU either.
    monkeypatch.setattr(row_merge, "row_order", lambda _: "short_first")
    monkeypatch.setattr(row_merge, "edge_aware_merge", row_merge.bilinear_merge)
    monkeypatch.setattr(ExposureMerge, "noise_factors", lambda _, frames, exposure: torch.ones(len(frames)))
    return pretend(monkeypatch)


def planes_out(name: str, task: Task) -> int:
    """Planes of the result of a network for a task."""
    return 3 if name in RGB_ONLY else task.planes_out


def no_motion(light: torch.Tensor, *facts: Any) -> torch.Tensor:
    """In the place of `chained_flow`, which takes frames on the CPU."""
    assert light.device.type == "cpu"
    return light.new_zeros(len(light) - 1, 2, *light.shape[-2:])


def no_motion_of_bursts(_flow: DisFlow, frames: torch.Tensor, *facts: Any) -> torch.Tensor:
    """In the place of that of DisFlow, which takes them to the CPU itself."""
    return frames.new_zeros(len(frames), frames.shape[1] - 1, 2, *frames.shape[-2:])


def suited(name: str, task: Task) -> Task:
    """A task, changed to one that a network can do."""
    network = network_class(name)
    planes, scales = getattr(network, "planes", (task.channels,)), getattr(network, "scales", (task.scale,))
    return task._replace(
        channels=task.channels if task.channels in planes else planes[0],
        scale=task.scale if task.scale in scales else scales[0],
        period=getattr(network, "period", task.period),
        carries=tuple(CARRIED),
    )


def build(name: str, task: Task, count: int = FRAMES) -> nn.Module:
    """The smallest preset of a network, on the CPU."""
    preset = getattr(network_class(name), "sizes", {}).get("tiny", {}) | ONCE.get(name, {})
    facts = {"num_frames": count, "scale": task.scale, "reference": task.reference}
    planes = {"in_channels": task.channels, "out_channels": task.planes_out}
    return create_network(name, **facts, **planes, **preset).eval()


def batch(
    task: Task, size: tuple[int, int] = SIZE, targets: Iterable[str] = (), count: int = FRAMES
) -> dict[str, Any]:
    """Two samples as a data loader hands them over, on the CPU, with all that samples can carry."""
    frames = torch.rand(2, count, task.channels, *size)
    of_frames = {key: torch.rand(2, count) for key in ("exposure", "gain", "ratio")}
    of_px = {"noise_map": torch.rand_like(frames), "mask": torch.rand_like(frames[:, 0])}
    of_result = {
        key: torch.rand(2, task.planes_out, *(task.scale * side for side in size)) for key in targets
    }
    return {"frames": frames, "name": ["a", "b"]} | of_frames | of_px | of_result


def given(network: nn.Module, sample: dict[str, Any]) -> dict[str, torch.Tensor]:
    """What a network is given besides the frames."""
    carried = (key for key in ("exposure", *CARRIED) if key in sample)
    return {key: sample[key].to(GPU) for key in carried if takes(network, key)}


def restored(
    network: nn.Module, sample: dict[str, Any], precision: str, learns: bool = False, is_tile: bool = False
) -> torch.Tensor:
    """What a network makes of a sample; as of a tile, where it knows of whole frames; with gradients."""
    frames, known = sample["frames"].to(GPU), given(network, sample)
    # Without weights there is no training to hold up: constants may travel. Networks that align frames first,
    # which is done on the CPU, are given them aligned in training.
    is_watched = getattr(network, "trained", True) and not hasattr(network, "aligned")
    with torch.set_grad_enabled(learns), Watch() if is_watched else contextlib.nullcontext() as watch:
        with torch.autocast(GPU.type, dtype=DTYPES[precision], enabled=precision != "fp32"):
            if is_tile and hasattr(network, "whole_frame"):
                context = network.whole_frame(frames, **known)
                assert all(value.device == GPU for value in context.values())
                known |= context | {"window": (0, 0, *frames.shape[-2:])}
            output = network(frames, **known)
        if learns:
            backward(output.square().mean())
    assert not is_watched or (torch.bfloat16 in watch.dtypes) == (precision == "bf16")
    return output


def let_motion_be_zero(network: nn.Module) -> None:
    """How far a tile reaches depends on the flow's values, which are read on purpose: let it be none."""
    if not hasattr(network, "whole_frame"):
        return
    halo = network.halo

    def halo_of_zeros(**context: torch.Tensor) -> int:
        assert all(value.device == GPU for value in context.values())
        with unset_fake_temporarily():
            return halo(**{key: torch.zeros(value.shape) for key, value in context.items()})

    network.halo = halo_of_zeros


def even_steps(ratio: torch.Tensor, iter_num: int, _rng: np.random.Generator) -> torch.Tensor:
    """In the place of a schedule that looks at the ratio, which it may on the CPU alone."""
    assert ratio.device.type == "cpu"
    return torch.linspace(1, 100, iter_num + 2).expand(len(ratio), -1)


def options_of(model: type[BaseModel], **changes: Any) -> argparse.Namespace:
    """Options of a model, its own by default, for what is run here."""
    parser = Parser(prog="x")
    model.modify_commandline_options(parser, True)
    own, here = vars(parser.parse_strictly([])), {"patch_size": min(SIZE), "frame_num": frames_of(model)}
    usual = {"model": model.__name__, "structure_loss": "gradient", "ema_decay": 0.9}
    return options(**(own | here | usual | changes))


def frames_of(model: type[BaseModel]) -> int:
    """Frames of a sample that a model learns from."""
    return 1 if issubclass(model, EldModel) else FRAMES


def ready(kind: type[BaseModel], task: Task, folder: Path, **changes: Any) -> BaseModel:
    """A model that has been given weights, ready to train on the GPU."""
    opt = options_of(kind, **changes)
    vars(opt).update(ONCE.get(opt.net, {}))
    task = task._replace(scale=kind.scale or task.scale, bracketed=not issubclass(kind, DeeprepModel))
    task = task._replace(white=1.0 if issubclass(kind, EldModel) else task.white)
    task, path = suited(opt.net, task), folder / "start.pth"
    network = build(opt.net, task, opt.frame_num)
    checkpoint.save_weights(path, network.state_dict(), network.arguments)
    model = kind(opt, Place(GPU), task)
    model.build(path)
    model.prepare_training()
    return model


def train_step(model: BaseModel) -> None:
    """A step of train.py, without what it reads of losses and norm for the log; all must stay on the GPU."""
    model.optimizer.zero_grad(set_to_none=True)
    model.begin_step(0)
    model.set_input(batch(model.task, targets=model.targets, count=model.opt.frame_num))
    with Watch() as watch:
        with model.autocast():
            model.forward()
        loss = model.compute_loss()
        backward(model.scaler.scale(loss))
        check_gradients(model.network)
        model.scaler.unscale_(model.optimizer)
        parameters = list(model.network.parameters())
        norm = get_total_norm([parameter.grad for parameter in parameters])
        clip_grads_with_norm_(parameters, 1.0, norm)
        model.scaler.step(model.optimizer)
        model.scaler.update()
    assert (torch.bfloat16 in watch.dtypes) == (model.opt.precision == "bf16")
    for average in averages(model):
        average.n_averaged = torch.tensor(1)  # it is read, on the CPU; made here, the mode knows its value
    model.update_averages()
    check_losses(model, loss)
    check_weights(model)


def averages(model: BaseModel) -> list[AveragedModel]:
    return [part for part in vars(model).values() if isinstance(part, AveragedModel)]


def check_gradients(network: nn.Module) -> None:
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        found = parameter.grad.device, parameter.grad.dtype, parameter.grad.shape
        assert found == (GPU, torch.float32, parameter.shape), name


def check_losses(model: BaseModel, loss: torch.Tensor) -> None:
    assert (loss.device, loss.dtype, loss.shape) == (GPU, torch.float32, ())
    assert set(model.losses) == set(model.loss_names)
    for value in model.losses.values():
        assert (value.device, value.shape, value.requires_grad) == (GPU, (), False)


def check_weights(model: BaseModel) -> None:
    """What the optimizer has changed, what it keeps, and the averages."""
    for name, parameter in model.network.named_parameters():
        kept = model.optimizer.state[parameter]
        for value in (parameter, kept["exp_avg"], kept["exp_avg_sq"]):
            assert (value.device, value.dtype, value.shape) == (GPU, torch.float32, parameter.shape), name
    for average in averages(model):
        assert all(parameter.device == GPU for parameter in average.parameters())


# Networks


@every_network
@pytest.mark.parametrize(("precision", "task"), [("fp32", Task()), ("bf16", TASK._replace(scale=4))])
def test_network(name: str, precision: str, task: Task, gpu: FakeTensorMode) -> None:
    task = suited(name, task)
    network = build(name, task).to(GPU)
    let_motion_be_zero(network)
    with gpu:
        output = restored(network, batch(task), precision, is_tile=task.scale > 1)
    assert (output.device, output.dtype) == (GPU, torch.float32)
    assert output.shape == (2, planes_out(name, task), *(task.scale * side for side in SIZE))


@every_network
def test_tiles(name: str, gpu: FakeTensorMode) -> None:
    """Two tiles, blended on the CPU; for a network with flow they are those of frames that do not move."""
    task, size = suited(name, TASK._replace(scale=4)), (60, 76)
    network = build(name, task).to(GPU)
    let_motion_be_zero(network)
    restore = tiling.restore.__wrapped__  # in inference mode constants of a module would ask for the real GPU
    with gpu, torch.no_grad():
        sample = {key: values[:1] for key, values in batch(task, size).items()}
        output = restore(network, sample["frames"].to(GPU), 64, 8, task.period, **given(network, sample))
    assert (output.device.type, output.dtype) == ("cpu", torch.float32)
    assert output.shape == (1, planes_out(name, task), *(task.scale * side for side in size))


@every_trained_network
def test_training_network(name: str, gpu: FakeTensorMode) -> None:
    """With parts that are computed again for the backward pass, which does all that the usual one does."""
    task = suited(name, Task())
    network = build(name, task).train().to(GPU)
    network.gradient_checkpointing = True
    with gpu:
        restored(network, batch(task), "bf16", learns=True)
    check_gradients(network)


# Models


@pytest.mark.parametrize("name", model_names())
@every_precision
def test_model(
    name: str, precision: str, gpu: FakeTensorMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(exposure_process.SCHEDULES, "distinct", even_steps)
    model = ready(model_class(name), Task(), tmp_path, precision=precision)
    with gpu:
        train_step(model)


@every_precision
def test_selfhdr2_with_vgg(precision: str, gpu: FakeTensorMode, tmp_path: Path) -> None:
    layers, path = nn.Module(), tmp_path / "vgg.pth"
    with torch.device("meta"):
        layers.features = make_layers(cfgs["E"])
    layers.to_empty(device="cpu")
    torch.save({name: value.zero_() for name, value in layers.state_dict().items()}, path)
    changes = {"structure_loss": "vgg", "vgg_weights": str(path), "precision": precision}
    model = ready(model_class("selfhdr2"), TASK, tmp_path, **changes)
    with gpu:
        train_step(model)


# The tests can fail


class Wrong(nn.Module):
    """A network of one parameter that does something to its frames."""

    def __init__(self, action: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.action, self.weight = action, nn.Parameter(torch.ones(()))

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return self.action(frames * self.weight)


class Astray(torch.autograd.Function):
    """Itself, with a gradient on the CPU."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        return torch.zeros(gradient.shape)


CONSTANT = torch.ones(SIZE[1])


@pytest.mark.parametrize("learns", [False, True])
@pytest.mark.parametrize(
    ("action", "text"),
    [
        (lambda x: x * torch.ones(SIZE[1]), "two devices"),
        (lambda x: x * CONSTANT, "two devices"),
        (lambda x: torch.cat((x, torch.zeros(x.shape)), 1), "two devices"),
        (lambda x: x * x.mean().item(), "_local_scalar_dense"),
        (lambda x: x * float(x.detach().mean()), "_local_scalar_dense"),
        (lambda x: x if x.mean() > 0 else -x, "_local_scalar_dense"),
        (lambda x: x[x > 0], "nonzero"),
        (lambda x: x.cpu().to(GPU), "exchanges values"),
        (lambda x: x * torch.ones(SIZE[1]).to(GPU), "exchanges values"),
        (lambda x: x * x.new_tensor([1.0, 2.0])[0], "exchanges values"),
        (lambda x: x[..., torch.arange(3)], "exchanges values"),
    ],
)
def test_wrong_network(action: Any, text: str, learns: bool, gpu: FakeTensorMode) -> None:
    network = Wrong(action).to(GPU)
    with gpu, pytest.raises((RuntimeError, AssertionError), match=text):
        restored(network, batch(TASK), "fp32", learns)


def test_wrong_gradients(gpu: FakeTensorMode) -> None:
    network = Wrong(Astray.apply).to(GPU)
    with gpu:
        restored(network, batch(TASK), "fp32")
        with pytest.raises(AssertionError, match="a gradient on cpu of a tensor on cuda:0"):
            restored(network, batch(TASK), "fp32", learns=True)
    with pytest.raises(AssertionError, match="weight has no gradient"):
        check_gradients(Wrong(torch.neg))


def test_right_network(gpu: FakeTensorMode) -> None:
    """What the wrong ones are but for their fault; under bf16 it is one that computes nothing in it."""
    network = Wrong(lambda x: x + 1).to(GPU)
    with gpu:
        restored(network, batch(TASK), "fp32", learns=True)
        check_gradients(network)
        with pytest.raises(AssertionError):
            restored(network, batch(TASK), "bf16")


class Reading(SynModel):
    """It reads a loss."""

    def compute_loss(self) -> torch.Tensor:
        loss = super().compute_loss()
        return loss if loss > 0 else -loss


class Forgetting(SynModel):
    """It leaves its target on the CPU."""

    def set_input(self, sample: dict[str, Any]) -> None:
        super().set_input(sample)
        self.gt = sample["gt"]


class Detached(SynModel):
    """A part of its network learns nothing."""

    def prepare_training(self) -> None:
        self.network.idle = nn.Parameter(next(self.network.parameters()).detach())
        super().prepare_training()


@pytest.mark.parametrize(
    ("model", "text"),
    [(Reading, "_local_scalar_dense"), (Forgetting, "two devices"), (Detached, "idle has no gradient")],
)
def test_wrong_model(model: type[BaseModel], text: str, gpu: FakeTensorMode, tmp_path: Path) -> None:
    model = ready(model, Task(), tmp_path, net="ahdrnet")
    with gpu, pytest.raises((RuntimeError, AssertionError), match=text):
        train_step(model)


@every_trained_network
def test_backward_is_that_of_pytorch(name: str) -> None:
    """On the CPU, where PyTorch has its own."""
    task, gradients = suited(name, TASK), []
    network, sample = build(name, task).train(), batch(task)
    known = {key: sample[key] for key in sample if key != "frames" and takes(network, key)}
    for through in (torch.Tensor.backward, backward):
        network.zero_grad()
        through(network(sample["frames"], **known).square().mean())
        gradients.append([parameter.grad for parameter in network.parameters()])
    largest = max(float(theirs.abs().max()) for theirs in gradients[0])
    for theirs, ours in zip(*gradients, strict=True):
        tolerance = max(1e-5 * float(theirs.abs().max()), 1e-9 * largest)  # of what is 0 but for rounding
        assert_allclose(ours, theirs, atol=tolerance, rtol=0)
