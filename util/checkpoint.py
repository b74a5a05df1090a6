"""Checkpoints: weights in the published layout with what rebuilds the network, and the state of a run."""

import os
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import nn

from util.errors import UserError
from util.files import write_atomically
from util.inert_pickle import DAMAGE
from util.published_checkpoint import WEIGHTS, read_published

# What PyTorch and pickle raise on damaged files.
UNREADABLE = (*DAMAGE, OSError)
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
        return torch.load(path, map_location="cpu", weights_only=True)
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
        UserError: it holds something else.
    """
    state = next((content[key] for key in STATE_KEYS if key in content), content)
    if (
        not isinstance(state, dict)
        or not state
        or not all(isinstance(value, torch.Tensor) for value in state.values())
    ):
        raise UserError(f"{path}: not a checkpoint: it has no state_dict of tensors")
    network = content.get("network")
    if network is not None and not (isinstance(network, dict) and isinstance(network.get("name"), str)):
        raise UserError(f"{path}: damaged: what should say which network it holds does not")
    return {name.removeprefix("module."): value for name, value in state.items()}, network


def fit(
    network: nn.Module, state: dict[str, torch.Tensor], path: str | Path, optional: Iterable[str] = ()
) -> list[str]:
    """Load a state dict strictly; only parameters whose names begin with one of `optional` may be missing.

    Buffers of published checkpoints that the network makes by itself, its `optional_buffers`, are passed
    over.

    Returns the names of those that were.

    Raises:
        UserError: names or shapes differ; the message shows some of them.
    """
    own = network.state_dict()
    passed_over = tuple(getattr(network, "optional_buffers", ()))
    state = {name: value for name, value in state.items() if not name.endswith(passed_over)}
    unexpected = [name for name in state if name not in own]
    lacking = [name for name in own if name not in state]
    missing = [name for name in lacking if not name.startswith(tuple(optional) or ("\0",))]
    shapes = [name for name in state if name in own and state[name].shape != own[name].shape]
    for names, what in ((unexpected, "holds unknown"), (missing, "lacks"), (shapes, "has other shapes of")):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            kind = type(network).__name__
            raise UserError(f"{path} does not fit this {kind}: it {what} {', '.join(names[:3])}{more}")
    network.load_state_dict(state, strict=False)
    return lacking
