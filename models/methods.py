"""What restores a sample, by name: the trained network, and the simple results that it is compared with."""

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from models.base_model import BaseModel
from models.eld_model import EldModel
from models.restoring import Method
from util.scores.baselines import BASELINES, bicubic, burst_average, reference_frame
from util.scores.denoised import non_local_means

MERGE, BURST_MERGE = "exposure_merge", "burst_merge"


def create_baselines(model: BaseModel) -> dict[str, Method]:
    """The simple results, the merge of exposures where it is not what is tested, and the colour component."""
    if not model.task.bracketed:
        return _of_bursts(model)
    opt, scale = model.opt, model.scale
    simple = {name: partial(baseline, scale=scale) for name, baseline in BASELINES.items()}
    if reference := model.task.reference:
        simple["reference frame"] = partial(reference_frame, scale=scale, reference=reference)
    methods: dict[str, Method] = {name: partial(_of_exposures, baseline) for name, baseline in simple.items()}
    if opt.net != MERGE:
        strategy = EldModel if "ratio" in model.task.carries else BaseModel  # one pass, of dark frames too
        methods["exposure merge"] = _without_weights(MERGE, model, strategy)
    if {"gain", "ratio"} <= set(model.task.carries):
        methods["non-local means"] = lambda frames, sample: non_local_means(
            frames, sample["gain"], sample["ratio"]
        )
    methods["colour component"] = lambda _frames, sample: sample.get("color_label")
    return methods


def _of_bursts(model: BaseModel) -> dict[str, Method]:
    """The simple results of frames of one exposure: enlarged as camera RGB, or as they are."""
    methods: dict[str, Method] = {}
    if model.scale > 1:
        methods["single frame bicubic"] = lambda frames, _sample: bicubic(frames, model.scale)
        if model.opt.net != BURST_MERGE:
            methods["burst merge"] = _without_weights(BURST_MERGE, model)
        return methods
    methods["single frame"] = lambda frames, _sample: frames[:, model.task.reference or 0]
    methods["burst average"] = lambda frames, _sample: burst_average(frames)
    if model.opt.net != MERGE:
        methods["exposure merge"] = _without_weights(MERGE, model)
    return methods


def _without_weights(net: str, model: BaseModel, strategy: type[BaseModel] = BaseModel) -> Method:
    """A network without weights, for the task and the settings of a model."""
    settings = argparse.Namespace(**vars(model.opt) | {"net": net, "size": None})
    other = strategy(settings, model.place, model.task)
    other.scale = model.scale
    other.build()
    return other.restore


def _of_exposures(
    baseline: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    frames: torch.Tensor,
    sample: Mapping[str, Any],
) -> torch.Tensor:
    return baseline(frames, sample["exposure"])
