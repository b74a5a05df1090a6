"""Which network a run has: the one of its checkpoint, or that of the preset and the options."""

import argparse
import inspect
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as hooks

from models.networks import TASK_ARGUMENTS, create_network, network_class, network_options
from util.errors import UserError

ANY_FRAMES = "--net exposure_merge takes any"
LARGEST = 4096  # width, depth or other number of a network: published ones have 512 at most
SMALLEST = 256  # values whose memory is that of a parameter's objects


def build_network(
    opt: argparse.Namespace,
    task: dict[str, int],
    path: str | Path | None = None,
    state: dict[str, torch.Tensor] | None = None,
    saved: dict[str, Any] | None = None,
) -> nn.Module:
    """Make `--net` for a task (`network_arguments`), without loading weights; an absurd one ends in time.

    Args:
        path: checkpoint that the network is to be that of. state, saved: what it holds: the state dict, and
            the record of the network, if there is one.

    Raises:
        UserError: as `arguments_of_checkpoint`; it cannot be built, or is too large.
    """
    if path:
        held = saved or held_by_published(opt, state)
        arguments = arguments_of_checkpoint(opt, task, path, held)
    else:
        arguments = network_arguments(opt, task)
    origin = f"{path}: its network" if saved else f"--net {opt.net}"
    for key, value in arguments.items():
        if any(number > LARGEST for number in _numbers(value)):
            raise UserError(f"{origin} has {key} {str(value)[:40]}: {LARGEST} is the largest that is built")
    if state is None:
        most, held = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4, "memory holds"
    else:  # they may lack parts, which are then drawn
        numbers = sum(value.numel() for value in state.values())
        most, held = 2 * numbers + 2**24, f"go with its weights, which are {numbers:,}"
    try:
        if _is_large(opt.net, arguments):
            with torch.device("meta"), _limited(most, f"{origin} would have more parameters than {held}"):
                create_network(opt.net, **arguments)
        return create_network(opt.net, **arguments)
    except (ValueError, TypeError, RuntimeError) as error:  # the last of tensors beyond all memory
        raise UserError(f"{origin} cannot be built for --model {opt.model}: {error}") from None


def _is_large(name: str, arguments: dict[str, Any]) -> bool:
    """Whether a number in the arguments is above that of the published network."""
    parameters = inspect.signature(network_class(name)).parameters
    published = {key: max(_numbers(value.default), default=0) for key, value in parameters.items()}
    return any(
        number > published.get(key, number) for key in arguments for number in _numbers(arguments[key])
    )


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
        UserError: it is another network, or one for other frames, than the options and the data ask for;
            what is known of it is damaged.
    """
    for key in TASK_ARGUMENTS:
        if key in held and (not isinstance(held[key], int) or held[key] < 0):
            raise UserError(f"{path}: damaged: its network has {key} {held[key]!r}")
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


def _numbers(value: object) -> list[float]:
    """The numbers in an argument, which may be a list."""
    parts = value if isinstance(value, list | tuple) else [value]
    return [part for part in parts if isinstance(part, int | float)]


@contextmanager
def _limited(most: int, message: str) -> Iterator[None]:
    """UserError once modules made in this context have more than `most` values."""
    count = 0

    def add(_module: nn.Module, _name: str, parameter: nn.Parameter | None) -> None:
        nonlocal count
        count += 0 if parameter is None else max(parameter.numel(), SMALLEST)
        if count > most:
            raise UserError(message)

    hook = hooks.register_module_parameter_registration_hook(add)
    try:
        yield
    finally:
        hook.remove()


def _asked(opt: argparse.Namespace) -> dict[str, Any]:
    """What `--size` and the network's own options say."""
    presets = getattr(network_class(opt.net), "sizes", {"full": {}})
    if (opt.size or "full") not in presets:
        raise UserError(f"--net {opt.net} has no --size {opt.size}; known: {', '.join(presets)}")
    explicit = {key: getattr(opt, key, None) for key in network_options(opt.net)}
    preset = presets[opt.size] if opt.size else {}
    return preset | {key: value for key, value in explicit.items() if value is not None}
