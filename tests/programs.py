"""Runs train.py and test.py with a command line, each in a process of its own, as a user would.

A server process imports what the programs import and is forked for every call, which saves the seconds that
these imports take. The program's file itself is run anew as `__main__`, with its own exit status, standard
streams and process group.
"""

import json
import multiprocessing
import os
import resource
import runpy
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import torch

ROOT = Path(__file__).resolve().parents[1]
PRELOADED = (
    "options.train_options",
    "options.test_options",
    "models.syn_model",
    "models.networks.tmrnet",
    "torch._dynamo",
    "util.scores.evaluation",
    "util.logger",
    "util.scores.report",
)
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(list(PRELOADED))
PATIENCE = 120  # s


class Result(NamedTuple):
    """What a program left behind."""

    status: int
    out: str
    err: str


class Running:
    """A program that has been started, with arguments that `str` makes words of.

    `file_limit` is the size in bytes over which it cannot write a file; `environment` adds variables.
    """

    def __init__(
        self,
        program: str,
        *arguments: object,
        file_limit: int | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.folder = tempfile.TemporaryDirectory()
        words = [str(argument) for argument in arguments]
        self.process = CONTEXT.Process(
            target=_run, args=(program, words, self.folder.name, file_limit, environment or {})
        )
        self.process.start()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program and its workers, as the terminal sends Ctrl-C."""
        os.killpg(self.process.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM to the program alone, as a batch system does."""
        os.kill(self.process.pid, signal.SIGTERM)

    def children(self) -> list[int]:
        """Its own processes, such as loaders."""
        pid = self.process.pid
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def wait_for_step(self, run: Path, step: int) -> None:
        """Return when the log of folder `run` tells of this step (with `--print_freq 1`)."""
        end = time.monotonic() + PATIENCE
        while not any(row["step"] >= step for row in log_rows(run)):
            assert self.process.is_alive(), f"it ended before step {step}: {self.wait()}"
            assert time.monotonic() < end, f"step {step} was not reached"
            time.sleep(0.01)

    def wait(self) -> Result:
        """What it left behind once it has ended."""
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.signal(signal.SIGKILL)
            self.process.join()
            raise AssertionError("the program does not end")
        out, err = ((Path(self.folder.name) / name).read_text() for name in ("out", "err"))
        return Result(self.process.exitcode, out, err)


def run(program: str, *arguments: object, **settings: object) -> Result:
    """Run `train.py` or `test.py` to its end, with the settings of `Running`."""
    return Running(program, *arguments, **settings).wait()


def succeed(program: str, *arguments: object) -> Result:
    """Run a program that must end well."""
    result = run(program, *arguments)
    assert result.status == 0, result.err
    return result


def log_rows(folder: Path, kind: str | None = None) -> list[dict]:
    """The complete lines of a run's log.jsonl: of one kind, or of all steps and validations."""
    path = folder / "log.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    rows = [json.loads(line) for line in lines if line.endswith("\n")]
    return [row for row in rows if row["kind"] == kind or (kind is None and row["kind"] != "start")]


def weights(path: Path) -> dict[str, torch.Tensor]:
    """State dict of a checkpoint."""
    return torch.load(path, weights_only=True)["state_dict"]


def largest_difference(first: Path, second: Path) -> float:
    """Largest difference between the weights of two checkpoints."""
    one, other = weights(first), weights(second)
    assert one.keys() == other.keys()
    return max((one[name].double() - other[name].double()).abs().max().item() for name in one)


def _run(
    program: str, arguments: list[str], folder: str, file_limit: int | None, environment: dict[str, str]
) -> None:
    os.setsid()
    os.environ.update(environment)
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(Path(folder) / name, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    if file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    multiprocessing.set_start_method(None, force=True)  # the system's own for what the program starts
    torch.set_num_threads(1)
    os.chdir(ROOT)
    sys.argv = [program, *arguments]
    try:
        runpy.run_path(str(ROOT / program), run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code  # caught, so that what the program's frames hold is freed before the process ends
    sys.exit(status)
