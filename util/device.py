"""Devices and processes: CPU, one GPU, or one process per GPU (DistributedDataParallel)."""

import argparse
import ctypes
import datetime
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from util import partners
from util.errors import ResourceError, UserError
from util.stop import StopRequest


class Place(NamedTuple):
    """Where this process works: its device, and its number among all processes."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process prints, logs and saves."""
        return self.rank == 0


def gpu_list(text: str) -> list[int]:
    """`--gpu_ids` as device numbers; none = CPU.

    Raises:
        UserError: not a list of numbers, or a GPU that this machine does not have.
    """
    available = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if text == "all":
        if available == 0:
            print("no GPU found: working on the CPU", file=sys.stderr)
        return list(range(available))
    try:
        wanted = [int(part) for part in text.split(",") if part]
    except ValueError:
        raise UserError(f"--gpu_ids takes all, -1 or numbers such as 0,1, not '{text}'") from None
    wanted = [number for number in wanted if number >= 0]
    missing = [number for number in wanted if number >= available]
    if missing:
        raise UserError(
            f"--gpu_ids {text}: there is no GPU {missing[0]} here ({available} found); -1 is the CPU"
        )
    return wanted


def peak_memory(device: torch.device) -> int:
    """Bytes that this process has held at most: on the GPU where it works on one, else in main memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@contextmanager
def joined(opt: argparse.Namespace) -> Iterator[Place]:
    """The place of this process for as long as it works with the others.

    Raises:
        ResourceError: another process is gone. Where it told why itself, `door.run` prints nothing more.
        UserError: see `join`.
    """
    with partners.Presence():
        try:
            yield join(opt)
        except RuntimeError as error:
            if not (isinstance(error, dist.DistError) or "gloo/transport" in str(error)):
                raise
            told = partners.lost() or ResourceError("another process told why")
            for note in getattr(error, "__notes__", ["start again with --resume auto"]):
                told.add_note(note)
            raise told from error
        finally:
            if dist.is_initialized():
                dist.destroy_process_group()


def join(opt: argparse.Namespace) -> Place:
    """Find this process's place; join the others where torchrun started several.

    A plain call with several GPUs starts one process per GPU, and ends with them.

    Raises:
        UserError: the processes do not fit to the GPUs or the batch.
    """
    keep_memory()
    torch.backends.cudnn.benchmark = True  # patches and tiles have few different sizes
    if {"RANK", "WORLD_SIZE", "LOCAL_RANK"} <= os.environ.keys():
        return _join_torchrun(opt)
    gpus = gpu_list(opt.gpu_ids)
    if len(gpus) > 1 and opt.is_train:
        from util.launch import launch  # takes a second to import

        launch(len(gpus), sys.argv)
    if gpus:
        torch.cuda.set_device(gpus[0])
        return Place(torch.device("cuda", gpus[0]))
    return Place(torch.device("cpu"))


def _join_torchrun(opt: argparse.Namespace) -> Place:
    """One process of torchrun: its own GPU by NCCL, or the CPU by gloo."""
    if not opt.is_train:
        raise UserError("test.py runs in one process: start it without torchrun")
    rank, world, local = (int(os.environ[key]) for key in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    gpus = gpu_list(opt.gpu_ids)
    if gpus and local >= len(gpus):
        raise UserError(
            f"torchrun started process {local} on this machine for --gpu_ids {opt.gpu_ids}: one per GPU"
        )
    if opt.batch_size % (world * opt.accumulate):
        raise UserError(
            f"--batch_size {opt.batch_size} cannot be split evenly over {world} processes and --accumulate"
        )
    device = torch.device("cuda", gpus[local]) if gpus else torch.device("cpu")
    if gpus:
        torch.cuda.set_device(device)
    patience = datetime.timedelta(hours=2)  # the others wait while the main process validates
    store = _fresh_store(rank, world, patience)
    dist.init_process_group(
        "nccl" if gpus else "gloo", store=store, rank=rank, world_size=world, timeout=patience
    )
    return Place(device, rank, world)


def _fresh_store(rank: int, world: int, patience: datetime.timedelta) -> dist.Store:
    """Where the processes find each other's addresses.

    torchrun keeps those of the processes that it ended when it starts others on one machine; of several
    machines each counts its own restarts, so that there only torchrun itself can begin with none.
    """
    store, _, _ = next(rendezvous("env://", rank=rank, world_size=world, timeout=patience))
    is_alone = os.environ.get("GROUP_WORLD_SIZE") == "1"
    return dist.PrefixStore(os.environ["TORCHELASTIC_RESTART_COUNT"] if is_alone else "all", store)


def any_process(flag: bool, place: Place) -> bool:
    """Whether the flag is set in any of the processes; all must call it."""
    if place.world == 1:
        return flag
    value = torch.tensor(float(flag), device=place.device)
    dist.all_reduce(value, op=dist.ReduceOp.MAX)
    return bool(value)


def stop_together(stop: StopRequest, place: Place) -> None:
    """`Stopped` in all processes if any was asked to stop; all must call it."""
    if any_process(bool(stop), place):
        raise stop.stopped()


def agree(step: int, place: Place) -> None:
    """Wait until all processes are about to begin, and see that it is with the same step; all must call it.

    Raises:
        UserError: it is not.
    """
    expected = int(from_main(step, place))
    if any_process(expected != step, place):
        found = "all" if expected == step else f"process {place.rank}, with step {step},"
        raise UserError(
            f"not {found} can begin with step {expected} as the main process: "
            "all machines must see the folder of the run"
        )


def from_main(value: float, place: Place) -> float:
    """The main process's value, in all processes; all must call it."""
    if place.world == 1:
        return value
    shared = torch.tensor(value, dtype=torch.float64, device=place.device)
    dist.broadcast(shared, src=0)
    return float(shared)


def keep_memory() -> None:
    """Let the C library keep freed memory for the next large array instead of handing it back to the system.

    Each feature map is otherwise mapped and page-faulted anew: 1.2 to 1.4 times slower at 256x256 on the CPU;
    and a training patch takes three times as long to read.
    """
    if sys.platform == "linux":
        trim_threshold, mmap_threshold = -1, -3  # parameters of mallopt(3), where the C library has it
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(mmap_threshold, 1 << 30)
            mallopt(trim_threshold, 1 << 30)


def release_memory() -> None:
    """Hand freed memory back to the system after all: before work whose needs are of another kind."""
    if sys.platform == "linux":
        malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if malloc_trim is not None:
            malloc_trim(0)


def convert_channels_last(network: torch.nn.Module) -> None:
    """Keep the 2-D convolutions' weights, and so their results, in channels-last order."""
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            module.to(memory_format=torch.channels_last)
