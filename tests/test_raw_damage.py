"""Raw files that lack px, or hold no Bayer mosaic; where brackets clip, and how they are turned."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_array_equal

from data.reading.ceilings import whiten_clipped
from data.reading.exif import read_tags
from data.reading.raw import agreed_orientation, packed_size, read_raw
from data.reading.raw_integrity import check_content, check_segments
from tests.photo_files import SHARED, SHORT, make_dng, random_mosaic
from util.errors import UserError
from util.imaging.bayer import pack

BLACK = np.float32([64] * 4)


def changed(path: Path, code: int, old: int, new: int, kind: str = "HHIH") -> None:
    """Replace the value of a tag of a little-endian file."""
    count_of = {"HHIH": 3, "HHII": 4}
    before, after = (struct.pack(f"<{kind}", code, count_of[kind], 1, value) for value in (old, new))
    content = path.read_bytes()
    assert content.count(before) == 1
    path.write_bytes(content.replace(before, after))


# Px that are missing


def test_a_header_that_claims_a_large_image_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    make_dng(path)
    for code, old, new in ((256, 42, 30000), (257, 30, 20000)):
        changed(path, code, old, new, "HHII")
    with pytest.raises(UserError, match=r"a\.dng is .*: \d+ bytes are no image of 30000 x 20000 px"):
        packed_size(path)


def test_a_strip_that_is_too_short_for_its_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    make_dng(path)
    changed(path, 279, 42 * 30 * 2, 42 * 29 * 2, "HHII")
    with pytest.raises(UserError, match=r"a\.dng: .*claims px of 2520 bytes, 2436 are there"):
        read_raw(path)


def compressed(path: Path) -> dict:
    """A DNG of six tiles of compressed random values; its tags."""
    version = [(50706, 1, 4, b"\1\4\0\0", True)]
    mosaic = random_mosaic(size=(32, 48))
    tifffile.imwrite(
        path, mosaic, photometric=32803, metadata=None, extratags=version, tile=(16, 16), compression="zlib"
    )
    return read_tags(path)


def test_tiles_that_end_in_zeros_or_are_missing_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    tags = compressed(path)
    check_segments(path, tags)
    whole = path.read_bytes()
    end = tags["TileOffsets"][3] + tags["TileByteCounts"][3]
    path.write_bytes(whole[: end - 80] + bytes(80) + whole[end:])
    with pytest.raises(UserError, match=f"its px are missing up to byte {end}"):
        check_segments(path, tags)
    path.write_bytes(whole[:-1])
    with pytest.raises(UserError, match=f"px end at byte {len(whole)}, the file at {len(whole) - 1}"):
        check_segments(path, tags)
    path.write_bytes(whole)
    fewer = tags | {name: tags[name][:5] for name in ("TileOffsets", "TileByteCounts")}
    with pytest.raises(UserError, match="5 of its 6 tiles are there"):
        check_segments(path, fewer)
    same = tags | {"TileOffsets": (tags["TileOffsets"][0],) * 6, "TileByteCounts": (len(whole) // 4,) * 6}
    with pytest.raises(UserError, match=r"its px take \d+ bytes, the file has"):
        check_segments(path, same)


@pytest.mark.parametrize("fill", [0, 64, 300])
@pytest.mark.parametrize("start, what", [(0, "all its px"), (17, "6 of its 15 rows of cells")])
def test_px_that_are_one_value_are_refused(tmp_path: Path, fill: int, start: int, what: str) -> None:
    mosaic = random_mosaic()
    mosaic[start:] = fill
    make_dng(tmp_path / "a.dng", mosaic)
    with pytest.raises(UserError, match=rf"a\.dng: damaged .*: {what} hold only {fill}, .*copy it again"):
        read_raw(tmp_path / "a.dng")


def test_a_hole_in_the_middle_is_found() -> None:
    planes = np.random.default_rng(0).integers(0, 1024, (400, 60, 4), dtype=np.uint16)
    planes[100:101] = 0
    check_content(planes, BLACK, 1023)  # a row alone is a dead one
    planes[100:102] = 0
    with pytest.raises(UserError, match="2 of its 400 rows of cells hold only 0"):
        check_content(planes, BLACK, 1023)


def test_saturated_and_dark_frames_are_whole() -> None:
    rng = np.random.default_rng(0)
    check_content(np.full((40, 60, 4), 1023, np.uint16), BLACK, 1023)
    check_content(np.full((40, 60, 4), 870, np.uint16), BLACK, 1023)  # clips below white
    check_content(np.full((40, 60, 4), [88, 112, 112, 93], np.uint16), BLACK, 1023)  # a drawn one
    check_content(np.rint(rng.normal(64, 0.3, (40, 60, 4))).astype(np.uint16), BLACK, 1023)
    sky = rng.integers(100, 800, (40, 60, 4), dtype=np.uint16)
    sky[20:] = 1023
    check_content(sky, BLACK, 1023)  # a straight edge, at the start of a row
    sky[19, 30:] = 1023
    with pytest.raises(UserError, match="20 of its 40 rows of cells hold only 1023"):
        check_content(sky, BLACK, 1023)  # nothing of the row above is: the data end there
    sky[18, 45:] = 1023
    check_content(sky, BLACK, 1023)  # a slanted edge


# Other sensors


def tags_of(pattern: bytes, size: tuple[int, int], colours: bytes = b"\0\1\2") -> list:
    return [
        (33421, SHORT, 2, size, True),
        (33422, 1, len(pattern), pattern, True),
        (50710, 1, len(colours), colours, True),
    ]


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        (tags_of(bytes([1, 2, 1, 1, 0, 1, 0, 1, 0, 2, 1, 2, 1, 2, 1, 1, 0, 1] * 2), (6, 6)), "X-Trans"),
        (tags_of(b"\3\5\1\4", (2, 2), b"\3\4\5\1"), "four colours"),
        (tags_of(bytes([0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 2, 2, 1, 1, 2, 2]), (4, 4)), "quad Bayer"),
        ([(50711, SHORT, 1, 2, True)], "rotated sensor"),
    ],
)
def test_other_mosaics_are_refused_by_name(tmp_path: Path, tags: list, name: str) -> None:
    make_dng(tmp_path / "a.dng", extra=tags)
    with pytest.raises(UserError, match=rf"a\.dng has no Bayer mosaic .*: .*{re.escape(name)}"):
        read_raw(tmp_path / "a.dng")


def test_monochrome_and_gopro_are_refused_by_name(tmp_path: Path) -> None:
    for name in ("gray.dng", "gopro.dng"):
        make_dng(tmp_path / name)
    changed(tmp_path / "gray.dng", 262, 32803, 34892)
    with pytest.raises(UserError, match=r"gray\.dng has no Bayer mosaic .*: it is monochrome"):
        read_raw(tmp_path / "gray.dng")
    changed(tmp_path / "gopro.dng", 259, 1, 9)
    (tmp_path / "b.gpr").write_bytes((tmp_path / "gopro.dng").read_bytes())
    for name in ("gopro.dng", "b.gpr"):
        with pytest.raises(UserError, match=rf"{name} is a GoPro raw \(GPR\), which is not read"):
            read_raw(tmp_path / name)


# White and rotation of a bracket


def bracket(clip: float, seed: int = 0) -> np.ndarray:
    """Frames (3, 4, 60, 80) of light up to 3 that clip at `clip`, each exposed 4 times as long."""
    rng = np.random.default_rng(seed)
    light = rng.uniform(0.01, 0.3, (4, 60, 80)) + 2.7 * (np.arange(80) > 60)
    frames = [np.minimum(light * factor, 1) for factor in (0.25, 1, 4)]
    noise = 0.001 * rng.standard_normal((3, 4, 60, 80))
    return np.minimum(np.stack(frames) + noise, clip).astype(np.float32)


def test_px_that_clip_below_white_become_white(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    files, exposures = [tmp_path / f"{number}.dng" for number in range(3)], np.array([1.0, 4.0, 16.0])
    frames = bracket(0.84)
    clipped, before = frames >= 0.84, frames.copy()
    whiten_clipped(files, frames, exposures)
    assert clipped.mean(axis=(1, 2, 3))[2] > 0.25 and (frames[clipped] == 1).all()
    below = before < 0.98 * 0.84
    assert_array_equal(frames[below], before[below])
    note = f"note: {tmp_path}: frames clip at 84% of the white level of their files, which is taken for white"
    assert capsys.readouterr().err.strip() == note


def test_frames_that_reach_white_stay(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Also where a surface is as bright as in no other px, but not brighter than a shorter frame shows it."""
    files, exposures = [tmp_path / f"{number}.dng" for number in range(3)], np.array([1.0, 4.0, 16.0])
    surface = np.tile(np.float32([0.05, 0.2, 0.8]).reshape(3, 1, 1, 1), (1, 4, 60, 80))
    for frames in (bracket(1.0), surface):
        before = frames.copy()
        whiten_clipped(files, frames, exposures)
        assert_array_equal(frames, before)
    assert capsys.readouterr().err == ""


