"""Linear DNG: brackets of camera RGB, from their levels and colours to light."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_allclose

from data.photos import read_scene, reading_options
from data.reading.exif import read_tags
from data.reading.raw import read_raw
from data.reading.raw_linear import is_linear, read_linear
from tests.photo_files import LONG, RATIONAL, SHORT, SRATIONAL, XYZ_TO_CAMERA, make_dng
from util.errors import UserError
from util.imaging.demosaic import menon
from util.imaging.rendering import linear_srgb

MATRIX = tuple(part for value in XYZ_TO_CAMERA.ravel() for part in (round(1000 * value), 1000))
NEUTRAL = np.array([0.5, 1.0, 0.6])


def write_linear(path: Path, rgb: np.ndarray, time: int = 60, extra: tuple = ()) -> None:
    """Camera RGB (H, W, 3) as a linear DNG of black 64, white 1023, exposed for 1 / `time` s."""
    tags = [
        (50706, 1, 4, b"\1\4\0\0", True),
        (50708, 2, 0, "Phone", True),
        (50714, RATIONAL, 1, (64, 1), True),
        (50717, LONG, 1, 1023, True),
        (50721, SRATIONAL, 9, MATRIX, True),
        (50728, RATIONAL, 3, (5, 10, 1, 1, 6, 10), True),
        (50778, SHORT, 1, 21, True),
        (33434, RATIONAL, 1, (1, time), True),
        (33437, RATIONAL, 1, (28, 10), True),
        (34855, SHORT, 1, 100, True),
    ]
    replaced = {tag[0] for tag in extra}
    tags = [*(tag for tag in tags if tag[0] not in replaced), *extra]
    tifffile.imwrite(path, rgb, photometric=34892, planarconfig="contig", metadata=None, extratags=tags)


def phone_bracket(folder: Path, **changes) -> np.ndarray:
    """Three linear DNG of grey light (40, 60), which is returned, 4 times apart."""
    folder.mkdir()
    light = np.random.default_rng(0).uniform(0.1, 0.2, (40, 60))
    light[:, 40:] *= 4
    for number, factor in enumerate((1, 4, 16)):
        values = np.clip(light[..., None] * NEUTRAL * factor, 0, 1)
        write_linear(
            folder / f"{number}.dng", np.rint(64 + 959 * values).astype(np.uint16), 480 // factor, **changes
        )
    return light


def test_levels_may_differ_by_colour(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(100, 1000, (40, 60, 3), dtype=np.uint16)
    levels = [(50714, RATIONAL, 3, (60, 1, 64, 1, 68, 1), True), (50717, LONG, 3, (1000, 1023, 1010), True)]
    write_linear(tmp_path / "a.dng", rgb, extra=levels)
    image = read_linear(tmp_path / "a.dng")
    assert is_linear(read_tags(tmp_path / "a.dng")) and (image.planes == rgb).all()
    assert image.black.tolist() == [60, 64, 68] and image.white.tolist() == [1000, 1023, 1010]
    write_linear(tmp_path / "b.dng", rgb, extra=[(50714, RATIONAL, 2, (60, 1, 64, 1), True)])
    with pytest.raises(UserError, match=r"b\.dng: tag BlackLevel is damaged: 2 levels for 3 colours"):
        read_linear(tmp_path / "b.dng")


def test_a_bracket_becomes_the_light_of_its_colours(tmp_path: Path) -> None:
    light = phone_bracket(tmp_path / "night")
    scene = read_scene(tmp_path / "night", reading_options())
    assert scene.frames.shape == (3, 3, 40, 60) and not scene.is_raw and not scene.is_raw_bracket
    assert_allclose(scene.frames[0], (light[..., None] * NEUTRAL).transpose(2, 0, 1), atol=6e-4)
    assert scene.frames[2, 1, :, 40:].min() == 1
    shown = linear_srgb(scene.frames[0], scene.meta, menon, white=1.0, clip=False)
    assert_allclose(shown, light[..., None].repeat(3, axis=2), atol=4e-3)  # grey is grey


def test_a_bracket_flagged_as_rotated_is_upright(tmp_path: Path) -> None:
    phone_bracket(tmp_path / "night", extra=((274, SHORT, 1, 6, True),))
    scene = read_scene(tmp_path / "night", reading_options())
    shown = linear_srgb(scene.frames[0], scene.meta, menon, white=1.0, clip=False)
    assert shown.shape == (60, 40, 3)
    assert shown[45:].mean() > 2 * shown[:35].mean()  # what was right is below


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    phone_bracket(tmp_path / "night")
    make_dng(tmp_path / "night" / "3.dng", exposure_time=1 / 4)
    with pytest.raises(UserError, match=r"3\.dng is no linear DNG, as others beside it are"):
        read_scene(tmp_path / "night", reading_options())
    with pytest.raises(UserError, match=r"0\.dng has no Bayer mosaic .*: it holds RGB"):
        read_raw(tmp_path / "night" / "0.dng")
    for name in ("1.dng", "2.dng", "3.dng"):
        (tmp_path / "night" / name).unlink()
    with pytest.raises(UserError, match=r"0\.dng has no Bayer mosaic .*: it holds RGB"):
        read_scene(tmp_path / "night", reading_options())
