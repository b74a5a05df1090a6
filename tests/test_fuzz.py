"""Files damaged by chance: a reader takes them, or tells of them in one line, soon and in little memory."""

import os
import resource
import signal
import time
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fuzz_files import DAMAGE, Case, sound_files
from util.errors import UserError

FILES = 36  # damaged ones of each kind
LONGEST = 5.0  # s that one may take
MOST_MEMORY = 3 << 30  # bytes beside those that the process has
KINDS = """npy|npy of frames|npy of floats|npz|npz compressed|metadata|burst meta|burst meta as JSON|burst of a phone
exr|hdr|hdr in runs|jpg|jpg with a profile|png|png with a profile|png of planes
tiff|tiff of floats|tiff by zlib|tiff in tiles|tiff with a profile|tiff by LZW
dng|dng with a gain map|dng of floats|exposure.txt|ev.txt|image_list.txt|exposures|pairs
options|settings|record|weights|weights of old|video""".replace("\n", "|").split("|")
SILENT = ("tags", "float", "colours")  # readers that say nothing of a damaged file: others do
BY_FOLDER = ("exposure.txt", "ev.txt", "image_list.txt")  # where there is no file, there is no list


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> dict[str, Case]:
    return sound_files(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def bounded() -> Iterator[None]:
    """No more than MOST_MEMORY is to be had; what takes too long is interrupted."""
    status = Path("/proc/self/statm")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if status.exists():
        held = int(status.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + MOST_MEMORY, hard))
    before = signal.signal(signal.SIGALRM, _too_long)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _too_long(*_arguments: object) -> None:
    pytest.fail(f"it took more than {LONGEST} s")


def answer(case: Case, reader: str) -> str:
    """The message of a UserError, or "" where the file was read. Anything else that is raised goes on."""
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        case.readers[reader](case.path)
    except UserError as error:
        assert str(case.path.parent) in str(error)
        assert len(str(error)) < 1000
        return str(error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return ""


def test_every_kind_is_read_while_it_is_sound(cases) -> None:
    assert sorted(cases) == sorted(KINDS)
    for kind, case in cases.items():
        refused = [reader for reader in case.readers if answer(case, reader)]
        assert refused == (["picture"] if kind == "tiff of floats" else []), kind


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_read_or_told(kind: str, cases, bounded, capfd) -> None:
    case, rng = cases[kind], np.random.default_rng(zlib.crc32(kind.encode()))
    sound, told = case.path.read_bytes(), 0
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for number in range(FILES):
            case.path.write_bytes(DAMAGE[number % len(DAMAGE)](sound, rng))
            told += sum(bool(answer(case, reader)) for reader in case.readers)
    case.path.write_bytes(sound)
    assert told > 0
    out, err = capfd.readouterr()
    assert out == ""
    assert [line for line in err.splitlines() if not line.startswith(f"note: {case.path}")] == []


@pytest.mark.parametrize("what", ["folder", "FIFO", "loop of links", "nothing", "empty file"])
def test_what_is_no_file_is_told(what: str, tmp_path: Path, bounded, capfd) -> None:
    put = {
        "folder": Path.mkdir,
        "FIFO": os.mkfifo,
        "loop of links": lambda path: path.symlink_to(path.name),
        "nothing": lambda path: None,
        "empty file": Path.touch,
    }[what]
    for kind, case in sound_files(tmp_path).items():
        case.path.unlink()
        put(case.path)
        for reader in case.readers:
            if what == "FIFO" and kind == "settings":
                continue  # --config <(...) is to be read
            told = answer(case, reader)
            may_be_silent = reader in SILENT or kind in BY_FOLDER or what == "empty file"
            assert told or may_be_silent or (reader == "shot" and case.path.suffix != ".dng"), (kind, reader)
            assert what != "FIFO" or "FIFO" in told or kind in BY_FOLDER, (kind, reader)
    assert "Traceback" not in capfd.readouterr().err


def test_the_bound_of_time_holds(bounded) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    with pytest.raises(pytest.fail.Exception, match="it took more than"):
        time.sleep(2)
