"""Files damaged by chance: a reader takes them, or tells of them in one line, soon and in little memory."""

import os
import resource
import signal
import struct
import time
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from data.reading.arrays import MappedArray
from data.reading.npz_members import NpzMembers
from data.simulate.reading import FrameArray
from tests.fuzz_files import DAMAGE, Case, sound_files
from tests.profiles import DISPLAY_P3
from util.errors import UserError
from util.imaging.images import read_coded, read_picture, write_png8
from util.imaging.radiance_exr import read_exr, write_exr
from util.imaging.tiff_pictures import read_tiff

FILES = 36  # damaged ones of each kind
LONGEST = 5.0  # s that one may take
MOST_MEMORY = 3 << 30  # bytes beside those that the process has
KINDS = """npy|npy of frames|npy of floats|npz|npz compressed|metadata|burst meta
burst meta as JSON|burst of a phone
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


# Files that change while they are read


def test_an_array_cut_short_or_written_anew_is_told(tmp_path: Path) -> None:
    path, out = tmp_path / "x.npy", np.empty((4, 4, 4), np.uint16)
    content = np.arange(20 * 24 * 4, dtype=np.uint16).reshape(20, 24, 4)
    np.save(path, content)
    array = MappedArray(path, "uint16", 4)
    other = tmp_path / "other.npy"
    np.save(other, content[:10])
    other.replace(path)
    array.read(16, 20, out)  # the file that was opened is still there
    assert (out == content[16:, 20:]).all()
    array = MappedArray(path, "uint16", 4)
    os.truncate(path, 300)
    with pytest.raises(UserError, match=r"x\.npy was changed while it was read: it has 300 bytes, not 2048"):
        array.read(0, 0, out)
    with path.open("r+b") as file:
        np.save(file, content[:, :20])
    with pytest.raises(UserError, match=r"x\.npy was changed while it was read: its header is another one"):
        array.read(0, 0, out)


def test_bursts_cut_short_are_told(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, a=np.ones(5000), b=np.zeros(5000))
    members = NpzMembers(path)
    assert members["b"].sum() == 0
    members.check()
    os.truncate(path, 3000)
    with pytest.raises(UserError, match=r"x\.npz was changed while it was read: it has 3000 bytes, not \d+"):
        members.check()


def test_footage_with_other_frames_than_before_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((3, 4, 4, 3), np.uint8))
    footage = FrameArray.open(path)
    np.save(path, np.zeros((2, 4, 4, 3), np.uint8))
    with pytest.raises(UserError, match=r"x\.npy was changed while it was read: it has 2 frames, not 3"):
        footage.read(0)


# Claims that are looked at before a library is asked


def test_a_part_of_a_png_ends_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    write_png8(path, np.zeros((8, 8, 3), np.uint8))
    content = path.read_bytes()
    path.write_bytes(content + b"and more")
    assert read_picture(path).shape == (8, 8, 3)
    place = content.index(b"IDAT") - 4
    path.write_bytes(content[:place] + b"\0\0\x10\0" + content[place + 4 :])
    with pytest.raises(UserError, match=rf"a part ends at byte {place + 12 + 4096} of {len(content)}"):
        read_picture(path)


def test_a_tiff_holds_as_many_px_as_its_bytes_can(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, np.zeros((64, 64, 3), np.uint16), photometric="rgb", compression="zlib")
    assert read_tiff(path).shape == (64, 64, 3)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["ImageLength"].overwrite(1 << 20)
    with pytest.raises(UserError, match=r"bytes are no picture of \(1048576, 64, 3\), as its header claims"):
        read_tiff(path)


@pytest.mark.parametrize("name", ["dataWindow", "displayWindow"])
def test_an_exr_holds_as_many_px_as_its_bytes_can(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.exr"
    write_exr(path, np.zeros((8, 8, 3), np.float32))
    content = path.read_bytes()
    place = content.index(name.encode()) + len(name) + len("\0box2i\0") + 4
    path.write_bytes(content[: place + 8] + struct.pack("<2i", 7, (1 << 24) - 1) + content[place + 16 :])
    with pytest.raises(UserError, match=r"x\.exr.* damaged"):
        read_exr(path)


def test_colours_of_a_profile_are_a_space(tmp_path: Path) -> None:
    path, nothing = tmp_path / "x.png", DISPLAY_P3.index(b"XYZ ", 300)
    place = DISPLAY_P3.index(b"XYZ \0\0\0\0", nothing)
    Image.new("RGB", (4, 4)).save(
        path, icc_profile=DISPLAY_P3[: place + 8] + bytes(60) + DISPLAY_P3[place + 68 :]
    )
    with pytest.raises(UserError, match=r"x\.png.*damaged"):
        read_coded(path)
