"""Looks a data set over before it is trained on: a line per fault, and a summary.

    python -m data.check --dataset_name syn --dataroot DIR

Exit status: 0 = clean, 1 = there are faults, 2 = wrong options. What can be wrong is known to the checks of
a data set, class <Name>Check in data/checks/<name>_check.py; a subclass of a data set is checked as its
parent is.
"""

import util.starting  # noqa: F401 isort: skip
import argparse
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import cv2
from tqdm import tqdm

import data
from data import checks
from util import registry
from util.door import run
from util.errors import UserError
from util.parser import Parser, positive


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line.

    Raises:
        UserError: an unknown option, or a value that makes no sense.
    """
    parser = Parser(prog="python -m data.check", description=__doc__.splitlines()[0])
    parser.add_argument("--dataset_name", default="syn", help="data set: " + ", ".join(data.dataset_names()))
    parser.add_argument("--dataroot", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--min_samples", type=positive, default=1, help="samples that each scene should have")
    parser.add_argument("-j", "--workers", type=positive, default=4, help="samples looked at side by side")
    return parser.parse_strictly(arguments)


def check_of(name: str) -> tuple[type, type]:
    """The checks that apply to data set `name`, its own or an ancestor's, and its class.

    Raises:
        UserError: no such data set, or none of its ancestors has checks.
    """
    dataset = data.dataset_class(name)
    known = registry.names(checks, "check")
    for ancestor in dataset.__mro__:
        label = ancestor.__module__.rpartition(".")[2].removesuffix("_dataset")
        if label in known:
            return registry.find_class(checks, "check", label), dataset
    raise UserError(f"there are no checks for data set '{name}'; there are for: {', '.join(known)}")


def main() -> int:
    options = parse()
    checks, dataset = check_of(options.dataset_name)
    if not options.dataroot.is_dir():
        raise UserError(
            f"--dataroot {options.dataroot} is not a folder; expected there: {dataset.describe_layout()}"
        )
    check = checks(dataset, options.dataroot, options.min_samples)
    samples = check.samples()
    if not samples:
        raise UserError(f"{options.dataroot} holds no samples; expected: {dataset.describe_layout()}")
    cv2.setNumThreads(1)  # samples are looked at side by side already
    faulty, faults, notes = 0, 0, 0
    with ThreadPoolExecutor(options.workers) as pool, ExitStack() as ends:
        ends.callback(pool.shutdown, wait=False, cancel_futures=True)  # where an error or a signal ends this
        results = tqdm(pool.map(check.sample, samples), total=len(samples), unit="sample", disable=None)
        for findings in itertools.chain([list(check.layout())], results):
            for finding in findings:
                tqdm.write(f"{'fault' if finding.is_fault else 'note'}: {finding.path}: {finding.text}")
            found = sum(finding.is_fault for finding in findings)
            faults, notes, faulty = faults + found, notes + len(findings) - found, faulty + (found > 0)
    print(f"{len(samples)} samples: {faults} faults in {faulty} places, {notes} notes")
    return 1 if faults else 0


if __name__ == "__main__":
    run(main, "give fewer --workers", output_is_product=True)
