"""Going back to the saved state of an optimizer and a loss scaler: PyTorch takes nearly anything for one."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from util.checkpoint import is_state_dict
from util.errors import UserError

NEEDED = {"params", "lr", "betas", "eps", "weight_decay"}  # of what a group of parameters has set
SCALER = {"scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker"}

LARGEST_WEIGHT = 1e6  # of a network that restores anything: those of trained ones are below 100


def check_weights(module: torch.nn.Module) -> None:
    """Refuse to save weights that a step has spoilt.

    Raises:
        UserError: they are not finite, or beyond all use.
    """
    weights = [parameter.detach() for parameter in module.parameters()]
    largest = float(torch.nn.utils.get_total_norm(weights, math.inf))
    if not largest <= LARGEST_WEIGHT:
        raise UserError(f"weights of up to {largest:g} after a step: they are not saved; lower --lr")


def as_checkpoint(state: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The network in a state that was read from `path`, as a checkpoint of it would hold it.

    Raises:
        UserError: the state does not tell which network it is of.
    """
    if state.get("arguments") is None:
        raise UserError(f"{path}: damaged: it does not tell which network it is of")
    return {**state, "state_dict": weights_of(state, "network", path), "network": state["arguments"]}


def weights_of(state: Mapping[str, Any], name: str, path: Path) -> dict[str, torch.Tensor]:
    """The state dict of the network, or of an average of it, in a state that was read from `path`.

    Raises:
        UserError: there is none.
    """
    if not is_state_dict(state.get(name)):
        raise UserError(f"{path}: damaged: it has no tensors of its {name}")
    return state[name]


def load_optimizer(optimizer: torch.optim.AdamW, state: object, path: Path) -> None:
    """Go back to a state dict of an AdamW of the same parameters, as it was read from `path`.

    Raises:
        UserError: it is another; what is missing, or of another shape than its parameter, is told.
    """
    where = f"{path}: damaged: its optimizer"
    groups = state.get("param_groups") if isinstance(state, dict) else None
    if not (isinstance(groups, list) and isinstance(state.get("state"), dict)):
        raise UserError(f"{where} has no state or no groups of parameters")
    own = optimizer.state_dict()["param_groups"]
    if [group.get("params") if isinstance(group, dict) else None for group in groups] != [
        group["params"] for group in own
    ]:
        raise UserError(f"{where} is of other parameters")
    for group, wanted in zip(groups, own, strict=True):
        _check_settings(group, wanted, where)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, parts in state["state"].items():
        if number not in range(len(parameters)):
            raise UserError(f"{where} is of other parameters")
        _check_parts(parts, parameters[number], f"{where}, parameter {number}:")
    optimizer.load_state_dict(state)


def _check_settings(group: dict[str, Any], wanted: dict[str, Any], where: str) -> None:
    """Refuse a group of parameters without what steps read, or with what they could not use."""
    if lacking := sorted(NEEDED - group.keys()):
        raise UserError(f"{where} lacks {lacking[0]}")
    for name, value in group.items():
        if name in wanted and name != "params" and not _is_like(value, wanted[name]):
            raise UserError(f"{where} has {name} {str(value)[:40]}")


def _is_like(value: object, wanted: object) -> bool:
    """Whether a value can stand for `wanted`: a switch, a number from 0 on, or several below 1."""
    if isinstance(wanted, bool | None):
        return isinstance(value, bool | None)
    if isinstance(wanted, Sequence):
        are_as_many = isinstance(value, Sequence) and len(value) == len(wanted)
        return are_as_many and all(_is_amount(part) and part < 1 for part in value)
    return _is_amount(value)


def _is_amount(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value < math.inf


def _check_parts(parts: object, parameter: torch.Tensor, where: str) -> None:
    """Refuse what AdamW would broadcast in its steps, or take the root of."""
    for name, shape in (("step", ()), ("exp_avg", parameter.shape), ("exp_avg_sq", parameter.shape)):
        part = parts.get(name) if isinstance(parts, dict) else None
        if not isinstance(part, torch.Tensor):
            raise UserError(f"{where} it lacks {name}")
        if part.shape != shape or not part.is_floating_point():
            raise UserError(f"{where} its {name} has another shape or type")
        if name != "exp_avg" and (part < 0).any():
            raise UserError(f"{where} its {name} is below 0")


def load_scaler(scaler: torch.amp.GradScaler, state: object, path: Path) -> None:
    """Go back to a state dict of a loss scaler, which is empty where none was needed.

    Raises:
        UserError: it is none, or one is needed and was not.
    """
    if scaler.is_enabled() and state == {}:
        raise UserError(f"{path} was not written with --precision fp16: resume with the former")
    if not isinstance(state, dict) or (state and SCALER - state.keys()):
        raise UserError(f"{path}: damaged: its loss scaler has no state")
    for name in SCALER & state.keys():
        if not _is_amount(state[name]) or (not state[name] and name != "_growth_tracker"):
            raise UserError(f"{path}: damaged: its loss scaler has {name} {str(state[name])[:40]}")
    scaler.load_state_dict(state)
