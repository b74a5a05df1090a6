"""A run's log: what is dropped when a run goes on, damage in it, and its place."""

import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from util.errors import UserError
from util.logger import FILE, Logger, has_steps
from util.progress import Progress

OPT = SimpleNamespace(dataroot="/data", niter=2, niter_decay=0, epoch_iters=3, print_freq=1)


def told(folder: Path) -> list[tuple[str, int]]:
    """Kind and step of each line."""
    rows = map(json.loads, (folder / FILE).read_text().splitlines())
    return [(row["kind"], row["step"]) for row in rows if row["kind"] != "start"]


def test_validation_that_is_repeated_stands_once(tmp_path: Path) -> None:
    """The state is written before it, and again after it: killed between, a run validates again."""
    with Logger(tmp_path, OPT, Progress()) as logger:
        for step in (1, 2, 3):
            logger.log("train", step, loss=1.0)
        logger.log("val", 3, psnr=30.0)
        logger.log("train", 4, loss=math.nan)
    made = [("train", 1), ("train", 2), ("train", 3)]
    with Logger(tmp_path, OPT, Progress(epoch=2)):  # after it
        assert told(tmp_path) == [*made, ("val", 3)]
    with Logger(tmp_path, OPT, Progress(iteration=3)) as logger:  # before it
        assert told(tmp_path) == made
        logger.log("val", 3, psnr=30.0)
    assert told(tmp_path) == [*made, ("val", 3)]
    with Logger(tmp_path, OPT, Progress(iteration=2)):
        assert told(tmp_path) == made[:2]


def test_damaged_lines_are_dropped_with_a_note(tmp_path: Path, capsys) -> None:
    whole = [b'{"kind": "train", "step": 1}\n', b'{"kind": "val", "step": 3}\n']
    damaged = [b"\xff\x00\n", b"[1]\n", b"{}\n", b'{"kind": "val", "step": "x"}\n', b'{"kind": "tr\n']
    damaged += [b"[" * 100_000 + b"\n", b'{"kind": "val", "step": null}\n', b'{"kind": "train", "step": 2']
    damaged += [
        b'{"kind": "train", "step": %s}\n' % step for step in (b"1" + b"0" * 400, b"-1", b"true", b"1.0")
    ]
    values = (b'"x"', b"[1, 2]", b"NaN", b"1e999", b"1" + b"0" * 400, b"true", b'1, "\\ud800": 1')
    damaged += [b'{"kind": "train", "step": 1, "mu_l1": %s}\n' % value for value in values]
    damaged += [b'{"kind": 1, "step": 1}\n', b'{"kind": "start", "step": 0, "dataroot": "\xed\xa0\x80"}\n']
    damaged += [damaged.pop(7)]  # without its end
    (tmp_path / FILE).write_bytes(b"".join([whole[0], *damaged[:-1], whole[1], damaged[-1]]))
    assert has_steps(tmp_path)
    with Logger(tmp_path, OPT, Progress(epoch=2)):
        pass
    assert told(tmp_path) == [("train", 1), ("val", 3)]
    assert capsys.readouterr().err == f"note: {tmp_path}/{FILE}: {len(damaged)} damaged lines are dropped\n"


def test_damage_during_a_run_is_not_on_its_page(tmp_path: Path, capsys) -> None:
    """Large values are, and None; what else the log says does not end the run."""
    with Logger(tmp_path, OPT, Progress()) as logger:
        for step, value in enumerate((1e300, -1e300, math.nan, 2**53), start=1):
            logger.log("train", step, loss=value)
        logger.file.write(
            b'{"kind": "train", "step": 1, "loss": "x"}\n{"kind": "other", "step": 1, "a": [1]}\n'
        )
    assert "loss (train)" in (tmp_path / "index.html").read_text()
    assert capsys.readouterr().err == f"note: {tmp_path}/{FILE}: 1 damaged lines are dropped\n"


def test_log_that_was_deleted_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with Logger(folder, OPT, Progress()) as logger:
        logger.log("train", 1, loss=1.0)
        shutil.rmtree(folder)
        with pytest.raises(UserError, match=rf"^cannot write {folder}/{FILE} .*: No such file or directory$"):
            logger.log("train", 2, loss=1.0)
        folder.mkdir()
        (folder / FILE).touch()  # of another run
        with pytest.raises(UserError, match=r"another file is there now$"):
            logger.log("train", 3, loss=1.0)
    assert (folder / FILE).read_bytes() == b""


def test_log_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(UserError, match=rf"^cannot write {tmp_path}/{FILE}: Is a directory$"):
        Logger(tmp_path, OPT, Progress())
    (tmp_path / FILE).rmdir()
    (tmp_path / "log").touch()
    with pytest.raises(UserError, match=f"^cannot write {tmp_path}/log: File exists$"):
        Logger(tmp_path, OPT, Progress())
