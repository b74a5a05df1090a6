"""DNG by JPEG XL, and DNG of floats: what is written comes back, here and in LibRaw; the rest is named."""

from importlib import util
from pathlib import Path

import numpy as np
import pytest
import rawpy
import tifffile
import torch

from data.photos import read_scene, reading_options
from data.reading.dng_pixels import COLUMN_INTERLEAVE, JPEG_XL, ROW_INTERLEAVE
from data.reading.float_dng import read_float_dng
from data.reading.raw import read_raw, size_from_red
from data.reading.raw_linear import read_linear
from data.simulate.radiance import read_linear as read_light
from data.simulate.sources import find_sources
from tests.made_footage import scene
from tests.photo_files import XYZ_TO_CAMERA, make_dng, random_mosaic
from util.errors import UserError
from util.imaging.bayer import PLANES, pack, unpack
from util.imaging.demosaic import menon
from util.imaging.dng_tags import (
    COLOUR_FILTER_ARRAY,
    LINEAR_RAW,
    LONG,
    RATIONAL,
    SHORT,
    SRATIONAL,
    Tag,
    colour_tags,
    file_tags,
    pattern_tags,
    rationals,
)
from util.imaging.pictures import Pictures
from util.imaging.radiance import write_radiance
from util.imaging.rendering import linear_srgb

needs_imagecodecs = pytest.mark.skipif(
    util.find_spec("imagecodecs") is None, reason="imagecodecs is not installed"
)
COLOURS = colour_tags((0.5, 1.0, 0.6), [XYZ_TO_CAMERA], [21])
META = {
    "white_balance": np.float32([2.0, 1.0, 1.6]),
    "cam2rgb": np.float32([[1.7, -0.5, -0.2], [-0.2, 1.5, -0.3], [0.05, -0.5, 1.45]]),
    "cfa": "GRBG",
}


def write_stored(path: Path, pixels: np.ndarray, *more: Tag, white: int = 1023, **how: object) -> Path:
    """A DNG of black 64 (of floats 0) by tifffile, with tags `more`, which win."""
    is_mosaic = pixels.ndim == 2
    black = 0 if pixels.dtype.kind == "f" else 64
    tags = [*(pattern_tags(PLANES["RGGB"]) if is_mosaic else []), *file_tags("Phone", black, white, (1, 4))]
    replaced = {tag[0] for tag in more}
    kind = COLOUR_FILTER_ARRAY if is_mosaic else LINEAR_RAW
    tags = [*(tag for tag in [*tags, *COLOURS] if tag[0] not in replaced), *more]
    tifffile.imwrite(path, pixels, photometric=kind, metadata=None, extratags=tags, **how)
    return path


def write_jpeg_xl(path: Path, pixels: np.ndarray, *more: Tag, **how: object) -> Path:
    return write_stored(path, pixels, *more, compression=JPEG_XL, compressionargs={"lossless": True}, **how)


