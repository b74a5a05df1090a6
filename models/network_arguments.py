"""Which network a run has: the one of its checkpoint, or that of the preset and the options."""

import argparse
import inspect
import sys
from pathlib import Path
from typing import Any

import torch

from models.networks import network_class, network_options
from util.errors import UserError

ANY_FRAMES = "--net exposure_merge takes any"


def network_arguments(opt: argparse.Namespace, task: dict[str, int]) -> dict[str, Any]:
    """Arguments of a new `--net`: the task's, `--frame_num`, and those of `--size` and options.

    `task` holds in_channels, out_channels and scale, and reference where the data have one.
    """
    return {"num_frames": opt.frame_num, **task, **_asked(opt)}


def arguments_of_checkpoint(
    opt: argparse.Namespace, task: dict[str, int], path: str | Path, held: dict[str, Any]
) -> dict[str, Any]:
    """Arguments of the network in checkpoint `path`, of which `held` is known, for this task.

    Raises:
        UserError: it is another network, or one for other frames, than the options and the data ask for.
    """
    if held["name"] != opt.net:
        raise UserError(f"{path} holds a {held['name']}, not the --net {opt.net}")
    channels, planes = task["in_channels"], held.get("in_channels", task["in_channels"])
    if planes != channels:
        found = f"--dataset_name {opt.dataset_name} gives {channels}"
        advice = f"--colors {'grayscale' if planes == 1 else 'color'}" if "colors" in opt else ANY_FRAMES
        raise UserError(f"{path} is for {planes} planes per frame, {found}: {advice}")
    most = held.get("num_frames", opt.frame_num)
    if most < opt.frame_num:
        wanted = f"not {opt.frame_num}: --frame_num {most}, or {ANY_FRAMES}"
        raise UserError(f"{path} holds a network for {most} frames, {wanted}")
    shown = held.get("reference", 0)
    takes_reference = "reference" in inspect.signature(network_class(opt.net)).parameters
    if takes_reference and task.get("reference", shown) != shown:
        wanted = f"--dataset_name {opt.dataset_name} asks for frame {task['reference'] + 1}"
        raise UserError(f"{path} holds a network that restores frame {shown + 1}, {wanted}: {ANY_FRAMES}")
    asked, settable = _asked(opt), getattr(network_class(opt.net), "settable", ())
    for key, value in asked.items():
        if held.get(key) != value and key not in settable:
            has = f"{path} holds a {held['name']} with {key} {held.get(key)}"
            raise UserError(f"{has}, not {value} as the options ask")
    set_now = {key: value for key, value in asked.items() if key in settable}
    return {key: value for key, value in held.items() if key != "name"} | set_now | task


def held_by_published(opt: argparse.Namespace, state: dict[str, torch.Tensor]) -> dict[str, Any]:
    """What a checkpoint without a record is taken for: the options' network, made as the published one.

    What its names and shapes tell counts: options that say otherwise are taken out of `opt`, with a note.
    """
    network = network_class(opt.net)
    held = {"num_frames": opt.frame_num} | getattr(network, "published_arguments", {})
    told = getattr(network, "arguments_of", lambda _: {})(state)
    for key, value in told.items():
        if getattr(opt, key, None) not in (None, value):
            print(
                f"note: --{key} {getattr(opt, key)}: the weights have {value}, which counts", file=sys.stderr
            )
            setattr(opt, key, None)
    return {"name": opt.net, **held, **told, **_asked(opt)}


def _asked(opt: argparse.Namespace) -> dict[str, Any]:
    """What `--size` and the network's own options say."""
    presets = getattr(network_class(opt.net), "sizes", {"full": {}})
    if (opt.size or "full") not in presets:
        raise UserError(f"--net {opt.net} has no --size {opt.size}; known: {', '.join(presets)}")
    explicit = {key: getattr(opt, key, None) for key in network_options(opt.net)}
    preset = presets[opt.size] if opt.size else {}
    return preset | {key: value for key, value in explicit.items() if value is not None}
