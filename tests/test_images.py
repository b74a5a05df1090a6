"""Picture files: what is written comes back, and damage is named."""

import struct
import zlib
from importlib import util
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from util.errors import UserError
from util.imaging.images import read_picture, read_tiff, write_png8, write_png16
from util.imaging.radiance import read_radiance, write_radiance
from util.imaging.radiance_exr import read_exr
from util.imaging.radiance_hdr import read_hdr

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def make_radiance(height: int = 9, width: int = 13) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.random((height, width, 3)) * 10.0 ** rng.uniform(-6, 5, (height, width, 1))).astype(
        np.float32
    )


def read_flat_hdr(path) -> np.ndarray:
    """Flat RGBE, read independently of the writer."""
    content = path.read_bytes()
    header, body = content.split(b"\n\n", 1)
    size, pixels = body.split(b"\n", 1)
    assert header.startswith(b"#?RADIANCE\n")
    _, height, _, width = size.split()
    rgbe = np.frombuffer(pixels, np.uint8).reshape(int(height), int(width), 4).astype(np.float64)
    return rgbe[..., :3] / 256 * 2.0 ** (rgbe[..., 3:] - 128)


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
    with pytest.raises(UserError, match=r"a\.png is damaged, or too large for OpenCV"):
        read_picture(tmp_path / "a.png")


def test_planes_of_16_bits_that_are_stored_apart_are_refused(tmp_path):
    planes = np.random.default_rng(0).integers(0, 256, (3, 7, 11))
    apart = {"photometric": "rgb", "planarconfig": "separate"}
    tifffile.imwrite(tmp_path / "8.tif", planes.astype(np.uint8), **apart)
    assert np.array_equal(read_picture(tmp_path / "8.tif"), np.moveaxis(planes, 0, -1))
    tifffile.imwrite(tmp_path / "16.tif", planes.astype(np.uint16), **apart)
    with pytest.raises(UserError, match=r"16\.tif: its planes of 16 bits are stored apart"):
        read_picture(tmp_path / "16.tif")
    interleaved = np.moveaxis(planes, 0, -1).astype(np.uint16)
    tifffile.imwrite(tmp_path / "16.tif", interleaved, photometric="rgb")
    assert np.array_equal(read_picture(tmp_path / "16.tif"), interleaved)


def test_exr_keeps_every_bit(tmp_path):
    rgb = make_radiance()
    rgb[0, 0] = (-1.5, np.inf, 1e-40)
    write_radiance(tmp_path / "a.exr", rgb)
    back = read_exr(tmp_path / "a.exr")
    assert back.dtype == np.float32
    assert back.tobytes() == rgb.tobytes()


def test_a_view_can_be_written_as_exr(tmp_path):
    rgb = make_radiance()[::-1, ::2]
    write_radiance(tmp_path / "a.EXR", rgb)
    assert np.array_equal(read_exr(tmp_path / "a.EXR"), rgb)


