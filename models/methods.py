"""What restores a sample, by name: the trained network, and the simple results that it is compared with."""

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from models import create_model
from models.base_model import BaseModel
from util.scores.baselines import BASELINES, reference_frame

MERGE = "exposure_merge"
# From normalised frames (1, T, C, H, W) and the sample that they came with to an image (1, C', sH, sW); None
# where the sample does not have what it takes.
Method = Callable[[torch.Tensor, Mapping[str, Any]], torch.Tensor | None]


def create_baselines(model: BaseModel) -> dict[str, Method]:
    """The simple results, the merge of exposures where it is not what is tested, and the colour component."""
    opt, scale = model.opt, model.scale
    simple = {name: partial(baseline, scale=scale) for name, baseline in BASELINES.items()}
    if reference := model.task.reference:
        simple["reference frame"] = partial(reference_frame, scale=scale, reference=reference)
    methods: dict[str, Method] = {name: partial(_of_exposures, baseline) for name, baseline in simple.items()}
    if opt.net != MERGE:
        settings = argparse.Namespace(**vars(opt) | {"net": MERGE, "size": None})
        merge = create_model(settings, model.place, model.task)
        merge.build()
        methods["exposure merge"] = merge.restore
    methods["colour component"] = lambda _frames, sample: sample.get("color_label")
    return methods


def _of_exposures(
    baseline: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    frames: torch.Tensor,
    sample: Mapping[str, Any],
) -> torch.Tensor:
    return baseline(frames, sample["exposure"])
