"""Exposures of a set of frames: by EXIF, by lists of several kinds, and what is wrong with them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from data.merging.scenes import raw_files
from data.reading.exif import Shot
from data.reading.exposures import from_shots, read_list, set_exposures
from data.real_dataset import dng_files
from data.scene_files import frame_files
from util.errors import UserError
from util.natural import by_name


def paths(count: int, folder: Path = Path("x")) -> list[Path]:
    return [folder / f"{number}.jpg" for number in range(count)]


def test_exposure_is_time_times_iso_over_the_f_number_squared() -> None:
    shots = [Shot(1 / 100, 100, 4), Shot(1 / 50, 400, 2), Shot(2, 100, 8)]
    assert_allclose(from_shots(paths(3), shots), np.array([1 / 1600, 2, 2 / 64 * 100]) * [100, 1, 1])


def test_what_no_file_tells_counts_as_equal() -> None:
    assert_allclose(from_shots(paths(2), [Shot(1), Shot(4)]), [1, 4])
    assert_allclose(from_shots(paths(2), [Shot(1, None, 2), Shot(4, None, 4)]), [1 / 4, 4 / 16])


@pytest.mark.parametrize(
    ("shots", "message"),
    [
        ([Shot(1), Shot()], r"x/1\.jpg does not tell its exposure time: write exposure\.txt"),
        ([Shot(1, 100), Shot(2)], r"x/1\.jpg does not tell its ISO"),
        ([Shot(1, 100, None), Shot(2, 100, 4)], r"x/0\.jpg does not tell its F-number"),
    ],
)
def test_missing_exposure_is_named(shots: list[Shot], message: str) -> None:
    with pytest.raises(UserError, match=message):
        from_shots(paths(2), shots)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("exposure.txt", "1 4\n16\t64 ", (1, 4, 16, 64)),
        ("exposure.txt", "0.01,0.02,0.04,1e1", (0.01, 0.02, 0.04, 10)),
        ("exposure.txt", "1/60 1/30 1/15, 2", (1 / 60, 1 / 30, 1 / 15, 2)),
        ("exposure.txt", "1 2 # short\n4\n\n8 # long", (1, 2, 4, 8)),
        ("ev.txt", "-2\r\n-1\r\n0\r\n1.5", (0.25, 0.5, 1, 2**1.5)),
        ("ev.txt", "320,160,80,40\n-2,-1,0,1", (0.25, 0.5, 1, 2)),
        (
            "image_list.txt",
            "# Filename exposure 1/shutter_speed f/stop\n\n"
            "3.jpg 0 0.5 8\n0.jpg 0 4 8\n1.jpg 0 2 8\n2.jpg 0 1 8\n9.jpg 0 0.1 8\n",
            (0.25, 0.5, 1, 2),
        ),
    ],
)
def test_lists_of_exposures(tmp_path: Path, name: str, text: str, expected: tuple) -> None:
    (tmp_path / name).write_text(text)
    exposures, path = read_list(tmp_path, paths(4, tmp_path))
    assert path == tmp_path / name
    assert_allclose(exposures, expected)


def test_exposure_txt_comes_first(tmp_path: Path) -> None:
    assert read_list(tmp_path, paths(2)) is None
    (tmp_path / "ev.txt").write_text("0 1")
    (tmp_path / "exposure.txt").write_text("1 3")
    assert_allclose(read_list(tmp_path, paths(2))[0], (1, 3))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("exposure.txt", "1 4", r"exposure\.txt: 2 numbers for 3 frames"),
        ("exposure.txt", "", r"exposure\.txt: 0 numbers for 3 frames"),
        ("exposure.txt", "1 4 1/x", r"exposure\.txt: could not convert string to float: 'x'"),
        ("exposure.txt", "1 4 1/0", r"exposure\.txt: float division by zero"),
        (
            "exposure.txt",
            "1 4 1e300",
            r"exposure\.txt: the longest exposure is over 2\^40 times the shortest",
        ),
        ("ev.txt", "-30 0 30", r"ev\.txt: the longest exposure is over 2\^40 times the shortest"),
        ("exposure.txt", "1 4 0", r"exposure\.txt: exposures must be numbers above 0"),
        ("exposure.txt", "1 4 nan", r"exposure\.txt: exposures must be numbers above 0"),
        ("exposure.txt", b"\xff\xfe\x00\xd8", r"exposure\.txt: cannot be read"),
        ("ev.txt", "1 4", r"ev\.txt: 2 numbers for 3 frames; one in stops"),
        ("ev.txt", "-1,5\n0,0\n1,5", r"ev\.txt: two numbers for each frame; write -1\.5, not -1,5"),
        ("ev.txt", "1 4 1000", r"ev\.txt: exposures in stops lie between"),
        ("image_list.txt", "", r"image_list\.txt: its first line names no column 1/shutter_speed"),
        ("image_list.txt", "# f 1/shutter_speed\n0.jpg 1\n1.jpg 2\n", r"no 1/shutter_speed for 2\.jpg"),
        (
            "image_list.txt",
            "# f 1/shutter_speed\n0.jpg 1\n1.jpg #2\n2.jpg 3",
            r"no 1/shutter_speed for 1\.jpg",
        ),
        (
            "image_list.txt",
            "# f 1/shutter_speed\n0.jpg 1\n1.jpg ,\n2.jpg 3",
            r"no 1/shutter_speed for 1\.jpg",
        ),
        (
            "image_list.txt",
            "# f 1/shutter_speed\n0.jpg 1\n1.jpg 0\n2.jpg 1",
            r"image_list\.txt: exposures must be numbers above 0",
        ),
    ],
)
def test_a_bad_list_is_named(tmp_path: Path, name: str, text: str | bytes, message: str) -> None:
    (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(UserError, match=message):
        read_list(tmp_path, paths(3, tmp_path))


def test_a_list_overrides_exif_and_a_contradiction_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    files, shots = paths(3, tmp_path), [Shot(0.1), Shot(0.2), Shot(0.4)]
    (tmp_path / "exposure.txt").write_text("1 2.2 4.4")
    assert_allclose(set_exposures(tmp_path, files, shots), (1, 2.2, 4.4))
    assert capsys.readouterr().err == ""  # within a quarter
    (tmp_path / "exposure.txt").write_text("1 2 8")
    assert_allclose(set_exposures(tmp_path, files, shots), (1, 2, 8))
    note = capsys.readouterr().err
    assert note.count("\n") == 1 and note.startswith("note: ")
    assert "exposure.txt: 2.jpg was exposed 8 times as long as 0.jpg, but by EXIF 4 times" in note


def test_equal_exposures_are_refused(tmp_path: Path) -> None:
    message = r"0\.jpg and 2\.jpg have the same exposure \(0\.1 by EXIF\): leave one out"
    with pytest.raises(UserError, match=message):
        set_exposures(tmp_path, paths(3, tmp_path), [Shot(0.1), Shot(0.2), Shot(0.1)])


@pytest.mark.parametrize("text", ["1 -3 -7", "-2 0 2", "0 2 4"])
def test_stops_in_a_list_of_exposures_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "exposure.txt").write_text(text)
    message = r"must be numbers above 0; stops \(\+1 = twice the exposure\) are listed in ev\.txt$"
    with pytest.raises(UserError, match=message):
        read_list(tmp_path, paths(3, tmp_path))


# Order of names


def test_numbers_in_names_count_by_value() -> None:
    names = ["b1", "a10", "a9", "a09", "IMG_2-10.dng", "IMG_2-9.dng", "a", "10", "9"]
    folder = [Path("x10") / name for name in names] + [Path("x9/c")]
    expected = ["c", "9", "10", "IMG_2-9.dng", "IMG_2-10.dng", "a", "a09", "a9", "a10", "b1"]
    assert [path.name for path in by_name(folder)] == expected


def test_a_number_below_1_is_one_number() -> None:
    names = ["t0.125.jpg", "t0.25.jpg", "t0.5.jpg", "t1.jpg", "t2.jpg", "v1.9.jpg", "v1.10.jpg"]
    assert [path.name for path in by_name(map(Path, reversed(names)))] == names


@pytest.mark.parametrize("files_in", [frame_files, dng_files, raw_files])
def test_readers_take_the_natural_order(tmp_path: Path, files_in: Callable) -> None:
    for name in ("img_10.dng", "img_8.dng", "img_9.dng"):
        (tmp_path / name).touch()
    assert [file.name for file in files_in(tmp_path)] == ["img_8.dng", "img_9.dng", "img_10.dng"]


def test_a_note_tells_which_file_got_what(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    files = [tmp_path / f"img_{number}.dng" for number in (8, 9, 10)]
    (tmp_path / "exposure.txt").write_text("1 4 16")
    assert read_list(tmp_path, files)[0].tolist() == [1, 4, 16]
    said = "numbers in names count by value: img_8.dng 1, img_9.dng 4, img_10.dng 16"
    assert capsys.readouterr().err == f"note: {tmp_path}/exposure.txt: {said}\n"
    (tmp_path / "exposure.txt").unlink()
    (tmp_path / "image_list.txt").write_text("f 1/shutter_speed\nimg_10.dng 1\nimg_8.dng 16\nimg_9.dng 4\n")
    assert read_list(tmp_path, files)[0].tolist() == [1 / 16, 1 / 4, 1]
    assert capsys.readouterr().err == ""  # it names the files itself