def lit_floats(size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """Linear sRGB (H, W, 3), bright and coloured."""
    light = scene()[180 : 180 + size[0], 260 : 260 + size[1]]
    return light * (12 / light.max()) + np.float32(0.01)


@needs_imagecodecs
@pytest.mark.parametrize("how", [{}, {"tile": (16, 32)}])
def test_a_mosaic_by_jpeg_xl_is_read_exactly(how, tmp_path):
    mosaic = random_mosaic(size=(32, 64))
    plain, packed = make_dng(tmp_path / "a.dng", mosaic), write_jpeg_xl(tmp_path / "b.dng", mosaic, **how)
    image, other = read_raw(packed), read_raw(tmp_path / "a.dng")
    assert np.array_equal(unpack(image.planes.transpose(2, 0, 1), "RGGB"), plain)
    assert (image.white, image.black.tolist()) == (other.white, other.black.tolist())
    for name, values in other.meta().items():
        np.testing.assert_allclose(image.meta()[name], values, rtol=1e-5) if name != "cfa" else None
    assert size_from_red(packed) == (16, 32)


@needs_imagecodecs
def test_fields_of_a_mosaic_by_jpeg_xl_are_woven(tmp_path):
    mosaic = random_mosaic(size=(32, 64))
    fields = mosaic.reshape(16, 2, 32, 2).transpose(1, 0, 3, 2).reshape(32, 64)
    factors = [(code, SHORT, 1, 2, True) for code in (ROW_INTERLEAVE, COLUMN_INTERLEAVE)]
    image = read_raw(write_jpeg_xl(tmp_path / "a.dng", fields, *factors))
    assert np.array_equal(unpack(image.planes.transpose(2, 0, 1), "RGGB"), mosaic)


@needs_imagecodecs
def test_a_bracket_by_jpeg_xl_is_that_of_the_plain_files(tmp_path):
    rgb = np.random.default_rng(0).integers(64, 1024, (30, 40, 3)).astype(np.uint16)
    assert np.array_equal(read_linear(write_jpeg_xl(tmp_path / "linear.dng", rgb)).planes, rgb)
    light = np.random.default_rng(1).uniform(2, 60, (30, 42))
    scenes = []
    for folder, write in ((tmp_path / "plain", write_stored), (tmp_path / "xl", write_jpeg_xl)):
        folder.mkdir()
        for number, factor in enumerate((1, 4, 16)):
            mosaic = np.rint(64 + np.minimum(light * factor, 959)).astype(np.uint16)
            time = (33434, RATIONAL, 1, (factor, 480), True)
            write(
                folder / f"{number}.dng",
                mosaic,
                time,
                (33437, RATIONAL, 1, (28, 10), True),
                (34855, SHORT, 1, 100, True),
            )
        scenes.append(read_scene(folder, reading_options()))
    assert scenes[0].frames.shape == (3, 4, 15, 21)
    assert np.array_equal(scenes[0].frames, scenes[1].frames)
    assert np.array_equal(scenes[0].exposure, scenes[1].exposure)


def test_without_imagecodecs_its_name_is_said(tmp_path, monkeypatch):
    path = write_stored(tmp_path / "a.dng", random_mosaic())
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["Compression"].overwrite(JPEG_XL)
    monkeypatch.setattr(tifffile.TIFF, "DECOMPRESSORS", {})
    with pytest.raises(UserError, match=r"a\.dng is compressed by JPEG XL: pip install imagecodecs"):
        read_raw(path)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("colours", [1, 3])
def test_floats_are_no_frame(colours, dtype, tmp_path):
    pixels = np.full((16, 24, 3), 0.5, dtype)
    path = write_stored(tmp_path / "a.dng", pixels[..., 0] if colours == 1 else pixels, white=1)
    with pytest.raises(
        UserError, match=r"a\.dng is a DNG of floats, a finished HDR image and no frame: data"
    ):
        (read_raw if colours == 1 else read_linear)(path)
    with pytest.raises(UserError, match=r"a\.dng is a DNG of floats"):
        read_scene(tmp_path, reading_options())


def test_linear_light_as_dng_comes_back(tmp_path):
    rgb = lit_floats()
    rgb[0, 0] = (-1, 0, 3e-4)
    path = tmp_path / "a.dng"
    write_radiance(path, rgb)
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].dtype == np.float16
        assert file.pages[0].tags["BaselineExposure"].value == (4, 1)
    kept = np.maximum(rgb, 0)
    np.testing.assert_allclose(read_float_dng(path), kept, rtol=2e-3, atol=2e-3)
    kept[:, :20] *= 1e-5  # darker than float16 keeps with all digits
    write_radiance(path, kept)
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].dtype == np.float32
        assert np.array_equal(np.ldexp(file.pages[0].asarray(), 4), kept)
    with pytest.raises(UserError, match=r"not finite, which only \.exr can store"):
        write_radiance(path, kept * np.float32(np.inf))


def test_libraw_develops_linear_light_to_the_same_colours(tmp_path):
    rgb = lit_floats()
    write_radiance(tmp_path / "a.dng", rgb)
    developed = develop(tmp_path / "a.dng") * 16
    bright = rgb.min(axis=-1) > 0.3
    np.testing.assert_allclose(developed[bright], rgb[bright], rtol=0.03)


