"""Tone curves, highlights, contact sheets, and the pictures of a test."""

import math

import numpy as np
import pytest
import torch

from data.simulate.unprocessing import invert_smoothstep
from tests.test_rendering import CAM2RGB, make_meta, make_packed
from util.errors import UserError
from util.imaging import rendering
from util.imaging.contact_sheet import BACKGROUND, CAPTION_HEIGHT, SHEET_HEIGHT, contact_sheet, reduced
from util.imaging.demosaic import menon
from util.imaging.highlights import neutral_highlights
from util.imaging.pictures import Pictures
from util.imaging.rendering import render_png16, scene_luminance
from util.imaging.tonemap import (
    automatic_ev,
    automatic_reinhard,
    camera_display,
    denoising_display,
    exposed,
    inverse_mu_law,
    matlab_like,
    mu_law,
    mu_law_picture8,
    reinhard,
    srgb_decode,
    srgb_encode,
)


def test_tone_curves_agree_and_invert():
    x = np.linspace(0, 3, 1001)
    assert mu_law(np.array([0.0, 1.0])).tolist() == [0, 1]
    assert mu_law(np.array([0.01]))[0] == pytest.approx(math.log(51) / math.log(5001), abs=1e-12)
    np.testing.assert_allclose(inverse_mu_law(mu_law(x)), x, atol=1e-12)
    np.testing.assert_allclose(mu_law(torch.from_numpy(x)).numpy(), mu_law(x), atol=1e-12)
    np.testing.assert_allclose(inverse_mu_law(torch.from_numpy(x)).numpy(), inverse_mu_law(x), rtol=1e-12)
    assert mu_law(x.astype(np.float32)).dtype == np.float32


def test_srgb_keeps_negatives_and_highlights():
    x = np.array([-0.5, 0.0, 0.003, 0.2, 1.0, 9.0])
    np.testing.assert_allclose(srgb_decode(srgb_encode(x)), x, atol=1e-6)
    assert srgb_encode(x)[0] == pytest.approx(-6.46)
    assert srgb_encode(x)[4] == pytest.approx(1)
    assert srgb_encode(np.array([0.2140411]))[0] == pytest.approx(0.5, abs=1e-6)


def test_contact_sheet_puts_pictures_side_by_side():
    large = np.full((40, 60, 3), 65535, np.uint16)
    small = np.zeros((10, 15, 3), np.uint16)
    small[0, 0] = 257 * 200
    sheet = contact_sheet([large, small], ["target", "a title much too long for so small a picture"])
    assert sheet.dtype == np.uint8
    assert sheet.shape == (40 + CAPTION_HEIGHT, 120, 3)
    pictures = sheet[CAPTION_HEIGHT:]
    assert (pictures[:, :60] == 255).all()
    assert (pictures[:4, 60:64] == 200).all()  # enlarged four times, not smoothed
    assert (pictures[4:, 60:] == 0).all()
    assert sheet[:CAPTION_HEIGHT, :60].max() > 150  # the caption


def test_contact_sheet_of_large_pictures_is_made_smaller():
    sheet = contact_sheet([np.zeros((1800, 600, 3), np.uint16)] * 2, ["a", "b"])
    assert sheet.shape == (SHEET_HEIGHT + CAPTION_HEIGHT, 600, 3)


def test_many_wide_pictures_stand_in_rows():
    pictures = [np.full((800, 1300, 3), 257 * value, np.uint16) for value in (50, 60, 70, 80)]
    sheet = contact_sheet(pictures, list("abcd"))
    bar = CAPTION_HEIGHT
    assert sheet.shape == (2 * (800 + bar), 2600, 3)
    assert [sheet[y, x, 0] for y in (bar, 2 * bar + 800) for x in (0, 1300)] == [50, 60, 70, 80]
    assert contact_sheet(pictures[:3], list("abc")).shape == (800 + bar, 3900, 3)
    assert contact_sheet([np.zeros((10, 5000, 3), np.uint16)] * 2, ["a", "b"]).shape == (
        2 * (10 + bar),
        5000,
        3,
    )
    five = contact_sheet([*pictures, pictures[0]], list("abcde"))
    assert five.shape == (2 * (800 + bar), 3900, 3)
    assert (five[-800:, 2600:] == BACKGROUND).all()


def test_contact_sheets_of_a_given_number_of_columns():
    pictures = [np.full((10, 20, 3), 257 * value, np.uint16) for value in (50, 60, 70, 80, 90)]
    bar = CAPTION_HEIGHT
    sheet = contact_sheet(pictures, list("abcde"), 3)
    assert sheet.shape == (2 * (10 + bar), 60, 3)
    assert [sheet[y, x, 0] for y in (bar, 2 * bar + 10) for x in (0, 20)] == [50, 60, 80, 90]


