"""Files of linear light: what is written comes back, colours are as a file says, damage is named."""

import struct
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
import tifffile

from tests.made_footage import write_plain_exr
from util.errors import UserError
from util.imaging.primaries import SRGB, to_srgb
from util.imaging.radiance import read_radiance, write_radiance
from util.imaging.radiance_exr import read_exr, stated_chromaticities
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
    with pytest.raises(UserError, match=r"as \.exr, \.hdr or \.dng, not as \.tif"):
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


REC2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)
ACES = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)  # white is not D65


def window(left: int, top: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    return np.array([left, top], np.int32), np.array([left + width - 1, top + height - 1], np.int32)


def write_channels(path: Path, channels: dict[str, np.ndarray], **header: object) -> Path:
    header = {"compression": OpenEXR.ZIPS_COMPRESSION, "type": OpenEXR.scanlineimage, **header}
    with OpenEXR.File(header, channels) as file:
        file.write(str(path))
    return path


def write_parts(path: Path, parts: dict[str, dict[str, np.ndarray]]) -> Path:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File([OpenEXR.Part(header | {"name": name}, parts[name]) for name in parts]) as file:
        file.write(str(path))
    return path


def named(rgb: np.ndarray, *names: str) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(rgb[..., index]) for index, name in enumerate(names)}