@pytest.mark.parametrize("damage", [lambda exr: exr[: len(exr) // 2], lambda exr: b"text" * 20])
def test_a_damaged_exr_is_named(damage, tmp_path):
    path = tmp_path / "a.exr"
    write_radiance(path, make_radiance(60, 40))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r"a\.exr is damaged"):
        read_exr(path)


def test_hdr_is_within_half_a_step_of_the_largest_channel(tmp_path):
    rgb = make_radiance(50, 40)
    rgb[0, 0] = 0
    rgb[0, 1] = (-3, 2, 0.5)
    rgb[0, 2] = 0.99999  # the mantissa would round up to 256
    write_radiance(tmp_path / "a.hdr", rgb)
    back = read_flat_hdr(tmp_path / "a.hdr")
    assert np.array_equal(read_hdr(tmp_path / "a.hdr"), back)
    kept = np.maximum(rgb, 0)
    largest = kept.max(axis=-1, keepdims=True)
    assert (np.abs(back - kept) <= 0.004 * largest).all()
    brightest = np.take_along_axis(back, kept.argmax(axis=-1)[..., None], axis=-1)
    assert (np.abs(brightest - largest) <= 0.01 * largest).all()
    assert back[0, 0].tolist() == [0, 0, 0]
    assert back[0, 1].tolist() == [0, 2, 0.5]


def test_hdr_extremes_stay_finite(tmp_path):
    rgb = np.array([[[3e38, 1.0, 0.0], [1e-38, 1e-39, 0.0]]], np.float32)
    write_radiance(tmp_path / "a.hdr", rgb)
    back = read_flat_hdr(tmp_path / "a.hdr")
    assert np.array_equal(read_hdr(tmp_path / "a.hdr"), back)
    assert back[0, 0, 0] == pytest.approx(2.0**126, rel=0.005)
    assert back[0, 1, 0] == pytest.approx(1e-38, abs=1e-38)


def test_radiance_that_cannot_be_written_is_a_clear_error(tmp_path):
    rgb = make_radiance()
    with pytest.raises(UserError, match=r"as \.exr or \.hdr, not as \.tif"):
        write_radiance(tmp_path / "a.tif", rgb)
    rgb[0, 0, 0] = np.nan
    with pytest.raises(UserError, match=r"not finite, which only \.exr can store"):
        write_radiance(tmp_path / "a.hdr", rgb)
    (tmp_path / "folder.exr").mkdir()
    with pytest.raises(UserError, match=r"cannot write .*folder\.exr"):
        write_radiance(tmp_path / "folder.exr", rgb)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.exr"]


HEADER = b"#?RADIANCE\n# a comment\nFORMAT=32-bit_rle_rgbe\n"


def radiance_file(path: Path, size: bytes, body: bytes, header: bytes = HEADER) -> Path:
    path.write_bytes(header + b"\n" + size + b"\n" + body)
    return path


def new_line(pixels: np.ndarray) -> bytes:
    """A line (W, 4) in the newer run lengths: runs where a byte repeats, else up to 100 bytes as they are."""
    line = bytes([2, 2, len(pixels) >> 8, len(pixels) & 255])
    for channel in pixels.T:
        place = 0
        while place < len(channel):
            run = 1
            while run < 127 and place + run < len(channel) and channel[place + run] == channel[place]:
                run += 1
            literal = channel[place : place + 100].tolist()
            line += bytes([128 + run, channel[place]]) if run > 2 else bytes([len(literal), *literal])
            place += run if run > 2 else len(literal)
    return line


def decoded(pixels: np.ndarray) -> np.ndarray:
    return (pixels[..., :3] / 256 * 2.0 ** (pixels[..., 3:].astype(float) - 128)).astype(np.float32)


@pytest.fixture
def pixels() -> np.ndarray:
    """Stored pixels (5, 300, 4) with long runs, short ones and none."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(2, 256, (5, 300, 4)).astype(np.uint8)
    pixels[1] = pixels[1, :1]
    pixels[2, :, :2] = np.repeat(rng.integers(0, 256, (100, 2)), 3, axis=0)
    pixels[..., 3] = np.clip(pixels[..., 3], 100, 150)
    return pixels


def test_hdr_with_new_run_lengths(pixels, tmp_path):
    body = b"".join(new_line(line) for line in pixels)
    assert len(body) < pixels.size
    picture = read_hdr(radiance_file(tmp_path / "a.hdr", b"-Y 5 +X 300", body))
    assert picture.dtype == np.float32
    assert np.array_equal(picture, decoded(pixels))


def test_hdr_with_old_run_lengths(tmp_path):
    """(1, 1, 1, n) repeats the pixel before it n times, a second one in a row 256 n times."""
    pixel, other = bytes([10, 20, 30, 128]), bytes([40, 50, 60, 129])
    line = pixel + bytes([1, 1, 1, 3]) + other + bytes([1, 1, 1, 44]) + bytes([1, 1, 1, 1]) + pixel
    width = 1 + 3 + 1 + 44 + 256 + 1
    picture = read_hdr(radiance_file(tmp_path / "a.hdr", b"-Y 2 +X %d" % width, 2 * line))
    assert picture.shape == (2, width, 3)
    assert (picture[:, :4] * 256 == (10, 20, 30)).all()
    assert (picture[:, 4:-1] * 128 == (40, 50, 60)).all()
    assert (picture[:, -1] * 256 == (10, 20, 30)).all()


@pytest.mark.parametrize(
    "size, turn",
    [
        (b"+Y 5 +X 300", lambda stored: stored[::-1]),
        (b"-Y 5 -X 300", lambda stored: stored[:, ::-1]),
        (b"+X 5 -Y 300", lambda stored: stored.swapaxes(0, 1)),
        (b"-X 5 +Y 300", lambda stored: stored[::-1, ::-1].swapaxes(0, 1)),
    ],
)
def test_hdr_lines_in_other_orders(size, turn, pixels, tmp_path):
    picture = read_hdr(radiance_file(tmp_path / "a.hdr", size, pixels.tobytes()))
    assert np.array_equal(picture, decoded(turn(pixels)))


def test_hdr_exposure_is_divided_out(pixels, tmp_path):
    header = HEADER + b"EXPOSURE=2.0\nEXPOSURE= 4\n"
    picture = read_hdr(radiance_file(tmp_path / "a.hdr", b"-Y 5 +X 300", pixels.tobytes(), header))
    assert np.array_equal(picture, decoded(pixels) / 8)


@pytest.mark.parametrize(
    "size, body, header, message",
    [
        (b"-Y 5 +X 300", b"", HEADER, "ends too early"),
        (b"-Y 2 +X 8", bytes([2, 2, 0, 8, 200]), HEADER, "ends too early"),
        (b"-Y 1 +X 8", bytes([2, 2, 0, 9, 200]), HEADER, "another length"),
        (b"-Y 1 +X 8", bytes([2, 2, 0, 8, 137, 5]), HEADER, "beyond its line"),
        (b"-Y 1 +X 8", bytes([2, 2, 0, 8, 0]), HEADER, "a run is empty"),
        (b"-Y 1 +X 2", bytes([1, 1, 1, 9, 1, 1, 1, 1]), HEADER, "beyond its line"),
        (b"-Y 1 +X 9", bytes([3, 4, 5, 9, 1, 1, 1, 1]), HEADER, "ends too early"),
        (b"five by five", b"", HEADER, "does not end with a size"),
        (b"-Y 5 +Y 5", b"", HEADER, "does not end with a size"),
        (b"-Y 1 +X 1", bytes(4), HEADER.replace(b"rgbe", b"xyze"), "holds XYZ"),
        (b"-Y 1 +X 1", bytes(4), b"PNG", "is not a Radiance picture"),
    ],
)
def test_a_damaged_hdr_is_named(size, body, header, message, tmp_path):
    path = radiance_file(tmp_path / "a.hdr", size, body, header)
    with pytest.raises(UserError, match=rf"a\.hdr.*{message}"):
        read_hdr(path)


@pytest.mark.skipif(not (DATA / "hdr").is_dir(), reason="real pictures are not here")
@pytest.mark.parametrize(
    "name, shape, largest", [("memorial", (768, 512, 3), 274), ("nancy_church", (1024, 768, 3), 5344)]
)
def test_real_hdr_photographs(name, shape, largest):
    picture = read_radiance(DATA / "hdr" / f"{name}.hdr")
    assert (picture.shape, picture.max()) == (shape, largest)
    assert np.median(picture) > 0


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


def test_grey_tiff_becomes_rgb_and_only_the_first_page_is_read(tmp_path):
    pages = np.random.default_rng(0).integers(0, 65536, (2, 7, 9)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack")
    assert np.array_equal(read_tiff(tmp_path / "a.tif"), np.repeat(pages[0, ..., None], 3, axis=2))


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


def test_linear_light_by_suffix(tmp_path):
    rgb = make_radiance()
    write_radiance(tmp_path / "a.exr", rgb)
    write_radiance(tmp_path / "a.hdr", rgb)
    assert np.array_equal(read_radiance(tmp_path / "a.exr"), rgb)
    np.testing.assert_allclose(read_radiance(tmp_path / "a.hdr"), rgb, atol=0.005 * rgb.max())
    tifffile.imwrite(tmp_path / "a.TIF", rgb, photometric="rgb")
    assert np.array_equal(read_radiance(tmp_path / "a.TIF"), rgb)
    code = np.array([[[0, 13107, 65535]]], np.uint16)
    tifffile.imwrite(tmp_path / "b.tiff", code, photometric="rgb")
    np.testing.assert_allclose(read_radiance(tmp_path / "b.tiff"), [[[0, 0.2, 1]]], rtol=1e-6)
    tifffile.imwrite(tmp_path / "c.tif", code.astype(np.uint8), photometric="rgb")
    with pytest.raises(UserError, match=r"c\.tif: 8 bits are too few for linear light"):
        read_radiance(tmp_path / "c.tif")
    with pytest.raises(
        UserError, match=r"a\.jpg: linear light is read from \.exr, \.hdr, \.tif, \.tiff, not \.jpg"
    ):
        read_radiance(tmp_path / "a.jpg")
