"""What every training strategy has: network, weights, optimizer, precision, restoring of samples."""

import argparse
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from models.compiling import compile_network
from models.network_arguments import build_network
from models.networks import needs_weights, network_class
from models.pairing import check_pair, check_protocol
from models.pretrained_parts import load_pretrained_parts
from models.restoring import Restoring
from models.weight_average import weight_average
from util import checkpoint, progress
from util.device import Place, convert_channels_last
from util.errors import UserError
from util.provenance import provenance
from util.task import Task
from util.training_state import as_checkpoint, check_weights, load_optimizer, load_scaler, weights_of

# Weights that come with the project, by planes of a frame and value of white.
SHIPPED = {(4, 16.0): "brackets/MergeUNet_model_brackets", (4, 1.0): "dark/UNet_model_dark"}


class BaseModel(Restoring):
    """A training strategy. A subclass says what is minimised (`compute_loss`) and which network it makes.

    Attributes:
        loss_names: names of the losses that `compute_loss` leaves in `losses`, for the log.
        scale: factor of super-resolution; None = that of the data's targets.
        takes_brackets: whether frames may differ in exposure.
        period: of the arrangement of px of the only data that it restores; None = any.
        heeds_valid: whether it leaves out px whose truth is unknown, as samples with `valid` tell.
        targets: keys of a sample that it learns from.
        default_net: network where `--net` does not name one.
        without_effect: published options that decide nothing here, and why.
        datasets: data set of training and of testing where `--dataset_name` does not name one.
    """

    loss_names: tuple[str, ...] = ()
    scale: int | None = 1
    takes_brackets = True
    period: tuple[int, int] | None = None
    heeds_valid = False
    targets: tuple[str, ...] = ("gt",)
    default_net = "tmrnet"
    datasets: tuple[str, str] = ("syn", "syn")
    without_effect: ClassVar[dict[str, str]] = {}

    @classmethod
    def modify_commandline_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> None:
        """Add options, or change defaults, for this strategy."""
        parser.set_defaults(net=cls.default_net, dataset_name=cls.default_dataset(is_train))

    @classmethod
    def default_dataset(cls, is_train: bool) -> str:
        """The data set where none is named."""
        return cls.datasets[not is_train]

    def __init__(self, opt: argparse.Namespace, place: Place, task: Task) -> None:
        self.opt, self.place, self.task = opt, place, task
        self.white = task.white
        self.scale = self.scale or task.scale or 1
        self.folder = Path(opt.checkpoints_dir) / opt.name
        self.losses: dict[str, torch.Tensor] = {}
        self.ema: AveragedModel | None = None
        self.step: int | None = None  # that the weights were trained to, where it is known
        self.made_for: dict[str, str] = {}  # protocol of the data that the weights were trained on

    # Building and weights

    def build(self, path: str | Path | None = None, resumed: dict[str, Any] | None = None) -> None:
        """Make the network on this process's device, with the weights of checkpoint `path` if one is given.

        A checkpoint of ours says how its network was made; for a published one the options do. `resumed` is a
        state of `state()` instead, whose network is made; `load_state` then fills it.

        Raises:
            UserError: the checkpoint is missing, damaged, or does not fit; there is nothing to train.
        """
        check_pair(self.opt, self, self.task)
        if not needs_weights(self.opt.net) and (self.opt.is_train or path):
            advice = "test.py uses it as it is" if self.opt.is_train else f"what network is {path} of?"
            raise UserError(f"--net {self.opt.net} has no parameters to train or load: {advice}")
        content = checkpoint.load(path) if path else {}
        if resumed is not None:
            path = self.folder / progress.FILE
            content = as_checkpoint(resumed, path)
        state, saved = checkpoint.weights_in(content, path) if path else (None, None)
        self.step = content.get("step")
        if path:
            may_differ = resumed is None and (self.opt.is_train or self.opt.any_protocol)
            self._take_protocol(content, path, may_differ)
        self.network = build_network(self.opt, self._asked(), path, state, saved)
        self._check_carried()
        if state is None:
            load_pretrained_parts(self.network, self.opt, self.say)
        elif resumed is None:
            optional = getattr(self.network, "optional_keys", ()) if self.opt.is_train else ()
            lacking = checkpoint.fit(self.network, state, path, optional)
            self.say(f"weights from {path}" + (f"; from scratch: {', '.join(lacking)}" if lacking else ""))
        if self.opt.tile and getattr(self.network, "is_global", False):
            looks = f"--net {self.opt.net} looks at the whole frame"
            self.say(f"note: {looks}: with --tile {self.opt.tile} its results are approximate")
        if self.task.reference is None:
            self.task = self.task._replace(reference=self.network.arguments.get("reference", 0))
        self._settle_network()

    def _check_carried(self) -> None:
        """Refuse data without what this network, by its own options, must be given of each sample."""
        for name in getattr(self.network, "needs", ()):
            if name not in self.task.carries:
                kind = f"this {type(self.network).__name__} needs the {name} of each sample"
                raise UserError(f"{kind}, which --dataset_name {self.opt.dataset_name} has not")

    def _take_protocol(self, content: Mapping[str, Any], path: str | Path, may_differ: bool) -> None:
        """Note the protocol that weights were trained with; refuse or tell where that of the data differs."""
        self.made_for = content.get("protocol", {})
        for difference in check_protocol(self.opt, self.made_for, self.task, path, may_differ):
            self.say(f"note: {difference}")

    @classmethod
    def as_seen_by(cls, network: type[nn.Module], task: Task) -> Task:
        """What the data ask of a network, which this strategy may show their frames in another form."""
        return task

    def _asked(self) -> dict[str, int | bool]:
        """Arguments of a network that follow from the task of the data and the scale of this strategy."""
        task = self.as_seen_by(network_class(self.opt.net), self.task._replace(scale=self.scale))
        asked = {"in_channels": task.channels, "out_channels": task.planes_out, "scale": task.scale}
        asked |= {"bracketed": task.bracketed, "mosaic": task.mosaic}
        return asked if task.reference is None else asked | {"reference": task.reference}

    def _settle_network(self) -> None:
        """Move the network to its device, in the layout and compiled as options say."""
        self.network.to(self.place.device)
        if self.opt.channels_last:
            convert_channels_last(self.network)
        if self.opt.compile and needs_weights(self.opt.net):
            compile_network(self.network, self.place.device, self.opt.is_train)

    def load_trained(self, iteration: int | str | None) -> str:
        """Make the network with the weights of `--load_path`, or with this run's own of an epoch.

        Returns what names these weights in the names of output files.

        Raises:
            UserError: as `build`; or there are no such weights.
        """
        if not needs_weights(self.opt.net):
            self.build(self.opt.load_path)
            return self.opt.net
        path = Path(self.opt.load_path or self.checkpoint_path(iteration))
        if name := getattr(network_class(self.opt.net), "published_name", None):
            published = path.with_name(f"{name}_model_{iteration}.pth")
            path = published if published.exists() and not path.exists() else path
        if not path.exists():
            raise UserError(f"no checkpoint {path}: try {self._without_training()}, which needs none")
        self.build(path)
        most = self.network.arguments.get("num_frames", self.opt.frame_num)
        if self.opt.frame_num < most and getattr(self.network, "exact_frames", False):
            raise UserError(f"{path} holds a network for exactly {most} frames, not {self.opt.frame_num}")
        if self.opt.frame_num < most:
            fewer = f"{self.opt.frame_num} frames for a network that was made for {most}"
            self.say(f"note: {fewer}: its results may be poor, --net exposure_merge takes any number")
        network, _, label = path.stem.removesuffix(".pth").rpartition("_model_")
        own = type(self.network).__name__
        role = network.removeprefix(own) if network.startswith(own) else ""  # "Pre" of a teacher's file
        return f"{label}_{role}" if role else label

    def _without_training(self) -> str:
        """Options by which frames of this task are restored without weights of one's own."""
        if not self.task.bracketed:
            return "--net burst_merge" if self.scale > 1 else "--net exposure_merge"
        shipped = f"--load_path ckpt/{SHIPPED[kind]}.pth, or " if (kind := self.task[:2]) in SHIPPED else ""
        return f"{shipped}--net exposure_merge"

    def checkpoint_path(self, iteration: int | str) -> Path:
        """File of this run's weights after an epoch, or `latest` or `best`."""
        return checkpoint.weights_path(self.folder, network_class(self.opt.net), iteration)

    def say(self, text: str) -> None:
        """Print a line, once for all processes."""
        if self.place.is_main:
            print(text, flush=True)

    # Training

    def prepare_training(self) -> None:
        """Make optimizer, loss scaler, weight average, and what shares gradients between processes."""
        opt = self.opt
        if opt.gradient_checkpointing:
            if not hasattr(self.network, "gradient_checkpointing"):
                raise UserError(f"--gradient_checkpointing: --net {opt.net} has no parts to compute again")
            self.network.gradient_checkpointing = True
        self.trained = self.trained_module()
        self.optimizer = torch.optim.AdamW(
            [parameter for parameter in self.trained.parameters() if parameter.requires_grad],
            lr=opt.lr,
            betas=(opt.beta1, opt.beta2),
            weight_decay=opt.weight_decay,
            fused=True,
        )
        self.scaler = torch.amp.GradScaler(
            self.place.device.type, init_scale=4096.0, enabled=opt.precision == "fp16"
        )
        if opt.ema_decay:
            self.ema = weight_average(self.network, opt.ema_decay)
        self.share_gradients()

    def share_gradients(self) -> None:
        """Let processes share gradients; again where the backward pass in which they do was left out."""
        opt, self.parallel = self.opt, self.trained
        if self.place.world > 1:
            # A network made for more frames leaves the parameters of the others without a gradient.
            most = self.network.arguments.get("num_frames", opt.frame_num)
            partial = opt.frame_num == 1 or most != opt.frame_num
            self.parallel = DistributedDataParallel(
                self.trained, gradient_as_bucket_view=True, find_unused_parameters=partial
            )

    def trained_module(self) -> nn.Module:
        """What training optimises and shares between processes: the network, or a module that holds it."""
        return self.network

    def update_averages(self) -> None:
        """After an optimizer step, let averages of the weights follow."""
        if self.ema:
            self.ema.update_parameters(self.network)

    def set_learning_rate(self, lr: float) -> None:
        """Learning rate of the steps to come."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr

    def set_input(self, sample: dict[str, Any]) -> None:
        """Take a training batch: frames on the scale of the ground truth, and the ground truth."""
        if "valid" in sample and not self.heeds_valid:
            unknown = f"--dataset_name {self.opt.dataset_name} has px whose truth is unknown"
            raise UserError(f"{unknown}, which --model {self.opt.model} would learn from")
        self.frames, self.given = self.shown(self.normalised(sample), sample)
        self.gt = sample["gt"].to(self.place.device, non_blocking=True)

    def begin_step(self, seed: int) -> None:
        """Draw what holds for a whole step, in all its passes and processes; `seed` is the same in each."""

    def forward(self) -> None:
        """Restore the batch of `set_input`."""
        self.output = self.parallel(self.frames, **self.given)

    def compute_loss(self) -> torch.Tensor:
        """What is minimised for the batch of `set_input` and `forward`; fills `losses`."""
        raise NotImplementedError

    def last_pass(self, is_last: bool) -> contextlib.AbstractContextManager:
        """Processes share their gradients in the last pass of a step only."""
        return contextlib.nullcontext() if is_last or self.place.world == 1 else self.parallel.no_sync()

    # Saving

    def check_weights(self) -> None:
        """Refuse to save weights that a step has spoilt: UserError, in all processes alike."""
        check_weights(self.trained)

    def save_weights(self, iteration: int | str) -> None:
        """Write `<Network>_model_<iteration>.pth`: the averaged weights where `--ema_decay` keeps them."""
        network = self.ema.module if self.ema else self.network
        path, made = self.checkpoint_path(iteration), provenance(self.opt, self.step)
        made |= {"strategy": self.opt.model, "protocol": dict(self.task.protocol)}
        made["data"] = {name: str(getattr(self.opt, name)) for name in ("dataset_name", *self.opt.of_data)}
        checkpoint.save_weights(path, network.state_dict(), self.network.arguments, made)

    def state(self) -> dict[str, Any]:
        """All that changes in training, for `train_state.pth`."""
        parts = {"network": self.network, "optimizer": self.optimizer, "scaler": self.scaler, "ema": self.ema}
        state = {name: part.state_dict() for name, part in parts.items() if part is not None}
        kept = {"arguments": self.network.arguments, "strategy": self.opt.model}
        return state | kept | {"protocol": dict(self.task.protocol)}

    def load_state(self, state: dict[str, Any], path: Path) -> None:
        """Go back to a state of `state()`; UserError if it belongs to another network, or is damaged."""
        if state.get("strategy", self.opt.model) != self.opt.model:
            raise UserError(f"{path} was written by --model {state['strategy']}, not {self.opt.model}")
        checkpoint.fit(self.network, weights_of(state, "network", path), path)
        if (self.ema is None) != ("ema" not in state):
            raise UserError(
                f"{path} was written with another --ema_decay: it cannot be resumed with this one"
            )
        load_optimizer(self.optimizer, state.get("optimizer"), path)
        load_scaler(self.scaler, state.get("scaler"), path)
        if self.ema is not None:
            checkpoint.fit(self.ema, weights_of(state, "ema", path), path)