def test_contact_sheet_refuses_sizes_that_do_not_fit():
    pictures = [np.zeros((40, 60, 3), np.uint16), np.zeros((11, 15, 3), np.uint16)]
    with pytest.raises(UserError, match="15x11 does not fit beside one of 60x40"):
        contact_sheet(pictures, ["a", "b"])


def test_pictures_are_reduced_alike_whatever_their_size():
    """Input frames are reduced before the sheet is made, and smaller than an enlarged result."""
    for height, width in ((2500, 1667), (901, 1350), (777, 333)):
        large = np.full((4 * height, 4 * width, 3), 257 * 100, np.uint16)
        small = reduced(np.full((height, width, 3), 257 * 200, np.uint16))
        assert small.shape[0] == min(height, SHEET_HEIGHT)
        assert small.dtype == np.uint16
        sheet = contact_sheet([small, large], ["a", "b"])[CAPTION_HEIGHT:]
        middle = sheet.shape[1] // 2
        assert sheet.shape == (900, 2 * round(900 * width / height), 3)
        assert (np.abs(sheet[:, :middle] - 200.0) <= 1).all()
        assert (np.abs(sheet[:, middle:] - 100.0) <= 1).all()


GAINS = np.array([1.9, 1.0, 1.0, 1.4], np.float32)


def highlight(red: float, green: float, blue: float, saturation: float = 1.0) -> list[float]:
    """Balanced red, green and blue after the rule, of measured values."""
    planes = (np.array([red, green, green, blue], np.float32) * GAINS)[:, None, None]
    before = planes.copy()
    result = neutral_highlights(planes, GAINS, saturation)
    assert np.array_equal(planes, before)
    assert result[1] == result[2]
    return result[[0, 1, 3], 0, 0].tolist()


def test_saturated_white_is_neutral_at_the_highest_level():
    assert highlight(1, 1, 1) == pytest.approx([1.9] * 3)
    assert highlight(16, 16, 16, saturation=16) == pytest.approx([16 * 1.9] * 3)
    assert highlight(0.8, 1, 1) == pytest.approx([1.52] * 3)  # red tells how bright it was
    assert highlight(0.7, 1, 0.9) == pytest.approx([1.33, 1.295, 1.26])  # green from the other two


@pytest.mark.parametrize(
    "lamp", [(1, 0.3, 0.1), (0.2, 1, 0.1), (0.1, 0.3, 1), (1, 1, 0.05), (0.8, 0.89, 0.7)]
)
def test_coloured_lamps_and_what_is_not_saturated_keep_their_colours(lamp):
    assert highlight(*lamp) == pytest.approx((np.array(lamp) * GAINS[[0, 1, 3]]).tolist())


def test_the_rule_sets_in_without_a_step():
    values = np.array([highlight(0.95, green, 0.95) for green in np.linspace(0.85, 1.05, 201)])
    assert np.abs(np.diff(values, axis=0)).max() < 0.02
    assert (np.diff(values[:, 1]) >= 0).all()


def test_reinhard_compresses_luminance_by_its_equation():
    grey = np.array([0.25, 1.0, 4.0, 16.0], np.float32)[:, None] * np.ones(3, np.float32)
    scaled = 0.5 * grey[:, 0]
    expected = scaled * (1 + scaled / 64) / (1 + scaled)
    np.testing.assert_allclose(srgb_decode(reinhard(grey, 0.5, 8.0))[:, 1], expected, rtol=1e-5)
    assert reinhard(grey, 0.5, 8.0)[3, 0] == pytest.approx(1, abs=1e-6)  # white is the luminance 8
    assert reinhard(np.ones((1, 3)), 1.0, 1e9)[0, 0] == pytest.approx(srgb_encode(np.array(0.5)))
    colour = np.array([[0.2, 0.1, 0.05]])
    shown = srgb_decode(reinhard(colour, 1.0, 4.0))
    np.testing.assert_allclose(shown / shown[0, 0], colour / colour[0, 0], rtol=1e-6)


def test_exposure_is_light_times_a_power_of_two():
    assert srgb_decode(exposed(np.array([0.1]), 2.0))[0] == pytest.approx(0.4)
    assert exposed(np.array([0.3, 5.0]), 2.0).tolist() == pytest.approx([1, 1])


