"""What restores a sample, by name: the trained network, and the simple results that it is compared with."""

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from models.base_model import BaseModel
from models.eld_model import EldModel
from models.restoring import Method
from util.scores.baselines import BASELINES, reference_frame
from util.scores.denoised import non_local_means

MERGE = "exposure_merge"


def create_baselines(model: BaseModel) -> dict[str, Method]:
    """The simple results, the merge of exposures where it is not what is tested, and the colour component."""
    opt, scale = model.opt, model.scale
    simple = {name: partial(baseline, scale=scale) for name, baseline in BASELINES.items()}
    if reference := model.task.reference:
        simple["reference frame"] = partial(reference_frame, scale=scale, reference=reference)
    methods: dict[str, Method] = {name: partial(_of_exposures, baseline) for name, baseline in simple.items()}
    if opt.net != MERGE:
        settings = argparse.Namespace(**vars(opt) | {"net": MERGE, "size": None})
        strategy = EldModel if "ratio" in model.task.carries else BaseModel  # one pass, of dark frames too
        merge = strategy(settings, model.place, model.task)
        merge.scale = scale
        merge.build()
        methods["exposure merge"] = merge.restore
    if {"gain", "ratio"} <= set(model.task.carries):
        methods["non-local means"] = lambda frames, sample: non_local_means(
            frames, sample["gain"], sample["ratio"]
        )
    methods["colour component"] = lambda _frames, sample: sample.get("color_label")
    return methods


def _of_exposures(
    baseline: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    frames: torch.Tensor,
    sample: Mapping[str, Any],
) -> torch.Tensor:
    return baseline(frames, sample["exposure"])
