"""Checkpoints: weights in the published layout with what rebuilds the network, and the state of a run."""

import os
import pickle
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import nn

from util.errors import UserError
from util.files import regular, write_atomically
from util.inert_pickle import DAMAGE
from util.published_checkpoint import WEIGHTS, read_published

# What PyTorch and pickle raise on damaged files.
UNREADABLE = (*DAMAGE, OSError)
INTEGERS = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, *INTEGERS)
STATE_KEYS = ("state_dict", "netG", WEIGHTS)  # ours, and published ones


def weights_path(folder: Path, network: type[nn.Module], iteration: int | str, role: str = "") -> Path:
    """`<Network><role>_model_<iteration>.pth` in the folder of a run."""
    return folder / f"{network.__name__}{role}_model_{iteration}.pth"


def save(path: Path, content: dict[str, Any], parents: bool = True) -> None:
    """Write a checkpoint beside its place and rename it into it, once it is on the disk.

    Raises:
        UserError: it cannot be written (disk full, ...); what stood there before is untouched. Without
            `parents` its folder must be there: a run whose folder was deleted does not go on in a new one.
    """
    with write_atomically(path, parents) as temporary, temporary.open("wb") as file:
        target = _Target(file)
        try:
            torch.save(content, target)
        except RuntimeError:
            if target.error is None:  # of something else, as when a loader's process dies meanwhile
                raise
            raise target.error from None
        file.flush()
        os.fsync(file.fileno())


class _Target:
    """A file for PyTorch's archive writer, which tells of a write that failed but not why."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.error, self.flush = file, None, file.flush

    def write(self, data: memoryview) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = error
            raise


def save_weights(
    path: Path,
    state: dict[str, torch.Tensor],
    arguments: dict[str, Any],
    made: Mapping[str, Any] | None = None,
) -> None:
    """Write a network's state dict on the CPU, contiguous, with the arguments that rebuild the network, and
    what it was `made` with (`util.provenance`); into a folder that is there.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    save(path, {"state_dict": state, "network": arguments, **(made or {})}, parents=False)


def load(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU; nothing but tensors and plain values is admitted.

    A published one with weights `net` may hold other objects: they are left out with a note, not run
    (`util.published_checkpoint`).

    Raises:
        UserError: missing, damaged, or holding anything else.
    """
    try:
        content = _read(path)
    except FileNotFoundError:
        raise UserError(f"no checkpoint {path}") from None
    except UNREADABLE as error:
        reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        raise UserError(f"{path}: damaged, or not a checkpoint of tensors{reason}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: not a checkpoint: it holds a {type(content).__name__}")
    return content


def _read(path: str | Path) -> Any:
    """What a file holds of tensors and plain values, or what PyTorch raises."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of kinds of tensors that are refused afterwards
            return torch.load(regular(path), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:  # damaged, or foreign classes
        content = read_published(path)
        if content is None:
            raise
        return content


def load_weights(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any] | None]:
    """State dict of a checkpoint, ours or a published one, and the network's arguments if it says them."""
    return weights_in(load(path), path)


def weights_in(
    content: dict[str, Any], path: str | Path
) -> tuple[dict[str, torch.Tensor], dict[str, Any] | None]:
    """The same of what `load` has read from `path`: a state dict, or one under `state_dict`, `netG` or `net`.

    Raises:
        UserError: it holds something else, or values that no training writes (`check_tensors`).
    """
    state = next((content[key] for key in STATE_KEYS if key in content), content)
    if not is_state_dict(state):
        raise UserError(f"{path}: not a checkpoint: it has no state_dict of tensors")
    network, protocol, step = content.get("network"), content.get("protocol", {}), content.get("step")
    if network is not None and not is_record(network):
        raise UserError(f"{path}: damaged: what should say which network it holds does not")
    if not isinstance(protocol, dict) or not (step is None or type(step) is int):
        raise UserError(f"{path}: damaged: what should say how it was trained does not")
    check_tensors(state, path)
    return {name.removeprefix("module."): value for name, value in state.items()}, network


def is_state_dict(value: object) -> bool:
    """Whether something read is a dict, not empty, of tensors by names."""
    return isinstance(value, dict) and bool(value) and all(map(_is_named_tensor, value.items()))


def _is_named_tensor(item: tuple[object, object]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], torch.Tensor)


def is_record(value: object) -> bool:
    """Whether something read is a record of a network: its name and arguments, by names."""
    is_named = isinstance(value, dict) and all(isinstance(key, str) for key in value)
    return is_named and isinstance(value.get("name"), str)


def check_tensors(content: object, path: str | Path, place: str = "") -> None:
    """Refuse what no training writes, in all tensors of nested dicts and lists.

    Admitted are dense real tensors on the CPU with memory of their own for each value, all of them finite in
    float32.

    Args:
        path: of the file, for the message. place: of `content` in it: names that are joined by dots.

    Raises:
        UserError: with the name of the tensor.
    """
    if isinstance(content, dict | list | tuple):
        items = content.items() if isinstance(content, dict) else enumerate(content)
        for key, value in items:
            check_tensors(value, path, f"{place}.{key}" if place else str(key))
    elif isinstance(content, torch.Tensor) and (fault := _fault(content)):
        raise UserError(f"{path}: damaged: {place} {fault}")


def _fault(tensor: torch.Tensor) -> str:
    """What is wrong with a tensor that was read; "" if nothing is."""
    if tensor.layout != torch.strided or tensor.is_nested or tensor.dtype not in DTYPES:
        return "is not a dense tensor of real numbers"
    if tensor.device.type != "cpu":
        return "has no values"
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return "has fewer values than its shape says"
    if not (tensor.is_floating_point() and tensor.numel()):
        return ""
    bounds = torch.aminmax(tensor.detach())
    most = torch.finfo(torch.float32).max
    return "" if -most <= bounds.min.item() <= bounds.max.item() <= most else "has values that are not finite"


def fit(
    network: nn.Module, state: dict[str, torch.Tensor], path: str | Path, optional: Iterable[str] = ()
) -> list[str]:
    """Load a state dict strictly; only parameters whose names begin with one of `optional` may be missing.

    Buffers of published checkpoints that the network makes by itself, its `optional_buffers`, are passed
    over.

    Returns the names of those that were.

    Raises:
        UserError: names, shapes or types differ; the message shows some of them.
    """
    own = network.state_dict()
    passed_over = tuple(getattr(network, "optional_buffers", ()))
    state = {name: value for name, value in state.items() if not name.endswith(passed_over)}
    unexpected = [name for name in state if name not in own]
    lacking = [name for name in own if name not in state]
    missing = [name for name in lacking if not name.startswith(tuple(optional) or ("\0",))]
    shared = [(name, state[name], own[name]) for name in state if name in own]
    shapes = [name for name, value, wanted in shared if value.shape != wanted.shape]
    types = [name for name, value, wanted in shared if _kind(value) != _kind(wanted)]
    for names, what in (
        (unexpected, "holds unknown"),
        (missing, "lacks"),
        (shapes, "has other shapes of"),
        (types, "has other types of"),
    ):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            kind = type(network).__name__
            raise UserError(f"{path} does not fit this {kind}: it {what} {', '.join(names[:3])}{more}")
    network.load_state_dict(state, strict=False)
    return lacking


def _kind(value: torch.Tensor) -> bool:
    """What PyTorch would convert without a word: numbers with a fraction from those without, or back."""
    return value.is_floating_point()
