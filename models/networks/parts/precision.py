"""What must not be half precision, whatever `--precision` says."""

import torch


def full_precision(x: torch.Tensor) -> torch.autocast:
    """No autocast where `x` is; "meta" tensors, of which only the shape is looked at, know of none."""
    return torch.autocast("cpu" if x.is_meta else x.device.type, enabled=False)
