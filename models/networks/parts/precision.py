"""What must not be half precision, whatever `--precision` says."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.backends import cudnn


@contextmanager
def full_precision(x: torch.Tensor) -> Iterator[None]:
    """Neither autocast nor TF32 where `x` is; "meta" tensors, which are shapes alone, know of none."""
    usual = {"enabled": cudnn.enabled, "benchmark": cudnn.benchmark, "deterministic": cudnn.deterministic}
    kind = "cpu" if x.is_meta else x.device.type
    with torch.autocast(kind, enabled=False), cudnn.flags(**usual, allow_tf32=False):
        yield
