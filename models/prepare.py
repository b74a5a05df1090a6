"""Aligns and merges training patches once, for networks that start from there.

    python -m models.prepare --dataset_name brackets --samples 2000 --out DIR --dataroot DIR

What a network makes of frames before it learns (its `aligned`) takes longer than a step of its training.
Here it is computed for random patches of a data set, in several processes (-j), and kept: `train.py
--dataset_name prepared --prepared DIR` crops and flips them. The same command goes on where it was stopped;
samples that were made of other data, options or code are made anew.
"""

import util.starting  # noqa: F401 isort: skip
import argparse
import hashlib
import inspect
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

import data
from data.base_dataset import BaseDataset
from data.draws import Draw
from data.prepared_dataset import RECORD, sample_file, write_sample
from models.network_arguments import network_arguments
from models.networks import create_network, network_class
from models.networks.merge_unet import RGGB
from options.train_options import TrainOptions
from util.door import run
from util.errors import UserError
from util.files import remove_partial, write_atomically
from util.json_record import as_json, read_json
from util.locks import locked
from util.parser import Parser, positive
from util.stop import StopRequest
from util.workers import do_all

SIDE = 112  # px: a patch of 64 px lies in it in some 2400 places


class PrepareOptions(TrainOptions):
    """Options of training, of which data set, network and seed count, and what is made."""

    def add_options(self, parser: Parser) -> None:
        super().add_options(parser)
        group = parser.add_argument_group("preparation")
        group.add_argument("--out", type=Path, required=True, help="folder for the samples")
        group.add_argument("--samples", type=positive, default=2000, help="patches to prepare")
        parser.set_defaults(patch_size=SIDE)

    def parse(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        opt = super().parse(arguments)
        if "augment" in opt:
            opt.augment = "none"  # samples are flipped where they are read
        return opt


def main() -> None:
    opt = PrepareOptions().parse()
    if not hasattr(network_class(opt.net), "aligned"):
        raise UserError(f"--net {opt.net} prepares nothing")
    stop = StopRequest()
    dataset = data.create_dataset(opt, "train")
    facts = {"samples": opt.samples, "side": opt.patch_size, "made_of": made_of(opt, dataset)}
    facts["protocol"] = dict(dataset.task.protocol)
    with locked(opt.out, "wait until it has ended, or give another folder to --out"):
        remove_partial(opt.out, depth=1)
        done, missing = prepare_all(opt, facts, stop)
    print(f"{opt.out}: {done} samples prepared now, {opt.samples - missing} of {opt.samples} in all")
    if stop:
        raise stop.stopped("the same command goes on")


def prepare_all(opt: argparse.Namespace, facts: dict, stop: StopRequest) -> tuple[int, int]:
    """Prepare the samples that are not yet, or no longer; returns how many that were, and are missing."""
    if not _still_valid(opt.out, facts):
        for number in range(opt.samples):  # before the record says that they are of now
            sample_file(opt.out, number).unlink(missing_ok=True)
    numbers = [number for number in range(opt.samples) if not sample_file(opt.out, number).exists()]
    todo = [(tuple(sys.argv[1:]), number) for number in numbers]
    _write_record(opt.out, facts, opt.samples - len(todo))
    results = do_all(prepare_sample, todo, max(opt.workers, 1), stop.__bool__)
    done = sum(1 for _ in tqdm(results, str(opt.out), len(todo), unit="sample", disable=None))
    _write_record(opt.out, facts, opt.samples - len(todo) + done)
    return done, len(todo) - done


def made_of(opt: argparse.Namespace, dataset: BaseDataset) -> str:
    """A digest of all that prepared samples depend on: options, files, and the code that makes them."""
    digest = hashlib.sha256()
    names = ("dataset_name", "net", "seed", "patch_size", "frame_num", *opt.of_data)
    digest.update(repr([(name, str(getattr(opt, name))) for name in names]).encode())
    digest.update(repr(sorted(network_arguments(opt, {}).items())).encode())
    roots = [Path(opt.dataroot), *(getattr(opt, "source", None) or [])]
    files = {file for root in roots for file in (root, *root.rglob("*")) if file.is_file()}
    for file in sorted(file for file in files if opt.out.resolve() not in file.resolve().parents):
        facts = file.stat()
        digest.update(f"{file} {facts.st_size} {facts.st_mtime_ns}".encode())
    for kind in type(dataset).__mro__[:-1]:
        digest.update(Path(inspect.getfile(kind)).read_bytes())
    for name, module in sorted(sys.modules.items()):
        if name.startswith(("models.networks.", "data.simulate.")):
            digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()


def _still_valid(folder: Path, facts: dict) -> bool:
    """Whether samples in a folder were made of the same; others are told of."""
    path = folder / RECORD
    if not path.exists():
        return False
    found = read_json(path, "remove it")
    if isinstance(found, dict) and found.get("made_of") == facts["made_of"]:
        return True
    print(f"note: {folder}: its samples were made of other data, options or code: made anew", file=sys.stderr)
    return False


def _write_record(folder: Path, facts: dict, made: int) -> None:
    with write_atomically(folder / RECORD) as temporary:
        temporary.write_text(as_json(facts | {"made": made}, indent=1))


@cache
def _opened(words: tuple[str, ...]) -> tuple[argparse.Namespace, BaseDataset]:
    """The options of a command line and their data set, once in each process."""
    opt = PrepareOptions().parse(words)
    return opt, data.create_dataset(opt, "train")


@cache
def _network(words: tuple[str, ...], reference: int) -> nn.Module:
    opt, _ = _opened(words)
    return create_network(opt.net, **network_arguments(opt, {"reference": reference}))


def prepare_sample(job: tuple[tuple[str, ...], int]) -> None:
    """Write the sample of a number, for the words of a command line.

    Raises:
        UserError: data cannot be read, or the sample cannot be written.
    """
    words, number = job
    opt, dataset = _opened(words)
    sample = dataset.patch(Draw(number % len(dataset), opt.seed, 1, number, number))
    frames, exposure = torch.from_numpy(sample["frames"]), torch.from_numpy(sample["exposure"])
    network = _network(words, sample.get("reference", dataset.task.reference))
    parts = network.aligned(frames[None] / exposure[:, None, None, None], exposure[None])
    kept = {name: part[0].numpy() for name, part in parts._asdict().items()}
    kept["exposure"] = network.exposures_of(exposure).numpy()
    kept["frames"] = kept["frames"] * kept["exposure"][:, None, None, None]  # measured values again
    kept["gt"] = sample["gt"] if len(sample["gt"]) == 4 else sample["gt"][list(RGGB)]
    write_sample(sample_file(opt.out, number), kept, is_mosaic=frames.shape[1] == 4)


if __name__ == "__main__":
    run(main)