def test_the_display_of_denoised_bursts_is_smooth_and_inverts_nothing():
    x = np.array([-0.05, 0.0, 0.001, 0.5, 0.8], np.float32)
    shown = denoising_display(x, 0.5, clamp=False)
    assert shown.dtype == np.float32
    np.testing.assert_allclose(shown[1:4], srgb_encode(np.array([0, 0.002, 1.0])), atol=2e-3)
    assert shown[0] == pytest.approx(50 * shown[2] * -1, rel=1e-5)  # straight through 0
    assert shown[4] == pytest.approx(1 + 0.6 * 1.055 / 2.4, abs=1e-3)  # straight above white
    assert denoising_display(x, 0.5).tolist() == np.clip(shown, 0, 1).tolist()
    for joint in (0.0031308, 1.0):
        near = joint + np.array([-1e-4, 0, 1e-4])
        steps = np.diff(denoising_display(near, 1.0, clamp=False))
        assert steps[0] == pytest.approx(steps[1], rel=0.05)


def test_the_camera_of_simulated_bursts_is_undone_by_their_simulation():
    picture = np.random.default_rng(0).random((12, 14, 3)).astype(np.float32)
    linear = np.clip(invert_smoothstep(picture), 1e-8, 1) ** 2.2 / 1.3
    np.testing.assert_allclose(camera_display(linear.astype(np.float32), 1.3), picture, atol=1e-5)
    assert camera_display(np.array([0.25, 3.0]), 2.0, gamma=False, smoothstep=False).tolist() == [0.5, 1]


def test_automatic_settings_follow_the_scene():
    logs = np.random.default_rng(0).uniform(-10, 0, 100_000)
    scale, white = automatic_reinhard(2.0**logs)
    assert scale * 2**-5.0 == pytest.approx(0.18, rel=0.01)  # a symmetrical range: middle grey
    assert white == pytest.approx(0.18 * 2**5, rel=0.01)
    assert automatic_ev(2.0**logs) == pytest.approx(math.log2(0.18) + 5, abs=0.02)
    dark, _ = automatic_reinhard(np.concatenate([2.0**logs, np.full(200_000, 2.0**-9)]))
    assert dark < 0.18 * 2**8  # a dark scene stays darker than middle grey
    assert dark > scale
    assert automatic_reinhard(4 * 2.0**logs)[0] == pytest.approx(scale / 4, rel=1e-6)
    assert automatic_reinhard(np.full((4, 4), 0.36))[1] == 1  # a flat scene is not stretched
    assert automatic_reinhard(np.zeros((4, 4))) == (1, 1)
    half_black = np.concatenate([2.0**logs, np.zeros(100_000)])
    nearly_black = np.concatenate([2.0**logs, np.full(100_000, 2.0**-40)])
    assert automatic_reinhard(half_black) == automatic_reinhard(nearly_black)
    assert scale < automatic_reinhard(half_black)[0] < 8 * scale


def test_the_published_picture_of_8_bits_is_rounded_and_cut():
    x = np.array([-0.5, 0.0, 0.01, 0.5, 1.0, 20.0], np.float32)
    middle = [round(255 * math.log1p(5000 * value) / math.log(5001)) for value in (0.01, 0.5)]
    assert mu_law_picture8(x).tolist() == [0, 0, *middle, 255, 255]
    assert mu_law_picture8(x).dtype == np.uint8


def test_matlab_like_uses_the_whole_range_whatever_the_unit_of_light():
    light = (2.0 ** np.random.default_rng(0).uniform(-12, 4, (64, 80, 1)) * np.ones(3)).astype(np.float32)
    shown = matlab_like(light)
    assert shown.shape == light.shape and shown.dtype == np.float32
    assert shown.min() == pytest.approx(0, abs=0.01) and shown.max() == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(shown.max(2), shown.min(2), atol=0.01)  # grey stays grey
    np.testing.assert_allclose(matlab_like(light * 1024), shown, atol=0.02)
    light[0, 0] = 0  # counts as the smallest positive value
    assert matlab_like(light)[0, 0].max() < 0.01


def test_matlab_like_makes_colours_stronger_and_flat_pictures_are_black():
    light = np.full((64, 64, 3), 0.1, np.float32)
    light[:, :32] *= np.array([1.2, 1, 1], np.float32)
    light[:8] *= 64
    light[-8:] /= 64
    red, green, blue = matlab_like(light)[32, 8]
    assert red > green + 0.1 and red > blue + 0.1
    assert matlab_like(np.full((16, 16, 3), 0.3)).max() == matlab_like(np.zeros((16, 16, 3))).max() == 0


def make_pictures(**changed) -> Pictures:
    return Pictures(menon, **{"meta": make_meta(), "white": 16.0, "border": 0, "isp": "full"} | changed)


