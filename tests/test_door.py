"""How programs end: one line on standard error, the status, and what a run keeps."""

import os
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from data.loading import _prepare_worker, samples
from tests.programs import ROOT
from util.door import run
from util.errors import ResourceError, UserError, memory_errors
from util.progress import Progress, Rescue
from util.stop import SIGNALS, Stopped, StopRequest

MORE = "more were asked for: use less"


@pytest.fixture(autouse=True)
def _signals():
    kept = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGCHLD)}
    for number in SIGNALS:
        if kept[number] == signal.SIG_IGN:  # as under nohup
            signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def end(main, capsys, **settings) -> tuple[int, list[str]]:
    """Status and lines on standard error of a program."""
    with pytest.raises(SystemExit) as status:
        run(main, **settings)
    return status.value.code, capsys.readouterr().err.splitlines()


def raising(error):
    def main():
        raise error

    return main


def noted(error, note):
    error.add_note(note)
    return error


@pytest.mark.parametrize(
    ("main", "status", "line"),
    [
        (raising(UserError("no\nsuch file")), 2, "error: no such file"),
        (raising(noted(UserError("no"), "go on with: x")), 2, "error: no; go on with: x"),
        (raising(ResourceError("a process was killed")), 1, "error: a process was killed"),
        (raising(MemoryError()), 1, "error: out of memory: use less"),
        (raising(noted(MemoryError(), "go on")), 1, "error: out of memory: use less; go on"),
        (lambda: np.ones(1 << 58), 1, "error: out of memory, where 2.00 EiB " + MORE),
        (lambda: torch.empty(1 << 50), 1, f"error: out of memory, where {1 << 52} bytes {MORE}"),
        (
            raising(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has")),
            1,
            "error: the GPU is out of memory, where 2.00 GiB " + MORE,
        ),
        (
            raising(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling")),
            1,
            "error: the GPU is out of memory: use less",
        ),
        (
            raising(cv2.error("OpenCV: (-4:Insufficient memory) Failed to allocate 12 bytes in function")),
            1,
            "error: out of memory, where 12 bytes " + MORE,
        ),
        (lambda: signal.raise_signal(signal.SIGINT), 130, "stopped by SIGINT: what is written stays"),
        (lambda: signal.raise_signal(signal.SIGTERM), 143, "stopped by SIGTERM: what is written stays"),
        (lambda: signal.raise_signal(signal.SIGHUP), 129, "stopped by SIGHUP: what is written stays"),
        (raising(SystemExit(3)), 3, None),
        (lambda: None, 0, None),
        (lambda: 1, 1, None),
    ],
)
def test_ends(main, status, line, capsys):
    assert end(main, capsys, lighter="use less") == (status, [line] if line else [])


def test_errors_of_the_program_stay():
    with pytest.raises(KeyError):
        run(raising(KeyError("a bug")))
    with pytest.raises(UserError, match="a frame is out of memory"), memory_errors():
        raise UserError("a frame is out of memory")


def test_ignored_signals_stay_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup starts a program
    stop = StopRequest()
    signal.raise_signal(signal.SIGHUP)
    assert not stop
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)  # timeout(1) sends two
    assert stop
    with pytest.raises(Stopped, match=r"^stopped by SIGTERM: more$"):
        raise stop.stopped("more")


def python(code: str, **settings) -> subprocess.CompletedProcess:
    settings = {"stderr": subprocess.PIPE, **settings}
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, check=False, **settings)


def test_a_second_signal_ends_at_once():
    signals = "import signal, time; from util.stop import *; stop = StopRequest()\n"
    signals += "for n in (2, 2, 1): signal.raise_signal(n)\n"
    signals += "time.sleep(1.1); signal.raise_signal(1); print('hung up', flush=True)\n"
    ended = python(signals + "signal.raise_signal(2); print('no')", stdout=subprocess.PIPE)
    assert (ended.returncode, ended.stdout, ended.stderr) == (
        -signal.SIGINT,
        "hung up\n",
        "ended at once by a second SIGINT\n",
    )


