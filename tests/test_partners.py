"""Processes that are lost: who tells it, what is told, and what else ends; going on by itself."""

import json
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch.distributed as dist

from options.train_options import has_state, resuming
from util import device, partners
from util.device import Place
from util.door import run
from util.errors import ResourceError, UserError
from util.launch import launch
from util.stop import SIGNALS, Stopped


@pytest.fixture
def attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that torchrun makes for the processes that it starts; this is the second of three."""
    (tmp_path / "attempt_0" / "1").mkdir(parents=True)
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "attempt_0" / "1" / "error.json"))
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    return tmp_path / "attempt_0"


@pytest.fixture(scope="module")
def dead() -> str:
    """The number of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return str(process.pid)


def test_one_process_tells(attempt, monkeypatch):
    """The first, whose line is in the file that torchrun reads; alone, a process always tells."""
    assert partners.is_first_to_tell("error: this")
    assert not partners.is_first_to_tell("error: that")
    report = json.loads((attempt / "1" / "error.json").read_text())["message"]
    assert report["message"] == "error: this"
    assert report["extraInfo"]["timestamp"].isdecimal()
    for nowhere in ("", "/dev/null", "relative/1/error.json"):
        monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", nowhere)
        assert partners.is_first_to_tell("a")
        assert partners.is_first_to_tell("b")
    assert not Path("/told").exists()


def test_who_is_gone(attempt, dead):
    """A process that lives, one that left, one that is dead; one that told why needs no other words."""
    with pytest.raises(Stopped), partners.Presence():
        assert partners.gone() == []
        raise Stopped(signal.SIGTERM)
    assert not list(attempt.glob("process.*"))
    assert str(partners.lost(0.0)) == "a process elsewhere is gone, perhaps killed for memory"
    (attempt / "process.0").write_text(str(os.getpid()))
    (attempt / "process.2").write_text(dead)
    assert partners.gone() == [2]
    assert str(partners.lost()) == "process 2 of 3 is gone, perhaps killed for memory"
    assert partners.is_first_to_tell("error: no data")
    assert partners.lost() is None


def test_a_lost_connection_is_told(attempt, dead, monkeypatch, unchanged, capsys):
    """With the notes of the error that it was, or advice; without a word where the other spoke; bugs stay."""

    def ending(error: Exception) -> type[BaseException]:
        with pytest.raises((Exception, SystemExit)) as caught, device.joined(None):
            raise error
        return caught.value

    monkeypatch.setattr(device, "join", lambda opt: Place(None, 1, 3))
    (attempt / "process.0").write_text(dead)
    told = ending(RuntimeError("[gloo/transport/tcp/pair.cc:545] Connection closed by peer"))
    assert isinstance(told, ResourceError)
    assert told.__notes__ == ["start again with --resume auto"]
    noted = dist.DistNetworkError("reset")
    noted.add_note("saved")
    assert ending(noted).__notes__ == ["saved"]
    assert str(ending(RuntimeError("a bug"))) == "a bug"
    partners.is_first_to_tell("error: no data")
    silent = ending(RuntimeError("gloo/transport"))
    assert (type(silent), silent.status) == (ResourceError, 1)
    with pytest.raises(SystemExit) as end:
        run(Mock(side_effect=silent))
    assert (end.value.code, capsys.readouterr().err) == (1, "")


@pytest.mark.parametrize("told", [False, True])
def test_a_process_that_waits_for_a_dead_one_ends(told, attempt, dead, monkeypatch, capfd):
    """A thread ends it, although its main thread cannot be reached."""
    ended, statuses = threading.Event(), []

    def end(status: int) -> None:
        statuses.append(status)
        ended.set()

    monkeypatch.setattr(os, "_exit", end)
    (attempt / "process.0").write_text(dead)
    if told:
        partners.is_first_to_tell("error: no data")
    with partners.Presence(patience=-1.0):
        assert ended.wait(10)
    assert statuses == [1]
    line = "error: process 0 of 3 is gone, perhaps killed for memory: start again with --resume auto\n"
    assert capfd.readouterr().err == ("" if told else line)


@pytest.fixture
def unchanged() -> Iterator[None]:
    """Signals and logging are as before."""
    before = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGQUIT)}
    yield
    logging.disable(logging.NOTSET)
    for number, action in before.items():
        signal.signal(number, action)


def test_launch_ends_as_its_processes(unchanged, tmp_path, capfd):
    """With their status and without a report; only if all were killed it speaks itself."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys; os.kill(os.getpid(), 9) if sys.argv[1] == '9' else sys.exit(int(sys.argv[1]))"
    )
    with pytest.raises(SystemExit) as end:
        launch(2, [str(program), "3"])
    assert end.value.code == 3
    with pytest.raises(
        ResourceError, match=r"^process \d of 2 was ended by SIGKILL: start again with --resume auto$"
    ):
        launch(2, [str(program), "9"])
    assert capfd.readouterr() == ("", "")


def test_resume_auto(tmp_path):
    """A state in any condition is one to go on from; a folder without it is none."""
    assert [resuming(text) for text in ("auto", "True", "no")] == ["auto", True, False]
    assert not has_state(tmp_path / "none")
    (tmp_path / "log.jsonl").write_text("")
    assert not has_state(tmp_path)
    (tmp_path / "train_state.pth").symlink_to("nowhere")
    assert has_state(tmp_path)
    with pytest.raises(
        UserError, match=r"^--resume auto: cannot read .*train_state.pth: File name too long$"
    ):
        has_state(tmp_path / ("x" * 300))


def test_processes_that_do_not_begin_alike(monkeypatch):
    """A machine that does not see the folder of the run would begin afresh."""
    monkeypatch.setattr(device, "from_main", lambda value, place: 8.0)
    monkeypatch.setattr(device, "any_process", lambda flag, place: True)
    for step, found in ((0, "process 1, with step 0,"), (8, "all")):
        with pytest.raises(
            UserError, match=f"^not {found} can begin with step 8 as the main process: all machines"
        ):
            device.agree(step, Place(None, 1, 2))
