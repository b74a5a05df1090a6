"""Architectures: tensors in, tensors out. One file per network, one function to make any of them.

A network is an `nn.Module` with keyword arguments and `forward(frames (N, T, C, H, W)) -> (N, C', sH, sW)`,
where frames are divided by their exposures and in rising order of them. Of the task's arguments
(`num_frames, in_channels, out_channels, scale, reference`: the number of the frame, from 0, that the result
shows; `bracketed`: whether frames differ in exposure; `mosaic`: whether four planes are an RGGB mosaic's) it
takes those that matter to it. It may have:

* `max_frames`: the largest T that it takes, if there is one;
* `exact_frames = True`: it takes neither more nor fewer frames than it was made for;
* `published_name`: what published files of its weights are called before `_model_<epoch>.pth`;
* `published_arguments`: dict of what published checkpoints, which do not say it, were made with, and
  `arguments_of(state) -> dict`: what the names and shapes of a state dict tell besides;
* `optional_buffers`: suffixes of names that published checkpoints hold and that are not read;
* `gradient_checkpointing`: attribute to set, so that training keeps less and computes it again;
* `works_by_strips = True`: without gradients it works whole frames off by strips, and needs no tiles;
* `needs`: tuple of the names in util.task.CARRIED without which it, as it was made, cannot restore;
* `is_global = True`: each px of the result depends on the whole frame, so that tiles are an approximation;
* `trained = False`: it has no parameters, so that it needs no checkpoint and cannot be trained;
* a keyword `exposure` of `forward`, and then of `whole_frame` too: it is given the exposures (N, T); and
  likewise keywords for what samples may carry (util.task.CARRIED): `noise_map`, `mask`, `gain`, `ratio`. With
  a default it is given what there is, without one it restores only data that carry it;
* `planes`, `scales`: tuples of the `in_channels` and `scale` that it can have, where not any;
* `period`: rows and columns after which the arrangement of its planes' px repeats, where it counts on one;
* a keyword `outputs` of `forward`: numbers of frames, for which it returns (N, len(outputs), C', sH, sW), the
  results after so many frames; `--model real` needs that;
* `sizes`: dict, preset name -> keyword arguments (`--size`); "full" is the published network;
* `pretrained_parts`: dict, part -> function from a published file's name of a parameter to ours; the part is
  a submodule of that name, or what `part(name)` returns: None, where the network was made without it;
* `settable`: names of arguments on which no weights depend: options may set them, to 0 too, for trained
  weights;
* `usual_tile`: px of a tile's sides where `--tile` does not tell;
* `compiled_parts`: tuple of the kinds of modules that `--compile` compiles one by one, where not the whole;
* `optional_keys`: prefixes of parameters that a checkpoint of a smaller task may lack;
* `whole_frame(frames) -> dict` of tensors (N, ..., H, W) that only the whole frame gives (optical flow);
  `forward` then takes them, cut to a tile, as keywords, together with `window=(top, left, H, W)`; with a
  keyword `tell` it calls that with the part of its work, 0 to 1, that is done;
* `halo(**context) -> int`: px around a tile that restoring it asks for, given what `whole_frame` says of the
  tile (nothing, where there is no `whole_frame`: the constant reach of the network).
"""

import difflib
import importlib
import inspect
import pkgutil
from typing import Any

from torch import nn

# These follow from model and data, not from options.
TASK_ARGUMENTS = ("num_frames", "in_channels", "out_channels", "scale", "reference", "bracketed", "mosaic")


def network_names() -> list[str]:
    """Names that `create_network` knows: the files of this package, each of which holds one. None is read."""
    return [module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg]


def _class_of(name: str) -> type[nn.Module]:
    """`hdr_transformer` -> class HDRTransformer of its file: the names agree but for case and '_'."""
    module = importlib.import_module(f"{__name__}.{name}")
    wanted = name.replace("_", "")
    return next(value for label, value in vars(module).items() if label.lower() == wanted)


def network_class(name: str) -> type[nn.Module]:
    """The class of a network's name.

    Raises:
        ValueError: no such network; the message names the nearest known ones.
    """
    names = network_names()
    if name not in names:
        near = difflib.get_close_matches(name, names) or names
        raise ValueError(f"unknown network '{name}'; known: {', '.join(near)}")
    return _class_of(name)


def network_options(name: str) -> dict[str, Any]:
    """Arguments of a network that a user may set, with their defaults (the published network's)."""
    parameters = inspect.signature(network_class(name)).parameters
    return {key: value.default for key, value in parameters.items() if key not in TASK_ARGUMENTS}


def needs_weights(name: str) -> bool:
    """Whether a network has parameters."""
    return getattr(network_class(name), "trained", True)


def takes(network: nn.Module | type[nn.Module], keyword: str) -> bool:
    """Whether the `forward` of a network has this keyword."""
    return keyword in inspect.signature(network.forward).parameters


def create_network(name: str, **arguments) -> nn.Module:
    """Build network `name`; `network.arguments` keeps its name and all its arguments for the checkpoint.

    Arguments of the task (`TASK_ARGUMENTS`) that it does not take are left out.

    Raises:
        ValueError: no such network, an argument that it does not take, or a value that it cannot be built
        with.
    """
    network_type = network_class(name)
    signature = inspect.signature(network_type)
    for key in set(arguments) - set(signature.parameters):
        if key not in TASK_ARGUMENTS:
            raise ValueError(f"network '{name}' takes no '{key}'; it takes {', '.join(signature.parameters)}")
        del arguments[key]
    bound = signature.bind(**arguments)
    bound.apply_defaults()
    network = network_type(**arguments)
    network.arguments = {"name": name, **bound.arguments}
    return network
