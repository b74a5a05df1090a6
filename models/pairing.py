"""Whether a training strategy and a network can do what a data set asks, known before data are read."""

import argparse
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from models.networks import network_class
from models.self_ensemble import check_views
from util.errors import UserError
from util.task import CARRIED, FRAME_PLANES, Task

if TYPE_CHECKING:
    from models.base_model import BaseModel


def check_pair(opt: argparse.Namespace, model: "BaseModel | type[BaseModel]", task: Task) -> None:
    """Raise a UserError if `--model` or `--net` cannot do the task."""
    model_scale = model.scale or task.scale or 1
    data = f"--dataset_name {opt.dataset_name}"
    if task.bracketed and not model.takes_brackets:
        raise UserError(f"--model {opt.model} restores bursts of one exposure, not those of {data}")
    if model.period and model.period != task.period:
        kind = "mosaics that repeat every {} x {} px".format(*model.period)
        raise UserError(f"--model {opt.model} restores {kind}, not those of {data}")
    if task.scale not in (None, model_scale):
        pair = f"--model {opt.model} enlarges by {model_scale}"
        raise UserError(f"{pair}, but the targets of {data} by {task.scale}")
    network = network_class(opt.net)
    if reason := refusal(network, model.as_seen_by(network, task._replace(scale=model_scale))):
        raise UserError(f"--net {opt.net} cannot restore {data}: {reason}")
    if not opt.is_train:
        check_views(opt, task, model_scale)


def check_protocol(
    opt: argparse.Namespace, made: Mapping[str, str], task: Task, path: str | Path, may_differ: bool
) -> list[str]:
    """How the protocol that weights in `path` were `made` with differs from that of the data.

    Raises:
        UserError: it does, and it must not.
    """
    found = []
    for name, value in {FRAME_PLANES: str(task.channels), **dict(task.protocol)}.items():
        if made.get(name, value) != value:
            data = f"--dataset_name {opt.dataset_name}"
            found.append(f"{path} was trained with {name} {made[name]}, {data} has {value}")
    if found and not may_differ:
        raise UserError(found[0] + ("" if opt.is_train else ": --any_protocol True takes it all the same"))
    return found


def refusal(network: type[nn.Module], task: Task) -> str | None:
    """Why a network cannot do a task, by what it says of itself (see models.networks); None if it can."""
    planes = getattr(network, "planes", None)
    if planes and task.channels not in planes:
        wanted = " or ".join(map(str, planes)) + (" plane" if planes == (1,) else " planes")
        return f"it takes frames of {wanted}, not {task.channels}"
    scales = getattr(network, "scales", None)
    if scales and task.scale not in scales:
        return f"it enlarges by {' or '.join(map(str, scales))}, not {task.scale}"
    usual = task.period if getattr(network, "trained", True) else (1, 1)  # a merge cannot learn another
    period = getattr(network, "period", usual)
    if period != task.period:
        wanted, found = ("{} x {} px".format(*size) for size in (period, task.period))
        return f"it takes planes whose arrangement repeats every {wanted}, not {found}"
    lacking = [name for name in _asked_for(network) if name not in task.carries]
    return f"it needs a {lacking[0]} with each sample, which these data have not" if lacking else None


def _asked_for(network: type[nn.Module]) -> list[str]:
    """What a sample must carry: keywords of `forward` that are among CARRIED and have no default."""
    keywords = inspect.signature(network.forward).parameters.values()
    return [key.name for key in keywords if key.name in CARRIED and key.default is inspect.Parameter.empty]
