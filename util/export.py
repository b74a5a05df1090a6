"""Writes weights as published programs load them: python -m util.export FILE --for selfhdr|bracketire."""

import util.starting  # noqa: F401 isort: skip
import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from util.checkpoint import load_weights, save
from util.door import run
from util.errors import UserError
from util.parser import Parser, positive


class Published(NamedTuple):
    """A published network: tensors and numbers that a file of it holds, and the program that loads it."""

    tensors: int
    numbers: int
    program: str


# BracketIRE specification, 3.6 (TMRNet, and SPyNet's two buffers of three numbers); SelfHDR specification, 7.
NETWORKS = {
    "tmrnet": (Published(679, 13_285_710, "bracketire"), Published(684, 13_581_198, "bracketire")),
    "ahdrnet": (Published(56, 1_241_507, "selfhdr"),),
    "fshdr": (Published(44, 1_833_603, "selfhdr"),),
    "hdr_transformer": (Published(408, 1_222_113, "selfhdr"),),
    "sctnet": (Published(476, 994_555, "selfhdr"),),
}
FILES = {"bracketire": "TMRNet", "selfhdr": "SelfHDR"}  # how names of files begin that --load_iter finds
PATCH = 128  # px, for which published files hold the masks of windows
OUTSIDE = -100.0  # what these add to logits between parts that rolling has brought together


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line.

    Raises:
        UserError: an unknown option, or a value that makes no sense.
    """
    parser = Parser(prog="python -m util.export", description=__doc__.splitlines()[0])
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="weights of a run, such as AHDRNet_model_150.pth"
    )
    parser.add_argument(
        "--for", dest="program", choices=FILES, required=True, help="program that is to load them"
    )
    parser.add_argument("--epoch", type=positive, help="its --load_iter; default: the number in FILE's name")
    parser.add_argument(
        "--out", type=Path, help="folder, its ckpt/<name>; default: exported/ beside FILE", metavar="FOLDER"
    )
    return parser.parse_strictly(arguments)


def main() -> None:
    options = parse()
    label = options.file.stem.rpartition("_")[2]
    epoch = options.epoch or (int(label) if label.isdecimal() else None)
    if epoch is None:
        raise UserError(f"{options.file}: no number in its name that --load_iter could find: say --epoch N")
    state = exported(options.file, options.program)
    folder = options.out or options.file.parent / "exported"
    path = folder / f"{FILES[options.program]}_model_{epoch}.pth"
    save(path, {"state_dict": state})
    print(f"written: {path}, {len(state)} tensors")


def exported(file: Path, program: str) -> dict[str, torch.Tensor]:
    """The state dict of a file of ours as a published program loads it, strictly.

    Raises:
        UserError: the file cannot be read, or does not hold a network of that program, of its size.
    """
    state, network = load_weights(file)
    if network is None:
        raise UserError(f"{file}: it does not say which network it holds: it is no file of this project")
    name, size = network["name"], (len(state), sum(value.numel() for value in state.values()))
    if size not in [known[:2] for known in NETWORKS.get(name, ()) if known.program == program]:
        known = ", ".join(name for name, sizes in NETWORKS.items() if sizes[0].program == program)
        held = f"a {name} of {size[0]} tensors with {size[1]:,} numbers"
        raise UserError(f"{file} holds {held}: {program} loads {known}, all with --size full")
    if program == "bracketire":
        return state
    if network.get("reference") != 1:
        raise UserError(f"{file}: it restores frame {network.get('reference', 0) + 1}, selfhdr's is frame 2")
    state = state if network.get("bgr") else in_reverse(state)
    return state | window_buffers(state)


def in_reverse(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same network for colours in reverse order, which published programs give it (SelfHDR, 1.1).

    Its first convolutions have 6 planes, linear and gamma-coded RGB; the last one makes RGB.
    """
    result = dict(state)
    for name, value in state.items():
        if value.ndim == 4 and value.shape[1] == 6:
            result[name] = value[:, [2, 1, 0, 5, 4, 3]]
        if value.ndim == 4 and value.shape[0] == 3:
            bias = f"{name.removesuffix('weight')}bias"
            result[name], result[bias] = value.flip(0), state[bias].flip(0)
    return result


def window_buffers(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Buffers of attention in windows that published files hold (SelfHDR specification, 7.3)."""
    table, buffers = "attn.relative_position_bias_table", {}
    for name, value in state.items():
        if name.endswith(table):
            block, side = name.removesuffix(table), (round(len(value) ** 0.5) + 1) // 2
            buffers[f"{block}attn.relative_position_index"] = relative_positions(side)
            if int(block.rstrip(".").rpartition(".")[2]) % 2:
                buffers[f"{block}attn_mask"] = shift_mask(PATCH, side)
    return buffers


def relative_positions(side: int) -> torch.Tensor:
    """Row of the bias table for each query and key of a window, int64 (side^2, side^2)."""
    place = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")).flatten(1)
    rows, columns = place[:, :, None] - place[:, None] + side - 1
    return rows * (2 * side - 1) + columns


def shift_mask(size: int, side: int) -> torch.Tensor:
    """What is added to the logits of windows of a rolled square, float32 (windows, side^2, side^2).

    Of `size` px, rolled by half a window: 0 between px that were neighbours before, OUTSIDE else.
    """
    bounds = torch.tensor([size - side, size - side // 2])
    part = torch.bucketize(torch.arange(size), bounds, right=True)
    count = size // side
    parts = (3 * part[:, None] + part).view(count, side, count, side).transpose(1, 2).reshape(-1, side**2)
    return torch.where(parts[:, :, None] == parts[:, None], 0.0, OUTSIDE)


if __name__ == "__main__":
    run(main)
