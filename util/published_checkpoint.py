"""Checkpoints that hold objects of other programs beside weights, as those of DeepRep and DBSR do."""

import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, ClassVar

import torch

from util.inert_pickle import PLAIN, InertUnpickler

WEIGHTS = "net"  # key of the state dict


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *_gradient: Any) -> torch.Tensor:
    return torch.empty(0, dtype=storage.dtype).set_(storage, offset, tuple(size), tuple(stride))


class _Unpickler(InertUnpickler):
    """Makes tensors of storages, which PyTorch reads."""

    constructors: ClassVar = PLAIN | {
        ("torch", "Size"): tuple,
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        ("torch._utils", "_rebuild_parameter"): lambda values, *_gradient: values,
    }


def _load(file: BinaryIO, **arguments: Any) -> Any:
    return _Unpickler(file, **arguments).load()


# In place of the module `pickle`: PyTorch calls these two names of it, in both of its file formats.
INERT_PICKLE = SimpleNamespace(__name__="inert_pickle", Unpickler=_Unpickler, load=_load)


def read_published(path: str | Path) -> dict[str, Any] | None:
    """What a checkpoint with a state dict `net` holds of tensors and plain values; None if it has no `net`.

    Entries with objects of other programs are left out, and a line on stderr says so; nothing of them runs
    (DeepRep specification, 2.7).

    Call it for files that `torch.load` refused with `weights_only` for what they hold. Raises what it
    raises.
    """
    content = torch.load(path, map_location="cpu", weights_only=False, pickle_module=INERT_PICKLE)
    if not (isinstance(content, dict) and isinstance(content.get(WEIGHTS), dict)):
        return None
    foreign = sorted(str(key) for key, value in content.items() if not _is_plain(value))
    if WEIGHTS in foreign:
        return None
    if foreign:
        text = f"{', '.join(foreign)}: objects of other programs, left out, not run"
        print(f"note: {path}: {text}", file=sys.stderr)
    return {key: value for key, value in content.items() if str(key) not in foreign}


def _is_plain(value: Any) -> bool:
    """Whether no inert object or class is in it."""
    if isinstance(value, Mapping):
        return all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(_is_plain, value))
    return isinstance(value, (bool, int, float, complex, str, bytes, type(None), torch.Tensor))
