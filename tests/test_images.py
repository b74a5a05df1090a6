"""Picture files: what is written comes back, and damage is named."""

import numpy as np
import pytest

from util.errors import UserError
from util.images import read_exr, read_png, write_png8, write_png16, write_radiance


def make_radiance(height: int = 9, width: int = 13) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.random((height, width, 3)) * 10.0 ** rng.uniform(-6, 5, (height, width, 1))).astype(
        np.float32
    )


def read_hdr(path) -> np.ndarray:
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
    back = read_png(path)
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
        read_png(path)


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot read picture .*none\.png: No such file"):
        read_png(tmp_path / "none.png")
    with pytest.raises(UserError, match=r"none\.exr does not exist"):
        read_exr(tmp_path / "none.exr")


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
    back = read_hdr(tmp_path / "a.hdr")
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
    back = read_hdr(tmp_path / "a.hdr")
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