def test_most_frames_say_how_a_bracket_is_turned(capsys: pytest.CaptureFixture) -> None:
    files = [Path(f"{number}.dng") for number in range(3)]
    assert agreed_orientation(files, [6, 6, 6]) == 6
    assert capsys.readouterr().err == ""
    assert agreed_orientation(files, [6, 1, 1]) == 1
    told = capsys.readouterr().err
    assert told.startswith("note: 0.dng: it is flagged as rotated otherwise than most (6, not 1 in EXIF)")
    assert agreed_orientation(files[:2], [8, 1]) == 8


@pytest.mark.skipif(not (SHARED / "raw").is_dir(), reason="the real raw files are not here")
def test_zeros_in_real_files_are_found(tmp_path: Path) -> None:
    for name, message in (
        ("Blackmagic", "px are missing up to byte"),
        ("colorchart", "rows of cells hold only 0"),
    ):
        content = (SHARED / "raw" / f"{name}.dng").read_bytes()
        size = int(0.9 * len(content))
        (tmp_path / f"{name}.dng").write_bytes(content[:size] + bytes(len(content) - size))
        with pytest.raises(UserError, match=message):
            read_raw(tmp_path / f"{name}.dng")


@pytest.mark.parametrize("row", [60, 61])
def test_px_that_end_in_either_row_of_a_cell(row: int) -> None:
    mosaic = np.random.default_rng(0).integers(200, 900, (96, 128), np.uint16)
    mosaic[row, 50:] = 1023
    mosaic[row + 1 :] = 1023
    planes = pack(mosaic).transpose(1, 2, 0)
    with pytest.raises(UserError, match="as where data are missing"):
        check_content(planes, BLACK, 1023)