@pytest.mark.parametrize(
    ("product", "lost", "status"), [(False, "gone", 1), (True, "error: gone", 1), (False, "closed", 0)]
)
def test_lost_output(product, lost, status, tmp_path):
    """Of a program that writes files it is told, and the files are written; others end."""
    read, write = os.pipe()
    os.close(read)
    code = f"""
from util.door import run
def main():
    for number in range(3):
        print(number, flush=True)
    open({str(tmp_path / "made")!r}, "w").write("whole")
run(main, output_is_product={product})
"""
    ended = python(code, **({"preexec_fn": lambda: os.close(1)} if lost == "closed" else {"stdout": write}))
    os.close(write)
    assert ended.returncode == status
    gone = "standard output is gone (Broken pipe)"
    lines = f"{gone}: what is printed is lost, what is written to files is not\n"
    told = {"gone": lines, "closed": ""}
    assert ended.stderr == told.get(lost, f"error: {gone}\n")
    assert (tmp_path / "made").exists() != product
    if not product:
        assert (tmp_path / "made").read_text() == "whole"


def test_lost_streams():
    """Where standard error is gone too, nobody can be told, and the program goes on."""
    read, write = os.pipe()
    os.close(read)
    code = "import sys; from util.door import run\n"
    code += "def main():\n print(1, flush=True); print(2, file=sys.stderr); sys.exit(7)\n"
    assert python(code + "run(main)", stdout=write, stderr=write).returncode == 7
    os.close(write)


def step(now: Progress, error: Exception | None = None) -> None:
    with now.one_more(is_useless=False):
        if error:
            raise error


@pytest.mark.parametrize("kind", [Stopped(signal.SIGTERM), KeyError("a bug"), UserError("no file")])
def test_rescue(kind):
    """Steps since the state was saved are saved, and how to go on is told."""
    now, saved = Progress(epoch=2), []

    def save():
        saved.append(now.iteration)
        now.unsaved, now.saved = 0, (now.epoch, now.iteration)

    with pytest.raises(type(kind)) as error, Rescue(now, save, "the command"):
        step(now)
        step(now)
        raise kind
    assert saved == [2]
    assert error.value.__notes__[-1] == "saved after iteration 2 of epoch 2; go on with: the command"
    with pytest.raises(ZeroDivisionError) as error, Rescue(now, save, "the command"):
        raise ZeroDivisionError
    assert saved == [2]  # nothing is lost


def test_half_a_step_is_not_saved():
    now = Progress()
    with pytest.raises(MemoryError) as error, Rescue(now, pytest.fail, "the command"):
        step(now)
        step(now, MemoryError())
    assert now.iteration == 1
    assert not hasattr(error.value, "__notes__")  # there is nothing to go on from


def test_a_rescue_that_fails():
    def save():
        raise UserError("cannot write train_state.pth: No space left on device")

    now = Progress()
    now.saved = 1, 0
    with pytest.raises(UserError) as error, Rescue(now, save, "the command"):
        step(now)
        raise UserError("cannot write log.jsonl")
    assert error.value.__notes__ == [
        "its state cannot be saved: cannot write train_state.pth: No space left on device",
        "saved after iteration 0 of epoch 1; go on with: the command",
    ]


def test_programs_import_quietly():
    """Ctrl-C while a program imports is no traceback; where others import one, it is what it was."""
    code = "import signal, sys; sys.modules['__main__'].__file__ = {!r}; import util.starting\n"
    code += "signal.raise_signal(signal.SIGINT)"
    assert "KeyboardInterrupt" in python(code.format("/usr/bin/pytest")).stderr
    for program in ("train.py", "data/simulate/__main__.py"):
        ended = python(code.format(program))
        assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")


class Reach(Dataset):
    """What signals reach the process that makes the sample."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        handled = [int(number) for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ()).intersection(SIGNALS)
        return torch.tensor([*handled, len(blocked), os.getsid(0) == os.getpid()])


def test_only_the_main_process_ends_a_loader():
    """Ctrl-C and signals to the group do not reach its workers, SIGTERM does; the main process gets all."""
    loader = torch.utils.data.DataLoader(
        Reach(), batch_size=None, num_workers=1, worker_init_fn=_prepare_worker
    )
    (sample,) = samples(loader)
    assert sample.tolist() == [signal.SIGTERM, 0, True]
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()).intersection(SIGNALS)


LATE_WORKER = """
import multiprocessing, time
from util.door import run
from util.errors import UserError
from util.stop import deferred, leave_to_parent

def work():
    time.sleep(1)
    leave_to_parent()
    time.sleep(60)

def main():
    with deferred():
        multiprocessing.get_context("fork").Process(target=work, daemon=True).start()
    raise UserError("the first sample is damaged")

run(main)
"""


def test_a_worker_that_only_begins_does_not_keep_a_program() -> None:
    """It forgets the SIGTERM by which Python would end it, and Python would wait for it."""
    ended = python(LATE_WORKER, timeout=20)
    assert (ended.returncode, ended.stderr) == (2, "error: the first sample is damaged\n")