def test_pictures_by_the_tone_map_asked_for():
    image, meta = torch.from_numpy(make_packed(24, 20))[None], make_meta()
    light = scene_luminance(image[0].numpy(), meta)
    values = np.linspace(0, 3, 30, dtype=np.float32).reshape(10, 3)
    pictures = make_pictures()
    assert pictures.curve("mu_law", "auto", image) is None
    assert np.array_equal(pictures.picture(image), render_png16(image[0].numpy(), meta, menon))
    for tonemap, ev, expected in (
        ("exposure", 1.5, exposed(values, 1.5)),
        ("exposure", "auto", exposed(values, automatic_ev(light))),
        ("reinhard", "auto", reinhard(values, *automatic_reinhard(light))),
    ):
        assert np.array_equal(pictures.curve(tonemap, ev, image)(values), expected)


def test_the_camera_curve_takes_gain_and_parts_of_the_sample():
    image, light = torch.full((1, 3, 6, 8), 0.1), np.float32([[0.1, 0.2, 0.9]])
    flags = {"smoothstep": np.float32(0), "gamma": np.float32(1)}
    known = make_pictures(meta={"rgb_gain": np.float32(1.5), **flags}, white=1.0)
    expected = np.clip(1.5 * light, 0, 1) ** (1 / 2.2)
    np.testing.assert_allclose(known.curve("camera", "auto", image)(light), expected, rtol=1e-5)
    mean = make_pictures(meta={}, white=1.0).curve("camera", "auto", image)(np.float32([0.1]))
    assert mean[0] == pytest.approx(camera_display(np.float32([0.2]), 1.0)[0], rel=1e-5)


def test_a_white_level_in_the_metadata_is_white():
    image = torch.full((1, 3, 6, 8), 0.25)
    pictures = make_pictures(meta={"white_level": np.float32(0.25)}, white=1.0)
    assert pictures.picture(image).min() == 65535
    assert make_pictures(meta={}, white=1.0).picture(image).max() < 60000


def test_matlab_like_pictures_are_not_made_by_strips():
    """In strips each would be stretched by itself."""
    image = torch.from_numpy(make_packed(2 * rendering.STRIP_ROWS, 40))[None]
    pictures = make_pictures(border=2)
    picture = pictures.picture(image, pictures.curve("matlab_like", "auto", image))
    expected = np.rint(65535 * matlab_like(pictures.light(image, saturates=True)))
    assert picture.dtype == np.uint16
    assert np.array_equal(picture[2:-2, 2:-2], expected)
    assert picture[:2].max() == 0


def test_linear_light_has_the_scale_of_the_image_and_white_highlights_where_asked():
    image = torch.full((1, 4, 12, 12), 16.0)
    picture = make_pictures(white=16.0)
    np.testing.assert_allclose(picture.light(image, saturates=True), 16 * 2.1, rtol=1e-5)
    magenta = picture.light(image, saturates=False)[6, 6]
    np.testing.assert_allclose(magenta, CAM2RGB @ np.array([1.9, 1, 2.1]) * 16, rtol=1e-5)
    np.testing.assert_allclose(
        make_pictures(white=32.0).light(image, saturates=True)[6, 6], magenta, rtol=1e-5
    )


def test_frames_are_shown_as_taken_at_their_own_exposures():
    """A frame of exposure e shows the scene e times as bright, and its white level is white."""
    scene = torch.full((1, 5, 4, 20, 30), 0.8)
    exposure = torch.tensor([[1 / 16, 1 / 4, 1, 4, 16]])
    frames = torch.minimum(scene, 1 / exposure[..., None, None, None])
    meta = {"white_balance": torch.ones(3), "cam2rgb": torch.eye(3), "cfa": "RGGB"}
    pictures = make_pictures(meta=meta, border=8)
    taken = pictures.as_taken(frames, exposure, 4)
    assert list(taken) == ["frame 1 of 5: 1x", "frame 3 of 5: 16x", "frame 5 of 5: 256x"]
    for picture, value in zip(taken.values(), (0.05, 0.8, 1.0), strict=True):
        assert picture.shape == (48, 68, 3)
        assert picture[:4].max() == picture[:, -4:].max() == 0
        np.testing.assert_allclose(picture[4:-4, 4:-4] / 65535, srgb_encode(np.array(value)), atol=1e-4)
    static = pictures.as_taken(frames, exposure * torch.tensor([1, 1, 1, 1, 128]), 0)
    assert list(static)[-1] == "frame 5 of 5: 32,768x"
    two = pictures.as_taken(frames[:, :2], exposure[:, :2], 0)
    assert list(two) == ["frame 1 of 2: 1x", "frame 2 of 2: 4x"]
