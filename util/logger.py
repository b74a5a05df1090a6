"""What a run tells: progress bar, log lines, log.jsonl, TensorBoard, and a page of all."""

import argparse
import errno
import math
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from statistics import fmean

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import scalar
from tqdm import tqdm

from util.errors import UserError
from util.files import regular, write_atomically
from util.json_record import as_json
from util.page.training import read_rows, write_run_page
from util.progress import Progress
from util.provenance import provenance

FILE = "log.jsonl"
START = "start"  # kind of the line with which a run, and each resumption, begins


def has_steps(folder: Path) -> bool:
    """Whether the log in a run's folder tells of more than starts."""
    path = folder / FILE
    start = f'"kind": "{START}"'.encode()
    return path.is_file() and any(start not in line for line in path.read_bytes().splitlines())


def write_whole(file: FileIO, content: bytes) -> None:
    """Write all bytes to a file without a buffer, of which a full disk takes some before it complains."""
    while content:
        content = content[file.write(content) :]


class Logger:
    """Logs of one training run, to be used as a context; leaving it finishes all files.

    Args:
        folder: of the run. opt: its options. now: how far it has come; what the log tells of later is
            dropped, since it will be made again.

    Raises:
        UserError: the logs cannot be read or written.
    """

    def __init__(self, folder: Path, opt: argparse.Namespace, now: Progress) -> None:
        self.path, done = regular(folder / FILE), now.step(opt.epoch_iters)
        try:
            if self.path.exists():
                self._forget_after(done, validates_again=now.iteration > 0)
            self.file = self.path.open("ab", buffering=0)
            (folder / "log").mkdir(exist_ok=True)
            # Not SummaryWriter: it hands events to a thread, at whose death on a full disk the program hangs.
            self.board = EventsWriter(str(folder / "log" / "events"))
        except OSError as error:
            raise UserError(f"cannot write {error.filename or self.path}: {error.strerror}") from None
        self._write(START, done, provenance(opt))
        self._add_event(done + 1, session_log=SessionLog(status=SessionLog.START))  # hides later steps
        self.steps, self.print_freq = (opt.niter + opt.niter_decay) * opt.epoch_iters, opt.print_freq
        self.bar = tqdm(
            total=self.steps, initial=done, unit="step", smoothing=0.05, disable=None, dynamic_ncols=True
        )
        self.first, self.start = done, time.monotonic()
        self.recent: list[dict[str, float]] = []  # losses since the last line
        self.timed, self.since = 0, self.start  # steps made since then

    def __enter__(self) -> "Logger":
        return self

    def __exit__(self, kind: type | None, *_error: object) -> None:
        if kind is None:
            write_run_page(self.path)
        self.bar.close()
        self.file.close()
        with suppress(OSError):  # a full disk, of which `log` has told
            self.board.close()

    def _forget_after(self, step: int, validates_again: bool) -> None:
        """Drop the lines of steps and validations to come, and lines that are damaged, by a crash or else."""
        kept = [
            line
            for line, row in read_rows(self.path)
            if row["step"] < step or (row["step"] == step and not (row["kind"] == "val" and validates_again))
        ]
        with write_atomically(self.path) as temporary:
            temporary.write_bytes(b"".join(kept))

    def step(self, step: int, epoch: int, lr: float, losses: dict[str, float] | None) -> None:
        """A step was made, or left out (no losses); every `--print_freq` steps a line tells the means."""
        self.bar.update()
        self.timed += 1
        if losses:
            self.recent.append(losses)
        if step % self.print_freq == 0 and self.recent:
            means = {name: fmean(losses[name] for losses in self.recent) for name in self.recent[0]}
            pace = (time.monotonic() - self.since) / self.timed
            self.log("train", step, epoch=epoch, **means, lr=lr, seconds_per_step=pace)
            self.recent = []

    def log(self, kind: str, step: int, **values: float) -> None:
        """Write values to all logs; `kind` is "train" or "val", which the page is written after.

        Raises:
            UserError: the disk is full, or the log was moved or deleted.
        """
        self._write(kind, step, values)
        shown = "  ".join(f"{name} {value:.5g}" for name, value in values.items())
        self.say(f"{kind} step {step}/{self.steps}  {shown}  left {self._time_left(step)}")
        if kind == "val":
            write_run_page(self.path)
        self.timed, self.since = 0, time.monotonic()

    def _write(self, kind: str, step: int, values: Mapping[str, object]) -> None:
        try:
            self._check_place()
            write_whole(self.file, as_json({"kind": kind, "step": step, **values}).encode())
            for name, value in values.items():
                if isinstance(value, int | float) and math.isfinite(value):
                    self._add_event(step, summary=scalar(f"{kind}/{name}", value))
            self.board.flush()
        except OSError as error:
            raise UserError(f"cannot write {self.path} and TensorBoard's log: {error.strerror}") from None

    def _check_place(self) -> None:
        """OSError where the log is no longer in its folder: nobody would find what is written to it."""
        if not os.path.samestat(os.fstat(self.file.fileno()), self.path.stat()):
            raise FileNotFoundError(errno.ENOENT, "another file is there now")

    def _add_event(self, step: int, **content: object) -> None:
        self.board.write_event(Event(step=step, wall_time=time.time(), **content))

    def _time_left(self, step: int) -> str:
        made = max(step - self.first, 1)
        return tqdm.format_interval((time.monotonic() - self.start) / made * (self.steps - step))

    def say(self, text: str) -> None:
        """A line that does not disturb the progress bar."""
        self.bar.write(text, file=sys.stdout)
        sys.stdout.flush()
