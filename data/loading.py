"""The loader that feeds samples to training and testing."""

import argparse
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from data import create_dataset
from data.base_dataset import BaseDataset
from data.draws import EpochBatches
from util.device import keep_memory
from util.errors import ResourceError, UserError
from util.stop import deferred, leave_to_parent

OF_BURSTS = ("linear14", "display", "aligned")  # scores whose borders are in px of the ground truth
SSIM_SIDE = 11  # px of its window


class _ErrorsAsValues(Dataset):
    """Hands a `UserError` of a sample on as a value, so that it leaves a worker process as it is."""

    def __init__(self, dataset: BaseDataset) -> None:
        self.dataset, self.opt = dataset, dataset.opt
        self.border, self.scores = dataset.border, dataset.scores

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key) -> dict | UserError:
        try:
            return self.dataset[key]
        except UserError as error:
            return error


def _collate(samples: list) -> dict | list[UserError]:
    errors = [sample for sample in samples if isinstance(sample, UserError)]
    if errors:
        return errors
    if len(samples) == 1 and "scene" in samples[0]:  # a whole frame: not copied
        return _batch_of_one(samples[0])
    batch = default_collate(samples)
    # A worker stacks into contiguous memory, the main process keeps the samples' order of axes, and by that
    # order convolutions round differently: results must not depend on the number of workers.
    return {key: value.contiguous() if torch.is_tensor(value) else value for key, value in batch.items()}


def _batch_of_one(value: Any) -> Any:
    """What `default_collate` makes of one sample, without copying its tensors."""
    if isinstance(value, dict):
        return {key: _batch_of_one(part) for key, part in value.items()}
    return value[None] if torch.is_tensor(value) else [value]


def _prepare_worker(_worker: int) -> None:
    leave_to_parent()
    torch.set_num_threads(1)
    keep_memory()


def create_loader(
    dataset: BaseDataset, opt: argparse.Namespace, batches: EpochBatches | None = None
) -> DataLoader:
    """Loader of a training data set by its batches, or of a validation or test set sample by sample.

    Raises:
        UserError: training samples differ in what batches must have alike.
    """
    if batches and dataset.differ:
        made = "differ in their number of frames: prepare them by python -m models.prepare"
        raise UserError(f"--dataset_name {opt.dataset_name}: samples {made}, and train on prepared")
    return DataLoader(
        _ErrorsAsValues(dataset),
        batch_sampler=batches,
        num_workers=opt.workers if batches else min(opt.workers, len(dataset)),
        collate_fn=_collate,
        worker_init_fn=_prepare_worker,
        pin_memory=torch.cuda.is_available() and opt.gpu_ids != "-1",
        persistent_workers=opt.workers > 0 and batches is not None,
        prefetch_factor=4 if opt.workers > 0 and batches is not None else None,
    )


def create_validation_loader(opt: argparse.Namespace) -> DataLoader:
    """Loader of the validation set, whose first sample is tried now: a lack is not to show after an epoch."""
    dataset = create_dataset(opt, "val")
    side = min(ground_truth(first := dataset[0]).shape[-2:]) - 2 * dataset.border
    if side < SSIM_SIDE and dataset.scores in OF_BURSTS:
        advice = "give a larger --patch_size, or --val_freq 0"
        raise UserError(f"validation: without its border {first['name']} is too small to be scored: {advice}")
    return create_loader(dataset, opt)


def ground_truth(sample: dict) -> torch.Tensor:
    """What a validation sample is compared with; UserError if it has none."""
    if "gt" not in sample:
        name = sample["name"] if isinstance(sample["name"], str) else sample["name"][0]
        raise UserError(f"sample {name} has no ground truth to validate with; --val_freq 0 goes without")
    return sample["gt"]


def samples(loader: DataLoader, device: torch.device | None = None) -> Iterator[dict]:
    """The batches of a loader; those of training are finished on the `device` that trains.

    Raises:
        UserError: a sample is damaged; the message names its file.
        ResourceError: a worker process was killed.
    """
    with deferred():  # in the workers that begin here
        batches = iter(loader)
    while (batch := _next(batches)) is not None:
        if isinstance(batch, list):
            raise batch[0]
        yield loader.dataset.dataset.finish(batch, device) if device else batch


class _Deaths:
    """Lets PyTorch tell of the death of a worker only where a batch is waited for.

    Its handler of SIGCHLD raises an error wherever the main process is, with a step or a file half made.
    """

    def __init__(self) -> None:
        self.tell: Callable[..., None] | None = None  # PyTorch's handler
        self.is_told, self.is_due = False, False

    @contextmanager
    def told(self) -> Iterator[None]:
        """A context in which a death that was, or will be, is an error."""
        self._replace_handler()
        self.is_told = True
        try:
            if self.is_due:
                self.is_due = False
                self.tell(signal.SIGCHLD, None)
            yield
        finally:
            self.is_told = False

    def ask(self) -> None:
        """Raise PyTorch's error if a worker is dead, or is so within a second: its connections end before."""
        for _ in range(10 if self.tell else 0):
            self.tell(signal.SIGCHLD, None)
            time.sleep(0.1)

    def _replace_handler(self) -> None:
        handler = signal.getsignal(signal.SIGCHLD)
        if callable(handler) and handler != self._receive:
            self.tell = handler
            signal.signal(signal.SIGCHLD, self._receive)

    def _receive(self, number: int, frame: object) -> None:
        self.is_due = not self.is_told
        if self.is_told:
            self.tell(number, frame)


_DEATHS = _Deaths()


def _received(batches: Iterator) -> dict | list | None:
    """The next batch, None after the last one; a lost connection is told as a death if a worker is dead."""
    try:
        return next(batches, None)
    except (ConnectionError, EOFError):  # from a worker that died while it handed over a batch, or from data
        _DEATHS.ask()
        raise


def _next(batches: Iterator) -> dict | list | None:
    """The next batch, None after the last one."""
    try:
        with _DEATHS.told():
            return _received(batches)
    except RuntimeError as error:
        if str(error).startswith("Too many open files"):
            raise ResourceError("too many open files: give fewer --workers, or raise ulimit -n") from None
        if not str(error).startswith("DataLoader worker (pid"):
            raise
        cause = str(error).partition("killed by signal: ")[2].partition(".")[0]
        what = f"a process that loads samples was killed{cause and f' ({cause})'}, perhaps for memory"
        raise ResourceError(f"{what}: give fewer --workers") from None
