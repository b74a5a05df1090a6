"""Colour spaces that picture files name: ICC profiles, PNG chunks, EXIF; and what our own files say."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from tests.profiles import ADOBE, DISPLAY_P3, SRGB, make_profile
from util.errors import UserError
from util.imaging.colour_profiles import ADOBE_RGB, CODES, ColourSpace, of_code_points, of_profile
from util.imaging.images import read_coded, read_picture, write_png8, write_png16
from util.imaging.radiance import read_radiance
from util.imaging.tonemap import srgb_decode, srgb_encode

LINEAR, GAMMA = np.linspace(0, 1, 2), 2.19921875


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)


def save_png(path: Path, codes: np.ndarray, **chunks: bytes) -> Path:
    """A PNG of 8 or 16 bits with chunks after its header."""
    (write_png8 if codes.dtype == np.uint8 else write_png16)(path, codes, is_srgb=False)
    content = path.read_bytes()
    more = b"".join(
        struct.pack(">I", len(data))
        + name.encode()
        + data
        + struct.pack(">I", zlib.crc32(name.encode() + data))
        for name, data in chunks.items()
    )
    path.write_bytes(content[:33] + more + content[33:])
    return path


def by_littlecms(codes: np.ndarray, profile: bytes) -> np.ndarray:
    source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(Image.fromarray(codes), source, target, renderingIntent=1))


@pytest.mark.parametrize("profile", [DISPLAY_P3, ADOBE, make_profile("linear", "DISPLAY_P3", count=0)])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_profiles_are_applied_as_littlecms_does(
    codes: np.ndarray, profile: bytes, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(codes).save(path, icc_profile=profile, **({"quality": 100} if suffix == ".jpg" else {}))
    stored = np.asarray(Image.open(path).convert("RGB"))
    found = read_picture(path)
    assert found.dtype == np.uint8 and np.abs(found.astype(int) - stored).mean() > 2
    assert np.abs(found.astype(int) - by_littlecms(stored, profile)).max() <= (1 if suffix != ".jpg" else 3)


def test_16_bits_keep_their_precision(tmp_path: Path) -> None:
    """Grey stays grey by any primaries; only the curve changes."""
    ramp = np.linspace(0, 65535, 600).round().astype(np.uint16).reshape(20, 30, 1).repeat(3, axis=2)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ramp, photometric="rgb", iccprofile=ADOBE)
    light = (ramp / 65535) ** GAMMA
    assert np.abs(read_coded(path).space.linear(ramp) - light).max() < 2e-6
    assert np.abs(read_picture(path) - 65535 * srgb_encode(light)).max() < 2
    assert np.abs(read_coded(path).space.coded_as_srgb(ramp) - 65535 * srgb_encode(light)).max() < 2


@pytest.mark.parametrize("name", ["Display P3", "sRGB"])
def test_parametric_curves_of_version_4(name: str) -> None:
    profile = make_profile(name, "DISPLAY_P3" if name == "Display P3" else "SRGB", parametric=True)
    space = of_profile(profile)
    assert space.curves is None and space.name == name
    assert space.is_srgb == (name == "sRGB")


def test_the_profile_that_littlecms_makes_is_srgb() -> None:
    assert of_profile(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()).is_srgb
    assert of_profile(SRGB).is_srgb


def test_spaces_agree_by_what_they_mean() -> None:
    p3 = of_profile(DISPLAY_P3)
    assert p3.is_like(of_code_points(12, 13)) and of_profile(ADOBE).is_like(ADOBE_RGB)
    assert not p3.is_like(ColourSpace()) and not p3.is_like(ADOBE_RGB)


def test_light_outside_srgb_is_kept() -> None:
    red = np.array([[[255, 0, 0]]], np.uint8)
    light = of_code_points(12, 13).linear(red)[0, 0]
    np.testing.assert_allclose(light, [1.2249, -0.0421, -0.0196], atol=2e-4)  # P3's red, by SMPTE RP 177
    assert of_code_points(12, 13).to_srgb(red)[0, 0].tolist() == [255, 0, 0]


def test_grey_profiles(tmp_path: Path) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(8, 32)
    profile = make_profile("Dot gain", None, count=1, gamma=1.75)
    Image.fromarray(ramp).save(tmp_path / "a.png", icc_profile=profile)
    expected = 255 * srgb_encode((ramp / 255) ** 1.75)
    assert np.abs(read_picture(tmp_path / "a.png") - expected[..., None]).max() < 0.51


def be(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


SRGB_CHRM = be(31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
P3_CHRM = be(31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
ICCP = b"P3\0\0" + zlib.compress(DISPLAY_P3)


def test_chunks_of_png_count_in_the_order_of_the_specification(codes: np.ndarray, tmp_path: Path) -> None:
    """PNG, third edition, 4.3: cICP, iCCP, sRGB, then gAMA and cHRM."""
    p3 = of_profile(DISPLAY_P3).to_srgb(codes)

    def found(**chunks: bytes) -> np.ndarray:
        return read_picture(save_png(tmp_path / "a.png", codes, **chunks))

    assert np.array_equal(found(), codes) and np.array_equal(found(sRGB=b"\0"), codes)
    assert np.array_equal(found(gAMA=be(45455), cHRM=SRGB_CHRM), codes)
    assert np.abs(found(gAMA=be(45455), cHRM=P3_CHRM).astype(int) - p3).max() <= 1
    assert np.array_equal(found(gAMA=be(100000), cHRM=P3_CHRM, sRGB=b"\0"), codes)
    assert np.array_equal(found(gAMA=be(100000), iCCP=ICCP), p3)
    assert np.array_equal(found(iCCP=ICCP, cICP=bytes([1, 13, 0, 1])), codes)
    assert np.abs(found(cICP=bytes([12, 13, 0, 1])).astype(int) - p3).max() <= 1
    linear = found(gAMA=be(100000))
    assert np.abs(linear - 255 * srgb_encode(codes / 255)).max() < 0.51
    bt709 = srgb_encode(((128 / 255 + 0.099) / 1.099) ** (1 / 0.45)) * 255
    grey = np.full((4, 4, 3), 128, np.uint8)
    assert (read_picture(save_png(tmp_path / "b.png", grey, cICP=bytes([1, 1, 0, 1]))) == round(bt709)).all()


@pytest.mark.parametrize(
    "chunks, message",
    [
        ({"cICP": bytes([9, 16, 0, 1])}, "is of PQ, which is for HDR displays: convert the picture to sRGB"),
        ({"cICP": bytes([9, 18, 0, 1])}, "is of HLG, which is for HDR displays"),
        ({"cICP": bytes([12, 77, 0, 1])}, "is of code points 12 and 77, which are not known here"),
        ({"iCCP": b"x\0\0" + zlib.compress(b"no profile")}, "is damaged"),
        ({"iCCP": b"x\0\0 no zlib"}, "is damaged"),
        ({"iCCP": b"x\0\0" + zlib.compress(DISPLAY_P3[:300])}, "is damaged"),
        ({"gAMA": be(0)}, "has a gamma of 0"),
        ({"cHRM": be(*[30000] * 8)}, "are no colour space"),
    ],
)
def test_colour_spaces_that_cannot_be_read_are_refused(
    codes: np.ndarray, chunks: dict[str, bytes], message: str, tmp_path: Path
) -> None:
    path = save_png(tmp_path / "a.png", codes, **chunks)
    with pytest.raises(UserError, match=rf"a\.png: its colour space.* {message}"):
        read_picture(path)


def test_profiles_of_tables_alone(codes: np.ndarray, tmp_path: Path) -> None:
    """LittleCMS applies them to 8 bits: here sRGB to Lab, which is told by tables, does not fit a picture."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    chunk = b"Lab\0\0" + zlib.compress(lab)
    with pytest.raises(UserError, match="of a profile that is damaged or does not fit: convert"):
        read_picture(save_png(tmp_path / "a.png", codes, iCCP=chunk))
    with pytest.raises(UserError, match="is told by tables, which are applied to 8 bits alone"):
        read_picture(save_png(tmp_path / "a.png", codes.astype(np.uint16), iCCP=chunk))


