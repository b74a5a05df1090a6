"""What restores a sample, by name: the trained network, and the simple results that it is compared with."""

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from models.base_model import BaseModel
from models.eld_model import EldModel
from models.networks.parts.spatially_varying import PERIOD
from models.restoring import Method
from models.sve_model import SveModel
from util.scores.baselines import BASELINES, bicubic, burst_average, reference_frame
from util.scores.denoised import non_local_means
from util.scores.guided_metrics import trust

MERGE, BURST_MERGE, ROW_MERGE = "exposure_merge", "burst_merge", "row_merge"
LEAST_READ_NOISE = 1e-10  # variance, where a noise map tells of none


def create_baselines(model: BaseModel) -> dict[str, Method]:
    """The simple results, the merge of exposures where it is not what is tested, and the colour component."""
    if not model.task.bracketed:
        return _of_bursts(model)
    if model.task.period == PERIOD:
        return _of_rows(model)
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
        methods["exposure merge"] = partial(_merge_of_known_noise, model)
    return methods


def _of_rows(model: BaseModel) -> dict[str, Method]:
    """Merges of the two exposures of one shot whose rows were exposed in turn (SVEHDRI specification, 8)."""
    methods: dict[str, Method] = {
        name: partial(_merge_of_trusted, _without_weights(ROW_MERGE, model, SveModel, edge_aware=edge_aware))
        for name, edge_aware in (("bilinear merge", False), ("edge-aware merge", True))
        if (model.opt.net, True) != (ROW_MERGE, edge_aware)
    }
    if model.opt.net != MERGE:
        methods["exposure merge"] = _without_weights(MERGE, model, SveModel)
    return methods


def _merge_of_trusted(merge: Method, frames: torch.Tensor, sample: Mapping[str, Any]) -> torch.Tensor:
    """The merge of a shot's rows by what is well exposed, also where its mask trusts all."""
    return merge(frames, {**sample, "mask": trust(frames, sample["exposure"], sample["mask"])})


def _merge_of_known_noise(model: BaseModel, frames: torch.Tensor, sample: Mapping[str, Any]) -> torch.Tensor:
    """The merge of frames (1, T, C, H, W) by the law of noise that the sample's `noise_map` follows."""
    shot, read = noise_law(frames, sample["noise_map"].to(frames))
    return _without_weights(MERGE, model, shot_noise=shot, read_noise=read)(frames, sample)


def noise_law(frames: torch.Tensor, noise_map: torch.Tensor) -> tuple[float, float]:
    """Shot and read noise of the variance shot max(y, 0) + read that a noise map of frames y follows best."""
    light = frames.clamp(min=0).double().flatten()
    variance = noise_map.expand_as(frames).double().flatten().square()
    known = torch.stack((light, torch.ones_like(light)), dim=1)
    shot, read = torch.linalg.lstsq(known, variance[:, None]).solution.flatten().tolist()
    return max(shot, 0.0), max(read, LEAST_READ_NOISE)


def _without_weights(
    net: str, model: BaseModel, strategy: type[BaseModel] = BaseModel, **arguments: float | bool
) -> Method:
    """A network without weights, for the task and the settings of a model, and arguments of its own."""
    settings = argparse.Namespace(**vars(model.opt) | {"net": net, "size": None} | arguments)
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
