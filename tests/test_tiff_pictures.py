"""Which page of a TIFF file is the picture, and what its samples mean."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from util.errors import UserError
from util.imaging.images import read_coded, read_picture
from util.imaging.tiff_pictures import count_pictures, picture_size, read_tiff
from util.imaging.tiff_samples import scaled

MAX_SAMPLE_VALUE, S_MAX_SAMPLE_VALUE, ORIENTATION = 281, 341, 274
HALF = 32896  # of 65535; 8 bits: 128 of 255


@pytest.fixture
def codes() -> np.ndarray:
    """uint16 RGB (12, 16, 3), of 8 bits twice over."""
    return 257 * np.random.default_rng(0).integers(0, 256, (12, 16, 3)).astype(np.uint16)


def both(path: Path) -> np.ndarray:
    """What both readers give, in shares of white."""
    found = read_picture(path), read_tiff(path)
    assert np.array_equal(*found)
    return found[0] / np.iinfo(found[0].dtype).max


def grey(codes: np.ndarray) -> np.ndarray:
    return codes[..., :1].repeat(3, axis=2)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_where_0_is_white(codes: np.ndarray, dtype: type, tmp_path: Path) -> None:
    stored = (codes[..., 0] // (1 if dtype == np.uint16 else 257)).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", np.iinfo(dtype).max - stored, photometric="miniswhite")
    np.testing.assert_allclose(both(tmp_path / "a.tif"), grey(codes) / 65535)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_opacity_does_not_change_colours(codes: np.ndarray, dtype: type, kind: str, tmp_path: Path) -> None:
    """Unassociated, it says nothing about them; associated, they were multiplied by it."""
    full = np.iinfo(dtype).max
    opacity = np.full(codes.shape[:2], HALF // (65535 // full), dtype)
    opacity[:2], opacity[2:4] = full, 0
    stored = (codes // (65535 // full)).astype(float)
    shown = np.rint(stored * (opacity[..., None] / full)) if kind == "assocalpha" else stored
    picture = np.dstack([shown, opacity]).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", picture, photometric="rgb", extrasamples=[kind])
    found = both(tmp_path / "a.tif")
    seen = np.ones(12, bool) if kind == "unassalpha" else opacity[:, 0] > 0
    np.testing.assert_allclose(found[seen], codes[seen] / 65535, atol=1.01 / full)
    assert (found[~seen] == 0).all()


@pytest.mark.parametrize("colours", [16, 256])
@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_palettes_are_expanded(codes: np.ndarray, colours: int, suffix: str, tmp_path: Path) -> None:
    image = Image.fromarray((codes >> 8).astype(np.uint8)).quantize(colours)
    image.save(tmp_path / f"a{suffix}")
    assert np.array_equal(read_picture(tmp_path / f"a{suffix}"), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("write", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg"])
def test_compressions(write: str, tmp_path: Path) -> None:
    smooth = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (40, 48, 3)).astype(np.uint8), (0, 0), 4
    )
    quality = {"quality": 95} if write == "jpeg" else {}
    Image.fromarray(smooth).save(tmp_path / "a.tif", compression=write, **quality)
    assert np.abs(both(tmp_path / "a.tif") - smooth / 255).max() < (0.02 if write == "jpeg" else 1e-9)


@pytest.mark.parametrize("code", [MAX_SAMPLE_VALUE, S_MAX_SAMPLE_VALUE])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_a_tag_tells_white(codes: np.ndarray, code: int, bits: int, tmp_path: Path) -> None:
    white = (1 << bits) - 1
    stored = np.rint(codes / 65535 * white).astype(np.uint16)
    tag = [(code, 3, 3, (white,) * 3, True)]
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extratags=tag)
    np.testing.assert_allclose(both(tmp_path / "a.tif"), codes / 65535, atol=0.6 / white)
    assert read_coded(tmp_path / "a.tif").tells_white
    tifffile.imwrite(tmp_path / "a.tif", codes, photometric="rgb", extratags=tag)  # the tag is wrong
    assert np.array_equal(both(tmp_path / "a.tif"), codes / 65535)
    assert not read_coded(tmp_path / "a.tif").tells_white


def test_samples_of_12_bits(codes: np.ndarray, tmp_path: Path) -> None:
    """Packed: three bytes hold two. LibTIFF gives 65520 for white."""
    stored = codes.astype(int) >> 4
    packed = ((stored[..., None] >> np.arange(11, -1, -1)) & 1).astype(np.uint8)
    rows = np.packbits(packed.reshape(12, -1), axis=1)
    tifffile.imwrite(
        tmp_path / "a.tif", rows[..., None].repeat(3, axis=2), photometric="rgb", rowsperstrip=12
    )
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        tags = file.pages.first.tags
        tags["BitsPerSample"].overwrite((12, 12, 12))
        tags["ImageWidth"].overwrite(16)
        file.filehandle.seek(tags["StripOffsets"].value[0])
        file.filehandle.write(rows.tobytes())
        tags["StripByteCounts"].overwrite(rows.size)
    np.testing.assert_allclose(both(tmp_path / "a.tif"), stored / 4095, atol=1e-5)


def pages(path: Path, *pictures: np.ndarray, **settings: Any) -> Path:
    with tifffile.TiffWriter(path) as file:
        for picture in pictures:
            file.write(picture, photometric="rgb", metadata=None, **settings)
    return path


def reduced_first(path: Path, codes: np.ndarray) -> None:
    with tifffile.TiffWriter(path) as file:
        file.write(codes[::4, ::4], photometric="rgb", subfiletype=1, metadata=None)
        file.write(codes, photometric="rgb", metadata=None)


def in_a_sub_ifd(path: Path, codes: np.ndarray) -> None:
    with tifffile.TiffWriter(path) as file:
        file.write(codes[::4, ::4], photometric="rgb", subifds=1, subfiletype=1, metadata=None)
        file.write(codes, photometric="rgb", metadata=None)


def enlarged_preview(path: Path, codes: np.ndarray) -> None:
    """A page that is larger than the picture, but marked as reduced."""
    with tifffile.TiffWriter(path) as file:
        file.write(codes.repeat(2, axis=0), photometric="rgb", subfiletype=1, metadata=None)
        file.write(codes, photometric="rgb", metadata=None)


def unmarked(path: Path, codes: np.ndarray) -> None:
    pages(path, codes[::2, ::2], codes)


@pytest.mark.parametrize("write", [reduced_first, in_a_sub_ifd, enlarged_preview, unmarked])
def test_previews_are_not_the_picture(write: Callable, codes: np.ndarray, tmp_path: Path) -> None:
    write(tmp_path / "a.tif", codes)
    assert np.array_equal(both(tmp_path / "a.tif"), codes / 65535)
    assert count_pictures(tmp_path / "a.tif") == 1 and picture_size(tmp_path / "a.tif") == (12, 16)


def test_several_pictures(codes: np.ndarray, tmp_path: Path) -> None:
    path = pages(tmp_path / "a.tif", codes, codes[::-1], codes[:, ::-1])
    assert count_pictures(path) == 3
    assert np.array_equal(read_coded(path, number=2).codes, codes[:, ::-1])
    for read in (read_picture, read_tiff):
        with pytest.raises(UserError, match=r"a\.tif holds 3 pictures of one size: save each as a file"):
            read(path)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "a.png")
    assert count_pictures(tmp_path / "a.png") == 1


@pytest.mark.parametrize("orientation, turns", [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_orientation(codes: np.ndarray, orientation: int, turns: int, tmp_path: Path) -> None:
    tag = [(ORIENTATION, 3, 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", codes, photometric="rgb", extratags=tag)
    assert np.array_equal(read_picture(tmp_path / "a.tif"), codes)
    for read in (read_picture, read_tiff):
        assert np.array_equal(read(tmp_path / "a.tif", upright=True), np.rot90(codes, turns))


@pytest.mark.parametrize("dtype", [np.uint32, np.int16, np.float16, np.float64])
def test_other_numbers_are_refused(dtype: type, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((8, 9, 3), dtype), photometric="rgb")
    for read in (read_picture, read_tiff):
        with pytest.raises(UserError, match=f"it holds {np.dtype(dtype)}: save it with 16 bits"):
            read(tmp_path / "a.tif")


def test_scaled() -> None:
    codes = np.array([[[0, 2048, 4095], [5000, 1, 65535]]], np.uint16)
    assert scaled(codes, 4095).tolist() == [[[0, 32776, 65535], [65535, 16, 65535]]]
    assert scaled(np.array([[[0, 100, 200]]], np.uint8), 200).tolist() == [[[0, 32768, 65535]]]


@pytest.mark.parametrize("start", [b"\0\0\0\x20ftypavif\0\0", b"\0\0\0\x18ftypheic\0\0"])
def test_formats_of_phones_are_refused_by_name(start: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(start + bytes(40))
    with pytest.raises(UserError, match=r"a\.png: is an AVIF or HEIC picture: save it as PNG or TIFF of 16"):
        read_picture(tmp_path / "a.png")