def jpeg_with_exif(path: Path, codes: np.ndarray, colour_space: int, index: str | None = None) -> Path:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = colour_space
    if index:
        exif.get_ifd(0x8769)[0xA005] = {1: index}
    Image.fromarray(codes).save(path, exif=exif, quality=100, subsampling=0)
    return path


def test_exif_tells_adobe_rgb(codes: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    plain = read_picture(jpeg_with_exif(tmp_path / "a.jpg", codes, 1))
    adobe = ADOBE_RGB.to_srgb(plain)
    assert np.array_equal(read_picture(jpeg_with_exif(tmp_path / "b.jpg", codes, 65535, "R03")), adobe)
    assert np.array_equal(read_picture(jpeg_with_exif(tmp_path / "c.jpg", codes, 2)), adobe)
    assert not capsys.readouterr().err
    assert np.array_equal(read_picture(jpeg_with_exif(tmp_path / "d.jpg", codes, 65535)), plain)
    assert "d.jpg: does not say in which colour space it is" in capsys.readouterr().err


def test_printing_colours(codes: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    smooth = np.broadcast_to(np.linspace(0, 255, 32).astype(np.uint8)[None, :, None], (24, 32, 3))
    Image.fromarray(np.ascontiguousarray(smooth)).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    assert np.abs(read_picture(tmp_path / "a.jpg").astype(int) - smooth).max() < 4
    assert "a.jpg: its printing colours, CMYK, are converted without a profile" in capsys.readouterr().err
    damaged = DISPLAY_P3[:16] + b"CMYK" + DISPLAY_P3[20:]
    Image.fromarray(codes).convert("CMYK").save(tmp_path / "b.jpg", icc_profile=damaged)
    with pytest.raises(UserError, match=r"b\.jpg: its colour space is of a profile that is damaged"):
        read_picture(tmp_path / "b.jpg")


def test_linear_light_of_tiff_by_its_profile(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((6, 8, 3), np.float32)
    stored = np.rint(65535 * values).astype(np.uint16)
    linear_p3 = make_profile("linear", "DISPLAY_P3", count=0)
    matrix = of_profile(linear_p3).matrix

    def found(picture: np.ndarray, profile: bytes) -> np.ndarray:
        tifffile.imwrite(tmp_path / "a.tif", picture, photometric="rgb", iccprofile=profile)
        return read_radiance(tmp_path / "a.tif")

    np.testing.assert_allclose(found(3 * values, linear_p3), 3 * values @ matrix.T, atol=1e-5)
    np.testing.assert_allclose(found(stored, linear_p3), values @ matrix.T, atol=3e-5)
    np.testing.assert_allclose(found(stored, SRGB), srgb_decode(stored / 65535), atol=1e-6)
    with pytest.raises(UserError, match=r"a\.tif: its colour space is not linear, as light is to be"):
        found(values, SRGB)
    np.testing.assert_array_equal(read_radiance(tmp_path / "a.tif", as_stored=True), values)


@pytest.mark.parametrize("write, dtype", [(write_png8, np.uint8), (write_png16, np.uint16)])
def test_our_pictures_say_that_they_are_srgb(write, dtype: type, tmp_path: Path) -> None:
    codes = np.arange(60).reshape(4, 5, 3).astype(dtype)
    for is_srgb in (True, False):
        write(tmp_path / "a.png", codes, is_srgb)
        with Image.open(tmp_path / "a.png") as image:
            assert image.info.get("srgb") == (0 if is_srgb else None)
            image.load()
        assert np.array_equal(read_picture(tmp_path / "a.png"), codes)


def test_curves_are_tables_of_all_codes() -> None:
    assert ADOBE_RGB.curves.shape == (3, CODES)
    with pytest.raises(ValueError, match="is damaged"):
        of_profile(b"short")
