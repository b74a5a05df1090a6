"""Picture files: what is written comes back, and damage is named."""

import struct
import zlib
from importlib import util

import cv2
import numpy as np
import pytest
import tifffile

from util.errors import UserError
from util.imaging.images import read_picture, write_png8, write_png16
from util.imaging.radiance_exr import read_exr
from util.imaging.tiff_pictures import read_tiff


@pytest.mark.parametrize(("write", "dtype"), [(write_png16, np.uint16), (write_png8, np.uint8)])
def test_png_round_trip_in_rgb_order(write, dtype, tmp_path):
    rgb = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (7, 11, 3)).astype(dtype)
    path = tmp_path / "folder" / "picture.png"
    write(path, rgb)
    back = read_picture(path)
    assert back.dtype == dtype
    assert np.array_equal(back, rgb)
    assert [entry.name for entry in path.parent.iterdir()] == ["picture.png"]


def test_png_of_another_type_or_name_is_refused(tmp_path):
    with pytest.raises(TypeError, match="must be uint16, not float32"):
        write_png16(tmp_path / "a.png", np.zeros((4, 4, 3), np.float32))
    with pytest.raises(UserError, match=r"must end in \.png"):
        write_png8(tmp_path / "a.jpg", np.zeros((4, 4, 3), np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "damage", [lambda png: png[: len(png) // 2], lambda png: b"", lambda png: b"text" * 20]
)
def test_a_damaged_png_is_named(damage, tmp_path):
    path = tmp_path / "picture.png"
    write_png16(path, np.random.default_rng(0).integers(0, 65536, (30, 30, 3)).astype(np.uint16))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r"picture\.png is damaged"):
        read_picture(path)


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot read picture .*none\.png: No such file"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(UserError, match=r"none\.exr does not exist"):
        read_exr(tmp_path / "none.exr")


def test_a_picture_that_claims_to_be_huge_is_named(tmp_path):
    write_png8(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    content = (tmp_path / "a.png").read_bytes()
    header = b"IHDR" + struct.pack(">2I", 60000, 60000) + content[24:29]
    crc = struct.pack(">I", zlib.crc32(header))
    (tmp_path / "a.png").write_bytes(content[:12] + header + crc + content[33:])
    with pytest.raises(UserError, match=r"a\.png is damaged .*: 99 bytes are no picture of 60000 x 60000 px"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_planes_that_are_stored_apart_are_read(dtype, tmp_path):
    planes = np.random.default_rng(0).integers(0, 256, (3, 7, 11)).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    assert np.array_equal(read_picture(tmp_path / "a.tif"), np.moveaxis(planes, 0, -1))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("opacity", [False, True])
def test_tiff_of_every_kind_comes_back(dtype, planar, opacity, tmp_path):
    rgba = np.random.default_rng(0).random((7, 9, 4)) * 255
    stored = rgba.astype(dtype)[..., : 4 if opacity else 3]
    layout = stored if planar == "contig" else np.moveaxis(stored, -1, 0)
    more = {"extrasamples": ["unassalpha"]} if opacity else {}
    tifffile.imwrite(tmp_path / "a.tif", layout, photometric="rgb", planarconfig=planar, **more)
    picture = read_tiff(tmp_path / "a.tif")
    assert picture.dtype == dtype
    assert np.array_equal(picture, stored[..., :3])


def test_grey_tiff_becomes_rgb_and_several_pages_are_refused(tmp_path):
    pages = np.random.default_rng(0).integers(0, 65536, (2, 7, 9)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pages[0], photometric="minisblack")
    assert np.array_equal(read_tiff(tmp_path / "a.tif"), np.repeat(pages[0, ..., None], 3, axis=2))
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack")
    for read in (read_tiff, read_picture):
        with pytest.raises(UserError, match=r"a\.tif holds 2 pictures of one size: save each"):
            read(tmp_path / "a.tif")


@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3)])
def test_tiff_as_opencv_writes_it_comes_back(shape, dtype, predictor, tmp_path):
    picture = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    stored = picture if picture.ndim == 2 else picture[..., ::-1]
    cv2.imwrite(str(tmp_path / "a.tif"), stored, [cv2.IMWRITE_TIFF_PREDICTOR, predictor])
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages.first.compression == tifffile.COMPRESSION.LZW
    expected = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    found = read_tiff(tmp_path / "a.tif")
    assert found.dtype == dtype
    assert np.array_equal(found, expected)


def test_a_damaged_lzw_tiff_is_named(tmp_path):
    path = tmp_path / "a.tif"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 65535, (40, 50, 3), np.uint16))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(UserError, match=r"a\.tif is damaged"):
        read_tiff(path)


@pytest.mark.skipif(util.find_spec("imagecodecs") is not None, reason="imagecodecs reads it")
def test_lzw_that_opencv_changes_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    cv2.imwrite(str(path), np.ones((40, 50, 3), np.float32), [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    with pytest.raises(UserError, match=r"a\.tif is compressed by LZW: pip install imagecodecs"):
        read_tiff(path)


def test_a_damaged_or_other_tiff_is_named(tmp_path):
    path = tmp_path / "a.tif"
    with pytest.raises(UserError, match=r"cannot read picture .*a\.tif: No such file"):
        read_tiff(path)
    tifffile.imwrite(path, np.zeros((40, 40, 3), np.float64), photometric="rgb")
    with pytest.raises(UserError, match=r"a\.tif: .*uint8, uint16 or float32 is needed, it holds float64"):
        read_tiff(path)
    tifffile.imwrite(path, np.zeros((40, 40, 2), np.uint8), photometric="minisblack", planarconfig="contig")
    with pytest.raises(UserError, match=r"a\.tif: an RGB picture is needed"):
        read_tiff(path)
    path.write_bytes(b"no picture" * 9)
    with pytest.raises(UserError, match=r"a\.tif is damaged or is not a TIFF picture"):
        read_tiff(path)
    tifffile.imwrite(path, np.ones((40, 40, 3), np.uint16), photometric="rgb", compression="zlib")
    whole = path.read_bytes()
    for size in (4, 200, len(whole) - 20):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"a\.tif is damaged"):
            read_tiff(path)
