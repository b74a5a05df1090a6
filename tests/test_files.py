"""Files and folders are written whole or not at all, and what hinders it is told with the final path."""

import os
import platform
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from data.simulate.denoising_sets import _write
from util import checkpoint
from util.errors import UserError
from util.files import complete_or_absent, regular, remove_partial, save_array, write_atomically
from util.imaging.images import write_png16, write_tiff16
from util.imaging.radiance import write_radiance
from util.json_record import read_json


@pytest.fixture
def small_files() -> Iterator[None]:
    """Files end at 1000 bytes, as on a full disk: a write beyond fails."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def test_fifo_is_refused_and_other_paths_are_given_back(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(UserError, match=f"{name} is a FIFO, not a file"):
            regular(tmp_path / name)
    with pytest.raises(UserError, match="pipe is a FIFO"), write_atomically(tmp_path / "pipe"):
        pass
    (tmp_path / "file").touch()
    for name in ("file", "missing", ".", "n" * 300, "a\0b"):
        assert regular(tmp_path / name) == tmp_path / name


def test_what_stands_in_the_way_is_told_with_the_final_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder" / "of").mkdir(parents=True)
    cases = {
        "file/a.json": f"{tmp_path}/file is no folder",
        "loop/a.json": f"{tmp_path}/loop: Too many levels of symbolic links",
        "folder": "Is a directory",
        "n" * 300: "File name too long",
    }
    for name, cause in cases.items():
        with pytest.raises(UserError) as caught, write_atomically(tmp_path / name) as temporary:
            temporary.write_text("{}")
        assert str(caught.value) == f"cannot write {tmp_path}/{name}: {cause}"
    (tmp_path / "file").write_text("old")
    with pytest.raises(UserError) as caught, complete_or_absent(tmp_path / "file") as partial:
        partial.mkdir()
    assert str(caught.value) == f"cannot write {tmp_path}/file: Not a directory"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "loop"]
    assert (tmp_path / "file").read_text() == "old"


def test_parents_that_went_are_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "run" / "state"
    with pytest.raises(UserError) as caught, write_atomically(path, parents=False) as temporary:
        temporary.write_text("")
    assert str(caught.value) == f"cannot write {path}: No such file or directory"
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("small_files")
def test_a_cause_that_a_library_swallows_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "light.exr"
    with pytest.raises(UserError) as caught, write_atomically(path) as temporary:
        temporary.write_bytes(bytes(1000))
        raise OSError("4000 requested and 1000 written")  # as NumPy counts, without an error number
    assert str(caught.value) == f"cannot write {path}: File too large"
    with pytest.raises(UserError) as caught, complete_or_absent(tmp_path / "scene") as partial:
        partial.mkdir()
        with write_atomically(partial / "frame.npy") as temporary:
            temporary.write_bytes(bytes(2000))
    assert str(caught.value) == f"cannot write {tmp_path}/scene/frame.npy: File too large"
    assert not list(tmp_path.iterdir())


WRITERS = {
    "state.pth": lambda path: checkpoint.save(path, {"weights": torch.ones(500)}),
    "light.exr": lambda path: write_radiance(path, NOISE.astype(np.float32)),
    "light.hdr": lambda path: write_radiance(path, NOISE.astype(np.float32)),
    "light.dng": lambda path: write_radiance(path, NOISE.astype(np.float32)),
    "picture.png": lambda path: write_png16(path, NOISE),
    "picture.tif": lambda path: write_tiff16(path, NOISE),
    "array.npy": lambda path: _save(path, NOISE[:10]),
    "bursts.npz": lambda path: _write(path, {"noisy": NOISE}),
}


def _save(path: Path, array: np.ndarray) -> None:
    with write_atomically(path) as temporary:
        save_array(temporary, array)


NOISE = np.random.default_rng(0).integers(0, 65535, (20, 30, 3), dtype=np.uint16)


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("name", WRITERS)
def test_every_library_fails_with_the_cause(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        WRITERS[name](tmp_path / name)
    assert str(caught.value) == f"cannot write {tmp_path}/{name}: File too large"
    assert not list(tmp_path.iterdir())


def test_errors_of_others_while_a_state_is_written_are_theirs(tmp_path: Path, monkeypatch) -> None:
    """A loader's process that dies is told of by an error wherever the main process is."""

    def save(*_: object) -> None:
        raise RuntimeError("DataLoader worker is killed")

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(RuntimeError, match="DataLoader worker is killed"):
        checkpoint.save(tmp_path / "state.pth", {})
    assert not list(tmp_path.iterdir())


def test_json_that_cannot_be_read_is_not_called_damaged(tmp_path: Path) -> None:
    for name, content in (("deep", "[" * 100_000), ("cut", '{"a": '), ("binary", "\0")):
        (tmp_path / name).write_text(content)
        with pytest.raises(UserError, match=f"{name} is damaged: remove it"):
            read_json(tmp_path / name, "remove it")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match=r"^cannot read .*loop: Too many levels of symbolic links$"):
        read_json(tmp_path / "loop", "remove it")


def test_a_cause_that_stays_unknown_is_the_librarys_with_the_final_path(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught, write_atomically(tmp_path / "a.exr") as temporary:
        raise OSError(f'cannot write "{temporary}"')
    assert str(caught.value) == f'cannot write {tmp_path}/a.exr: cannot write "{tmp_path}/a.exr"'
    with pytest.raises(UserError) as caught, complete_or_absent(tmp_path / "a") as partial:
        raise UserError(f"{partial}/b.hdr: the picture holds NaN")
    assert str(caught.value) == f"{tmp_path}/a/b.hdr: the picture holds NaN"


def test_left_of_killed_processes_goes(tmp_path: Path) -> None:
    """What is not running here goes; what another machine has touched just now, and users' files, stay."""
    here, gone, alive = platform.node(), 999999999, os.getppid()
    left = [f".state.{gone}@{here}.partial.pth", f".state.{os.getpid()}@{here}.partial.pth"]
    left += [f"deep/.scene.{gone}.partial", f"deep/.scene.{gone}@other.machine.partial"]
    kept = [f".log.{alive}@{here}.partial.jsonl", f".state.{gone}@other.machine.partial.pth"]
    kept += [f".mine.{gone}.pth", ".mine.partial", f"deep/deeper/.x.{gone}@{here}.partial"]
    for name in left + kept:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".partial":
            path.mkdir()
        else:
            path.touch()
    long_ago = time.time() - 7200
    os.utime(tmp_path / left[-1], (long_ago, long_ago))
    remove_partial(tmp_path, depth=2)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob(".*")} == set(kept)


def test_long_names_are_written_and_a_missing_one_is_told(tmp_path: Path) -> None:
    """The temporary names of two long ones differ."""
    for name in ("n" * 251 + ".npy", "é" * 125 + ".npy", "n" * 255):
        with write_atomically(tmp_path / name) as temporary, write_atomically(tmp_path / name[1:]) as other:
            assert temporary != other and (temporary.suffix == ".npy") == (Path(name).suffix == ".npy")
            temporary.write_text(name)
            other.write_text("")
        assert (tmp_path / name).read_text() == name
        (tmp_path / name).unlink()
        with complete_or_absent(tmp_path / name) as partial:
            partial.mkdir()
        assert (tmp_path / name).is_dir()
    for path in (Path("/"), Path()):
        for writer in (write_atomically, complete_or_absent):
            with (
                pytest.raises(UserError, match=rf"^cannot write {path}: name a file or a folder"),
                writer(path),
            ):
                pass
