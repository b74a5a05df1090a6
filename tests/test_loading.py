"""Loaders whose processes die."""

import os
import signal
import time
from collections.abc import Iterator

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from data import loading
from data.loading import samples
from util.errors import ResourceError


class Numbers(Dataset):
    """Samples that are told apart, of which a loader's worker makes one after the other."""

    def __len__(self):
        return 100

    def __getitem__(self, index):
        return torch.tensor([index])


class Short(Numbers):
    def __getitem__(self, index):
        raise EOFError("no data left")


def load(dataset: Dataset, **options: object) -> DataLoader:
    """A loader whose processes end with their parent, as those of the programs do."""
    return DataLoader(dataset, worker_init_fn=loading._prepare_worker, **options)


def test_a_killed_loader():
    """It is an error where the next batch is waited for, not in the step or the file before."""
    loader = load(Numbers(), num_workers=2, persistent_workers=True)
    batches = samples(loader)
    next(batches)
    worker = loader._iterator._workers[0]
    os.kill(worker.pid, signal.SIGKILL)
    end = time.monotonic() + 0.3
    while time.monotonic() < end:  # a step, in which nothing is raised
        time.sleep(0.01)
    with pytest.raises(ResourceError, match=r"samples was killed.*: give fewer --workers$"):
        for _ in batches:
            pass
    time.sleep(0.1)  # nor is it told again


class Handing:
    """An iterator whose connection to a worker is lost."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> None:
        raise self.error


@pytest.mark.parametrize("error", [ConnectionResetError(104, "Connection reset by peer"), EOFError()])
def test_a_connection_that_is_lost(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a worker's death of which PyTorch knows a moment later, if it is asked; or by another's."""
    asked = iter(range(2))

    def killed(*_signal: object) -> None:
        if next(asked) == 1:
            raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")

    monkeypatch.setattr(loading._DEATHS, "_replace_handler", lambda: None)
    monkeypatch.setattr(loading._DEATHS, "tell", killed)
    with pytest.raises(ResourceError, match=r"samples was killed \(Killed\).*: give fewer --workers$"):
        loading._next(Handing(error))
    monkeypatch.setattr(loading._DEATHS, "tell", lambda *_signal: None)
    with pytest.raises(type(error)):
        loading._next(Handing(error))


@pytest.mark.parametrize("workers", [0, 1])
def test_damaged_data_are_no_death(workers: int) -> None:
    """Of which reading says by itself that they end too early."""
    with pytest.raises(EOFError, match="no data left"):
        next(samples(load(Short(), num_workers=workers)))
