"""One owner: what works on a folder is alone there, until it ends, however that is."""

import errno
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from options.run_folder import is_run
from util import locks
from util.errors import UserError
from util.locks import locked

HOLDER = """
import os, sys
from pathlib import Path
from util.locks import locked
with locked(Path(sys.argv[1]), "", sys.argv[2]):
    worker = os.fork()  # as a loader's; it outlives the holder
    if worker == 0:
        import time
        time.sleep(60)
        os._exit(0)
    print(worker, flush=True)
    sys.stdin.read()
    os.kill(worker, 9)
"""


def holder(folder: Path, part: str = "") -> tuple[subprocess.Popen, int]:
    """A process that holds a lock until its input ends, and the number of a worker that it has forked."""
    command = [sys.executable, "-c", HOLDER, str(folder), part]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())


def test_second_owner_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    folder = tmp_path / "sets" / "run"
    (tmp_path / "link").symlink_to(folder)
    process, _ = holder(folder)
    for name in (folder, tmp_path / "link"):
        with pytest.raises(UserError) as caught, locked(name, "wait for it"):
            pass
        owner = f"process {process.pid} on {platform.node()}"
        assert str(caught.value) == f"{name} is in use by {owner}: wait for it"
    assert not folder.exists()
    process.communicate("")
    assert not folder.parent.exists()
    with locked(folder, ""):
        assert [path.name for path in folder.parent.iterdir()] == [".run.lock"]
        folder.mkdir()
    assert list(folder.parent.iterdir()) == [folder]


def test_lock_ends_with_a_killed_process_though_its_workers_live(tmp_path: Path) -> None:
    process, worker = holder(tmp_path / "run")
    process.send_signal(signal.SIGKILL)
    process.wait()
    os.kill(worker, 0)
    with locked(tmp_path / "run", ""):
        pass
    os.kill(worker, signal.SIGKILL)
    assert not list(tmp_path.iterdir())


def test_parts_are_worked_on_together(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    process, _ = holder(folder, "1 of 2")
    with locked(folder, "", "2 of 2"):
        for part in ("1 of 2", ""):
            with pytest.raises(UserError, match="set is in use by process"), locked(folder, "", part):
                pass
    process.communicate("")
    with locked(folder, ""):
        pass
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_locked_work_goes_on(tmp_path: Path, capsys, monkeypatch) -> None:
    (tmp_path / "file").touch()
    with locked(tmp_path / "file" / "run", ""):
        pass
    assert capsys.readouterr().err == ""

    def without_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(locks.fcntl, "lockf", without_locks)
    with locked(tmp_path / "run", ""):
        pass
    note = f"note: {tmp_path} has no locks (No locks available): start one process at a time there\n"
    assert capsys.readouterr().err == note


def test_lock_is_in_the_folder_where_it_cannot_be_beside(tmp_path: Path, capsys, monkeypatch) -> None:
    """Below a folder of others, and at a mount point; the file of another user's lock is not passed by."""
    folder, opened = tmp_path / "run", os.open

    def open_inside(path: Path, *more: int) -> int:
        if Path(path).parent == tmp_path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path, *more)

    folder.mkdir()
    monkeypatch.setattr(locks.os, "open", open_inside)
    with locked(folder, "", "1 of 2"):
        assert {path.name for path in folder.iterdir()} == {".lock", ".1 of 2.lock"}
        assert not is_run(folder)
    assert not list(folder.iterdir()) and capsys.readouterr().err == ""
    (tmp_path / ".run.lock").write_text("")
    with locked(folder, ""):
        assert not list(folder.iterdir())
    note = f"note: {folder} has no locks (Permission denied): start one process at a time there\n"
    assert capsys.readouterr().err == note
    monkeypatch.undo()
    monkeypatch.setattr(locks.Path, "is_mount", lambda path: path == folder)
    with locked(folder, ""):
        assert [path.name for path in folder.iterdir()] == [".lock"]


def test_long_names_and_none(tmp_path: Path) -> None:
    for name in ("n" * 255, "é" * 127):
        folder = tmp_path / name
        with locked(folder, ""):
            folder.mkdir()
            (beside,) = (path for path in tmp_path.iterdir() if path.name.endswith(".lock"))
            assert len(os.fsencode(beside.name)) > 240
        assert not list(folder.iterdir())
    with (
        pytest.raises(UserError, match=r"^cannot write /: name a file or a folder in it$"),
        locked(Path("/"), ""),
    ):
        pass