def develop(path: Path) -> np.ndarray:
    """By LibRaw, linear and with the white balance of the file; 1 is white."""
    with rawpy.imread(str(path)) as raw:
        how = {
            "no_auto_bright": True,
            "output_bps": 16,
            "gamma": (1, 1),
            "use_camera_wb": True,
            "adjust_maximum_thr": 0,
        }
        return raw.postprocess(**how) / 65535


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_restored_mosaic_is_written_before_it_is_demosaiced(orientation, tmp_path):
    rgb = np.broadcast_to(np.float32([[[6.0, 4.0, 3.0]]]), (48, 64, 3)).copy()
    rgb[:, 20:] = (0.4, 1.0, 1.5)
    camera = rgb @ np.linalg.inv(META["cam2rgb"]).T / META["white_balance"]
    planes = np.stack(
        [
            camera[row::2, column::2, colour]
            for (row, column), colour in zip(PLANES["GRBG"], (0, 1, 1, 2), strict=True)
        ]
    )
    meta = META | {"orientation": orientation}
    view = Pictures(menon, meta, white=16.0, border=0, isp="full")
    path = tmp_path / "a.dng"
    view.write_light(path, torch.from_numpy(planes)[None], saturates=True)
    with tifffile.TiffFile(path) as file:
        stored = np.ldexp(
            file.pages[0].asarray().astype(np.float32), file.pages[0].tags["BaselineExposure"].value[0]
        )
    np.testing.assert_allclose(pack(stored, "GRBG"), planes, rtol=1e-3)
    ours = linear_srgb(planes, meta, menon, white=1.0, clip=False)
    np.testing.assert_allclose(read_float_dng(path), ours, rtol=5e-3, atol=5e-3)
    developed = develop(path) * 8
    parts = (slice(8, 40), slice(4, 12)), (slice(8, 40), slice(32, 56))
    for part in parts if orientation == 1 else [part[::-1] for part in parts]:
        assert developed.shape == ours.shape
        np.testing.assert_allclose(developed[part].mean((0, 1)), ours[part].mean((0, 1)), rtol=0.03)


def test_three_planes_are_written_as_linear_light(tmp_path):
    rgb = lit_floats()
    view = Pictures(menon, {}, white=16.0, border=0, isp="full")
    view.write_light(tmp_path / "a.dng", torch.from_numpy(rgb.transpose(2, 0, 1))[None], saturates=True)
    np.testing.assert_allclose(read_float_dng(tmp_path / "a.dng"), rgb, rtol=2e-3, atol=1e-3)


def test_levels_and_area_of_floats_are_kept(tmp_path):
    """Black by colour in a pattern, a white that is not 1, a border: as HDRMerge writes them."""
    rgb = np.random.default_rng(0).uniform(0.2, 0.6, (16, 24)).astype(np.float32)
    black = np.tile(np.float32([[1, 2], [3, 4]]), (8, 12))
    stored = np.pad(black + rgb * (1000 - black), ((2, 4), (6, 0)), constant_values=9e4)
    levels = [
        (50713, SHORT, 2, (2, 2), True),
        (50714, *rationals([1, 2, 3, 4]), True),
        (50829, LONG, 4, (2, 6, 18, 30), True),
        (50730, *rationals([1.0], SRATIONAL), True),
    ]
    path = write_stored(tmp_path / "a.dng", stored, *levels, white=1000)
    plain = write_stored(tmp_path / "b.dng", rgb, white=1)
    np.testing.assert_allclose(read_float_dng(path), 2 * read_float_dng(plain), rtol=1e-4)


@needs_imagecodecs
def test_compressed_floats_are_read(tmp_path):
    mosaic = np.random.default_rng(0).uniform(0.1, 0.9, (16, 32)).astype(np.float32)
    plain = write_stored(tmp_path / "a.dng", mosaic, white=1)
    small = write_stored(tmp_path / "b.dng", mosaic, white=1, compression="deflate", predictor=3)
    assert np.array_equal(read_float_dng(plain), read_float_dng(small))


@pytest.mark.parametrize(
    "pixels, tags, message",
    [
        (random_mosaic(), [], "holds whole numbers"),
        (
            np.ones((12, 12), np.float32),
            [(33421, SHORT, 2, (6, 6), True), (33422, 1, 36, bytes(36), True)],
            r"X-Trans \(6x6 cells\); only Bayer",
        ),
        (np.ones((12, 12), np.float32), [(50714, *rationals([2]), True)], "BlackLevel and WhiteLevel do not"),
        (np.ones((12, 12), np.float32), [(50829, LONG, 4, (4, 4, 4, 4), True)], "ActiveArea is damaged"),
    ],
)
def test_other_dng_are_no_light(pixels, tags, message, tmp_path):
    path = write_stored(tmp_path / "a.dng", pixels, *tags, white=1)
    with pytest.raises(UserError, match=rf"a\.dng: .*{message}"):
        read_float_dng(path)


def test_a_dng_of_floats_is_a_source_of_light(tmp_path):
    rgb = lit_floats()
    write_radiance(tmp_path / "night.dng", rgb)
    make_dng(tmp_path / "frame.dng")
    (source,) = find_sources([tmp_path])
    assert source.name == "night"
    assert np.array_equal(source.frames.read(0), read_float_dng(tmp_path / "night.dng"))
    assert np.array_equal(read_light(tmp_path / "night.dng"), source.frames.read(0))