def write_subsampled(path: Path, channels: dict[str, tuple[np.ndarray, int]]) -> Path:
    """Float32 channels of every px or every second one, as scan lines without compression: by hand."""

    def entry(name: bytes, kind: bytes, value: bytes) -> bytes:
        return name + b"\0" + kind + b"\0" + struct.pack("<i", len(value)) + value

    names = sorted(channels)
    height, width = max(pixels.shape for pixels, _ in channels.values())
    listed = b"".join(name.encode() + struct.pack("<xi4xii", 2, *[channels[name][1]] * 2) for name in names)
    box = struct.pack("<4i", 0, 0, width - 1, height - 1)
    header = struct.pack("<ii", 20000630, 2) + b"".join(
        [
            entry(b"channels", b"chlist", listed + b"\0"),
            entry(b"compression", b"compression", b"\0"),
            entry(b"dataWindow", b"box2i", box) + entry(b"displayWindow", b"box2i", box),
            entry(b"lineOrder", b"lineOrder", b"\0"),
            entry(b"pixelAspectRatio", b"float", struct.pack("<f", 1)),
            entry(b"screenWindowCenter", b"v2f", struct.pack("<2f", 0, 0)),
            entry(b"screenWindowWidth", b"float", struct.pack("<f", 1)) + b"\0",
        ]
    )
    lines = []
    for row in range(height):
        body = b"".join(
            channels[n][0][row // channels[n][1]].tobytes() for n in names if row % channels[n][1] == 0
        )
        lines.append(struct.pack("<ii", row, len(body)) + body)
    places = len(header) + 8 * height + np.cumsum([0, *map(len, lines[:-1])])
    path.write_bytes(header + places.astype("<u8").tobytes() + b"".join(lines))
    return path


def test_exr_is_placed_in_its_display_window(tmp_path):
    rgb, path = make_radiance(10, 12), tmp_path / "a.exr"
    shown = window(5, -3, 20, 16)
    write_plain_exr(path, rgb, dataWindow=window(9, 1, 12, 10), displayWindow=shown)
    placed = read_exr(path)
    assert placed.shape == (16, 20, 3)
    assert np.array_equal(placed[4:14, 4:16], rgb)
    placed[4:14, 4:16] = 0
    assert not placed.any()


def test_exr_beyond_its_display_window_is_cut(tmp_path):
    rgb, path = make_radiance(10, 12), tmp_path / "a.exr"
    write_plain_exr(path, rgb, dataWindow=window(-2, -1, 12, 10), displayWindow=window(0, 0, 8, 20))
    seen = read_exr(path)
    assert seen.shape == (20, 8, 3)
    assert np.array_equal(seen[:9], rgb[1:, 2:10])
    assert not seen[9:].any()
    write_plain_exr(path, rgb, dataWindow=window(-20, 0, 12, 10), displayWindow=window(0, 0, 12, 10))
    with pytest.raises(UserError, match=r"a\.exr: shows nothing: its data window lies outside"):
        read_exr(path)


@pytest.mark.parametrize(
    "names", ["rgb", ("ViewLayer.Combined.R", "ViewLayer.Combined.G", "ViewLayer.Combined.B")]
)
def test_the_only_layer_of_an_exr_is_read(names, tmp_path):
    rgb = make_radiance()
    other = {"Depth.Z": rgb[..., 0] * 2, "Normal.X": rgb[..., 1] * 3, "Normal.Y": rgb[..., 2] * 4}
    assert np.array_equal(read_exr(write_channels(tmp_path / "a.exr", named(rgb, *names) | other)), rgb)


def test_the_unnamed_picture_of_an_exr_wins_over_layers(tmp_path):
    rgb = make_radiance()
    layers = named(3 * rgb, "diffuse.R", "diffuse.G", "diffuse.B") | named(rgb, "R", "G", "B")
    assert np.array_equal(read_exr(write_channels(tmp_path / "a.exr", layers)), rgb)


def test_several_layers_of_an_exr_are_refused_by_name(tmp_path):
    rgb = make_radiance()
    layers = named(rgb, "left.R", "left.G", "left.B") | named(rgb, "right.R", "right.G", "right.B")
    path = write_channels(tmp_path / "a.exr", layers)
    with pytest.raises(
        UserError, match=r"a\.exr: holds 2 pictures \(.*left.*\): keep one of them in the file"
    ):
        read_exr(path)


def test_exr_with_a_picture_in_a_later_part(tmp_path):
    rgb = make_radiance()
    depth, picture = {"Z": rgb[..., 0] * 5}, named(rgb, "R", "G", "B")
    assert np.array_equal(read_exr(write_parts(tmp_path / "a.exr", {"depth": depth, "light": picture})), rgb)
    path = write_parts(tmp_path / "b.exr", {"left": picture, "right": picture})
    with pytest.raises(UserError, match=r"b\.exr: holds 2 pictures \(left, right\)"):
        read_exr(path)


def test_exr_whose_last_part_is_cut_off_is_damaged(tmp_path):
    picture = named(make_radiance(60, 40), "R", "G", "B")
    path = write_parts(tmp_path / "a.exr", {"depth": {"Z": picture["R"]}, "light": picture})
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(UserError, match=r"a\.exr is damaged"):
        read_exr(path)


def test_luminance_of_an_exr_is_grey(tmp_path):
    grey = make_radiance()[..., 0].copy()
    light = read_exr(write_channels(tmp_path / "a.exr", {"Y": grey}, chromaticities=ACES))
    assert np.array_equal(light, np.repeat(grey[..., None], 3, axis=2))
    path = write_channels(tmp_path / "b.exr", {"X": grey, "Y": grey, "Z": grey})
    with pytest.raises(UserError, match=r"channels R, G, B are needed, or Y alone; the file has X, Y, Z"):
        read_exr(path)


def test_exr_whose_channels_have_fewer_px_is_refused(tmp_path):
    grey = make_radiance(8, 12)[..., 0].copy()
    half = grey[::2, ::2].copy()
    path = write_subsampled(tmp_path / "a.exr", {"Y": (grey, 1), "RY": (half, 2), "BY": (half, 2)})
    with pytest.raises(UserError, match=r"a\.exr: holds luminance and chroma \(Y, RY, BY\)"):
        read_exr(path)
    path = write_subsampled(tmp_path / "b.exr", {"G": (grey, 1), "R": (half, 2), "B": (half, 2)})
    with pytest.raises(UserError, match=r"b\.exr: holds channel R for a part of the px"):
        read_exr(path)
    path = write_subsampled(tmp_path / "c.exr", dict.fromkeys("RGB", (grey, 1)))
    assert np.array_equal(read_exr(path)[..., 1], grey)


def test_exr_of_deep_data_or_whole_numbers_is_refused(tmp_path):
    deep = np.empty((4, 5), object)
    for place in np.ndindex(deep.shape):
        deep[place] = np.array([1.0, 2.0], np.float32)
    path = write_channels(tmp_path / "a.exr", dict.fromkeys("RGBZ", deep), type=OpenEXR.deepscanline)
    with pytest.raises(UserError, match=r"a\.exr: holds deep data"):
        read_exr(path)
    path = write_channels(tmp_path / "b.exr", dict.fromkeys("RGB", np.ones((4, 5), np.uint32)))
    with pytest.raises(UserError, match=r"b\.exr: holds whole numbers in channel R"):
        read_exr(path)


def test_colours_of_an_exr_are_divided_by_opacity(tmp_path):
    rgb = make_radiance(4, 5)
    opacity = np.full((4, 5), 0.25, np.float32)
    opacity[0], opacity[1] = 1, 0  # light without substance, as of a flame, stays
    stored = rgb.copy()
    stored[2:] *= 0.25
    path = write_channels(tmp_path / "a.exr", named(stored, "R", "G", "B") | {"A": opacity})
    assert np.array_equal(read_exr(path), rgb)


@pytest.mark.parametrize("space", [REC2020, ACES])
def test_chromaticities_of_an_exr_are_converted(space, tmp_path):
    rgb = make_radiance()
    path = tmp_path / "a.exr"
    write_plain_exr(path, rgb @ np.linalg.inv(to_srgb(space)).T, chromaticities=space)
    np.testing.assert_allclose(read_exr(path), rgb, rtol=0, atol=1e-5 * rgb.max())
    write_plain_exr(path, np.full((2, 3, 3), 0.5, np.float32), chromaticities=space)
    np.testing.assert_allclose(read_exr(path), 0.5, rtol=1e-5)  # white to white
    assert np.array_equal(read_exr(path, as_stored=True), np.full((2, 3, 3), 0.5))


def test_the_matrix_of_rec2020():
    """Row by row as ITU-R BT.2407 has it."""
    expected = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
    np.testing.assert_allclose(to_srgb(REC2020), expected, atol=1e-4)
    assert to_srgb(SRGB) is None


@pytest.mark.parametrize(
    "space, message",
    [
        ((np.nan, *SRGB[1:]), "are not eight numbers"),
        ((*SRGB[:2], *SRGB[:2], *SRGB[4:]), "are no colour space"),
        ((*SRGB[:6], 0.1, 0.8), "are no colour space"),
        ((0.0,) * 8, "are no colour space"),
    ],
)
def test_chromaticities_that_are_no_colour_space_are_refused(space, message, tmp_path):
    write_plain_exr(tmp_path / "a.exr", make_radiance(), chromaticities=space)
    with pytest.raises(UserError, match=rf"a\.exr: its chromaticities, .*{message}"):
        read_exr(tmp_path / "a.exr")


def test_a_written_exr_states_its_colours(tmp_path):
    write_radiance(tmp_path / "a.exr", make_radiance())
    assert stated_chromaticities(tmp_path / "a.exr") == pytest.approx(SRGB)
    write_plain_exr(tmp_path / "b.exr", make_radiance())
    assert stated_chromaticities(tmp_path / "b.exr") is None


def test_hdr_colour_correction_is_divided_out(pixels, tmp_path):
    header = HEADER + b"COLORCORR= 2.0 1 0.5\nEXPOSURE=4\nCOLORCORR=1 4 1\n"
    picture = read_hdr(radiance_file(tmp_path / "a.hdr", b"-Y 5 +X 300", pixels.tobytes(), header))
    assert np.array_equal(picture, decoded(pixels) / np.float32([8, 16, 2]))


def test_hdr_primaries_are_converted(pixels, tmp_path):
    stated = b"PRIMARIES= " + " ".join(map(str, REC2020)).encode() + b"\n"
    path = radiance_file(tmp_path / "a.hdr", b"-Y 5 +X 300", pixels.tobytes(), HEADER + stated)
    expected = decoded(pixels) @ to_srgb(REC2020).T
    np.testing.assert_allclose(read_hdr(path), expected, atol=1e-5 * expected.max())
    for void in (b"PRIMARIES=0 0 0 0 0 0 0 0\n", b"PRIMARIES=.64 .33 .3 .6 .15 .06 .3127 .329\n"):
        path = radiance_file(tmp_path / "a.hdr", b"-Y 5 +X 300", pixels.tobytes(), HEADER + void)
        assert np.array_equal(read_hdr(path), decoded(pixels))


@pytest.mark.parametrize(
    "line, message",
    [
        (b"PRIMARIES=0.64 0.33\n", "PRIMARIES=0.64 0.33 is no 8 numbers"),
        (b"PRIMARIES=0.64 0.33 0.64 0.33 0.15 0.06 0.3 0.3\n", "are no colour space"),
        (b"COLORCORR=1 0 1\n", "COLORCORR=1 0 1 is no number above 0"),
        (b"COLORCORR=nan 1 1\n", "COLORCORR=nan 1 1 is no 3 numbers"),
        (b"EXPOSURE=bright\n", "EXPOSURE=bright is no number above 0"),
    ],
)
def test_hdr_settings_that_make_no_sense_are_refused(line, message, pixels, tmp_path):
    path = radiance_file(tmp_path / "a.hdr", b"-Y 5 +X 300", pixels.tobytes(), HEADER + line)
    with pytest.raises(UserError, match=rf"a\.hdr: .*{message}"):
        read_hdr(path)


def test_hdr_with_other_line_ends_and_spaces(pixels, tmp_path):
    header = HEADER.replace(b"\n", b"\r\n") + b"\r"
    path = radiance_file(tmp_path / "a.hdr", b"-Y  5 +X  300\r", pixels.tobytes(), header)
    assert np.array_equal(read_hdr(path), decoded(pixels))
