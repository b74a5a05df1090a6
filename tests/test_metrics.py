"""Metrics against scikit-image, closed forms and each other."""

import csv
import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from util.errors import UserError
from util.imaging.tonemap import inverse_mu_law, mu_law
from util.scores import learned_metrics, metrics, picture_metrics
from util.scores.evaluation import Evaluation, prepared
from util.scores.learned_metrics import NO_REFERENCE
from util.scores.metrics import crop_border, psnr, pu21_encode, pu_psnr, pu_ssim, ssim
from util.scores.picture_metrics import METRICS
from util.scores.radiance_metrics import RADIANCE_METRICS


@pytest.fixture
def pictures() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 65536, (40, 52, 3))
    output = np.clip(target + rng.integers(-3000, 3001, target.shape), 0, 65535)
    return output.astype(np.uint16), target.astype(np.uint16)


def test_psnr_is_that_of_scikit_image(pictures):
    output, target = pictures
    assert psnr(output, target, 65535) == pytest.approx(
        peak_signal_noise_ratio(target, output, data_range=65535), abs=1e-9
    )
    assert METRICS["psnr_mu"](output, target) == psnr(output, target, 65535)


def test_psnr_of_unsigned_values_does_not_wrap():
    low, high = np.zeros((4, 4, 3), np.uint16), np.full((4, 4, 3), 65535, np.uint16)
    assert psnr(low, high, 65535) == psnr(high, low, 65535) == 0
    assert psnr(low, low, 65535) == math.inf


def test_psnr_sees_a_gain(pictures):
    _, target = pictures
    assert psnr(target * 0.9, target, 65535) == pytest.approx(
        20 - 10 * math.log10(np.mean((target / 65535) ** 2)), abs=1e-6
    )


def test_ssim_is_the_mean_over_channels_of_scikit_image(pictures):
    output, target = pictures
    expected = structural_similarity(
        output, target, data_range=65535, channel_axis=2, gaussian_weights=True, sigma=1.5, win_size=11
    )
    assert ssim(output, target, 65535) == pytest.approx(expected, abs=1e-12)
    assert METRICS["ssim_mu"](output, target) == ssim(output, target, 65535)
    assert ssim(target, target, 65535) == 1


@pytest.mark.parametrize("pixels", [1, 52 * 7, 52 * 30, 52 * 40])
@pytest.mark.parametrize("sample_covariance", [True, False])
def test_strips_do_not_change_scores(pictures, monkeypatch, pixels, sample_covariance):
    monkeypatch.setattr(metrics, "STRIP", pixels)
    test_psnr_is_that_of_scikit_image(pictures)
    expected = structural_similarity(
        *pictures,
        data_range=65535,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=sample_covariance,
    )
    value = ssim(*pictures, 65535, sample_covariance=sample_covariance)
    assert value == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("border", [0, 1, 10])
def test_crop_leaves_out_exactly_the_border(border):
    picture = np.zeros((30, 24, 3), np.uint16)
    picture[border : 30 - border, border : 24 - border] = 1
    cropped = crop_border(picture, border)
    assert cropped.shape == (30 - 2 * border, 24 - 2 * border, 3)
    assert (cropped == 1).all()
    assert cropped.sum() == picture.sum()


def test_pixels_of_the_border_do_not_count(pictures):
    output, target = (picture.copy() for picture in pictures)
    before = psnr(crop_border(output, 10), crop_border(target, 10), 65535)
    output[:10] = 0
    output[:, -10:] = 65535
    assert psnr(crop_border(output, 10), crop_border(target, 10), 65535) == before
    output[10, 10] = 65535 - output[10, 10]
    assert psnr(crop_border(output, 10), crop_border(target, 10), 65535) != before


@pytest.mark.parametrize("border", [-1, 12, 40])
def test_a_border_that_leaves_nothing_is_an_error(border):
    with pytest.raises(UserError, match=f"a border of {border} px leaves nothing of a picture of 24x30"):
        crop_border(np.zeros((30, 24, 3)), border)


def test_psnr_l_is_in_linear_light():
    target = np.full((12, 12, 3), 65535, np.uint16)
    output = np.full((12, 12, 3), 52000, np.uint16)
    linear = inverse_mu_law(np.array(52000 / 65535))
    assert METRICS["psnr_l"](output, target) == pytest.approx(-20 * math.log10(1 - linear), abs=1e-4)


def test_pu21_of_100_candelas_is_about_256_and_rises():
    assert pu21_encode(np.array(100.0)) == pytest.approx(256, abs=1)
    assert pu21_encode(np.array(0.005)) == pytest.approx(0, abs=1e-6)
    assert pu21_encode(np.array(10000.0)) == pytest.approx(595.39, abs=0.01)
    assert (np.diff(pu21_encode(np.geomspace(0.005, 10000, 200))) > 0).all()


def test_pu_psnr_follows_the_code_and_clips_luminance():
    a, b = np.full((4, 4, 3), 0.1), np.full((4, 4, 3), 0.05)
    difference = pu21_encode(np.array(100.0)) - pu21_encode(np.array(50.0))
    assert pu_psnr(a, b, 1000) == pytest.approx(20 * math.log10(256 / difference), abs=1e-9)
    assert pu_psnr(a * 0, a * 0 + 1e-6, 1000) == math.inf  # both below 0.005 cd/m2
    assert pu_psnr(a, b, 100) != pu_psnr(a, b, 1000)


def test_pu_psnr_of_stored_pictures_decodes_the_mu_law(pictures):
    output, target = pictures
    linear = [inverse_mu_law(picture / 65535) for picture in pictures]
    value = METRICS["pu_psnr"](output, target, peak_luminance=400.0)
    assert value == pytest.approx(pu_psnr(*linear, 400), abs=1e-4)


def test_pu_ssim_is_that_of_the_codes(pictures):
    linear = [inverse_mu_law(picture / 65535) for picture in pictures]
    codes = [pu21_encode(400 * image) for image in linear]
    expected = structural_similarity(
        *codes, data_range=256, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert pu_ssim(*linear, 400) == pytest.approx(expected, abs=1e-10)
    assert METRICS["pu_ssim"](*pictures, peak_luminance=400.0) == pytest.approx(expected, abs=1e-6)
    assert pu_ssim(*linear, 100) != pu_ssim(*linear, 400)


@pytest.fixture
def lights() -> tuple[np.ndarray, np.ndarray]:
    """Two linear images, some of whose values are above white."""
    rng = np.random.default_rng(3)
    target = (1.3 * rng.random((30, 34, 3)) ** 3).astype(np.float32)
    return target * rng.uniform(0.9, 1.1, target.shape).astype(np.float32), target


def test_psnr_of_radiance_clips_nothing(lights):
    output, target = (image.astype(np.float64) for image in lights)
    for name, curve in (("psnr_l", lambda x: x), ("psnr_mu", lambda x: np.log1p(5000 * x) / np.log(5001))):
        expected = -10 * math.log10(np.mean((curve(output) - curve(target)) ** 2))
        assert RADIANCE_METRICS[name](*lights) == pytest.approx(expected, abs=1e-4)
    over = np.full((4, 4, 3), 3.0)
    assert RADIANCE_METRICS["psnr_l"](over, over - 1) == 0


def test_ssim_of_radiance_is_of_0_to_255_with_population_covariance(lights):
    for name, curve in (("ssim_l", lambda x: x), ("ssim_mu", mu_law)):
        values = [np.clip(255 * curve(image.astype(np.float64)), 0, 255) for image in lights]
        expected = structural_similarity(
            *values,
            data_range=255,
            channel_axis=2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert RADIANCE_METRICS[name](*lights) == pytest.approx(expected, abs=1e-6)


def test_pu_metrics_of_radiance_have_a_stated_peak(lights):
    assert RADIANCE_METRICS["pu_psnr"](*lights, peak_luminance=400.0) == pu_psnr(*lights, 400)
    assert RADIANCE_METRICS["pu_ssim"](*lights, peak_luminance=400.0) == pu_ssim(*lights, 400)


@pytest.fixture
def fake_cvvdp(monkeypatch):
    """A package that records how it is called; its quality is 10 less the mean difference in cd/m2."""
    calls = []

    class Predictor:
        def __init__(self, **settings):
            calls.append(settings)

        def predict(self, test, reference, dim_order):
            assert dim_order == "HWC"
            assert test.dtype == reference.dtype == np.float32
            return torch.tensor(10 - np.abs(test - reference).mean()), None

    def photometry(peak, **settings):
        return peak, settings["source_colorspace"]

    package = SimpleNamespace(cvvdp=Predictor, vvdp_display_photo_eotf=photometry)
    learned_metrics._cvvdp_predictor.cache_clear()
    monkeypatch.setitem(sys.modules, "pycvvdp", package)
    yield calls
    learned_metrics._cvvdp_predictor.cache_clear()


def test_cvvdp_gets_linear_light_of_the_stated_peak(lights, fake_cvvdp):
    output, target = lights
    value = RADIANCE_METRICS["cvvdp"](output, target, peak_luminance=50.0)
    assert value == pytest.approx(10 - 50 * np.abs(output - target).mean(), rel=1e-4)
    assert RADIANCE_METRICS["cvvdp"](target, target, peak_luminance=50.0) == 10
    assert len(fake_cvvdp) == 1  # made once
    assert fake_cvvdp[0]["display_photometry"] == (50.0, "BT.709-linear")
    assert fake_cvvdp[0]["device"] == torch.device("cpu")
    RADIANCE_METRICS["cvvdp"](output, target, peak_luminance=100.0)
    assert fake_cvvdp[1]["display_photometry"] == (100.0, "BT.709-linear")


def test_cvvdp_without_its_package_is_known_at_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycvvdp", None)
    with pytest.raises(UserError, match="the metric cvvdp needs the package cvvdp: pip install cvvdp"):
        prepared(["cvvdp"], 1000.0, "cpu")


def test_every_metric_of_absolute_light_gets_the_peak():
    settings = prepared([], 400.0, "cpu")
    assert {name for name in settings if "peak_luminance" in settings[name]} == {
        "pu_psnr",
        "pu_ssim",
        "cvvdp",
    }


@pytest.mark.parametrize("name", RADIANCE_METRICS)
def test_lights_of_different_shapes_are_refused(name):
    with pytest.raises(UserError, match="different shapes"):
        RADIANCE_METRICS[name](np.zeros((20, 20, 3)), np.zeros((20, 24, 3)))


@pytest.mark.parametrize("name", METRICS)
def test_pictures_of_different_shapes_are_refused(name):
    a, b = np.zeros((20, 20, 3), np.uint16), np.zeros((20, 24, 3), np.uint16)
    with pytest.raises(UserError, match="different shapes"):
        METRICS[name](a, b)


def test_ssim_of_a_picture_smaller_than_its_window_is_refused():
    small = np.zeros((10, 30, 3), np.uint16)
    with pytest.raises(UserError, match="11x11 px or more, got 30x10"):
        METRICS["ssim_mu"](small, small)


@pytest.fixture
def fresh_lpips():
    learned_metrics._lpips_network.cache_clear()
    yield
    learned_metrics._lpips_network.cache_clear()


def test_lpips_without_its_package_is_a_clear_error(pictures, monkeypatch, fresh_lpips):
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(UserError, match="pip install lpips"):
        METRICS["lpips"](*pictures)


def test_lpips_without_its_weights_is_a_clear_error(pictures, monkeypatch, fresh_lpips):
    def unreachable(**settings):
        raise OSError("no connection")

    monkeypatch.setitem(sys.modules, "lpips", SimpleNamespace(LPIPS=unreachable))
    with pytest.raises(UserError, match=r"AlexNet weights: no connection"):
        METRICS["lpips"](*pictures)


def test_lpips_gets_whole_pictures_in_minus_one_to_one(pictures, monkeypatch, fresh_lpips):
    class Recorder(torch.nn.Module):
        def __init__(self, **settings):
            super().__init__()
            self.settings = settings

        def forward(self, a, b):
            assert self.settings == {"net": "alex", "version": "0.1", "verbose": False}
            assert a.shape == b.shape == (1, 3, 40, 52)
            return (a - b).abs().mean().view(1, 1, 1, 1)

    monkeypatch.setitem(sys.modules, "lpips", SimpleNamespace(LPIPS=Recorder))
    output, target = pictures
    expected = np.abs(output.astype(float) - target).mean() / 32767.5
    assert METRICS["lpips"](output, target) == pytest.approx(expected, rel=1e-5)


@pytest.fixture
def fake_pyiqa(monkeypatch):
    """A package whose scores are the mean value of red in a tile; records devices and tile sizes."""
    seen = []

    def create_metric(name, device):
        def score(tile):
            assert tile.dtype == torch.float32
            assert 0 <= tile.min() <= tile.max() <= 1
            seen.append((name, str(device), tuple(tile.shape)))
            return tile[:, 0].mean().view(1)

        return score

    learned_metrics._pyiqa_network.cache_clear()
    monkeypatch.setitem(sys.modules, "pyiqa", SimpleNamespace(create_metric=create_metric))
    yield seen
    learned_metrics._pyiqa_network.cache_clear()


@pytest.mark.parametrize("metric", NO_REFERENCE)
def test_scores_without_reference_are_means_over_sixteen_tiles(metric, fake_pyiqa):
    """Cuts at floor(H/4), floor(H/2), floor(3H/4): unequal tiles count equally."""
    picture = np.zeros((899, 902, 3), np.uint16)
    picture[: 899 // 4, : 902 // 4, 0] = 65535  # the first tile, exactly
    picture[3 * 899 // 4 :, 3 * 902 // 4 :, 0] = 32768  # the last one
    assert NO_REFERENCE[metric](picture) == pytest.approx((1 + 32768 / 65535) / 16, rel=1e-6)
    assert len(fake_pyiqa) == 16
    assert {name for name, _, _ in fake_pyiqa} == {metric}
    heights, widths = (
        [shape[axis] for _, _, shape in fake_pyiqa[:: 1 if axis == 3 else 4][:4]] for axis in (2, 3)
    )
    assert (heights, widths) == ([224, 225, 225, 225], [225, 226, 225, 226])


@pytest.mark.parametrize("shape", [(895, 2000, 3), (2000, 895, 3)])
def test_tiles_that_are_too_small_are_a_clear_error(shape, fake_pyiqa):
    with pytest.raises(
        UserError, match=f"clipiqa.*pictures of 896x896 px or more, got {shape[1]}x{shape[0]}"
    ):
        NO_REFERENCE["clipiqa"](np.zeros(shape, np.uint16))
    assert not fake_pyiqa


@pytest.mark.parametrize("metric, package", [("clipiqa", "pyiqa"), ("maniqa", "pyiqa"), ("lpips", "lpips")])
def test_a_missing_package_is_known_before_anything_is_scored(metric, package, monkeypatch, fresh_lpips):
    monkeypatch.setitem(sys.modules, package, None)
    learned_metrics._pyiqa_network.cache_clear()
    with pytest.raises(
        UserError, match=f"metric {metric} needs the package {package}: pip install {package}"
    ):
        prepared(["psnr_mu", metric], 1000.0, "cpu")
    assert prepared(["psnr_mu", "pu_psnr"], 400.0, "cpu")["pu_psnr"] == {"peak_luminance": 400.0}


def test_weights_without_connection_are_a_clear_error(monkeypatch):
    def unreachable(name, device):
        raise OSError("no connection")

    learned_metrics._pyiqa_network.cache_clear()
    monkeypatch.setitem(sys.modules, "pyiqa", SimpleNamespace(create_metric=unreachable))
    with pytest.raises(UserError, match="the metric maniqa could not get its weights: no connection"):
        prepared(["maniqa"], 1000.0, "cpu")


def test_evaluation_scores_what_it_can(fake_pyiqa, tmp_path):
    """One image with and one without reference: each mean is over the images that have the score."""
    rng = np.random.default_rng(0)
    reference, picture = rng.integers(0, 65536, (2, 912, 920, 3)).astype(np.uint16)
    evaluation = Evaluation(["psnr_mu", "clipiqa"], 4, prepared(["clipiqa"], 1000.0, "cpu"))
    both = evaluation.add("a", picture, reference)
    alone = evaluation.add("b", reference, None)
    assert both["psnr_mu"] == psnr(crop_border(picture, 4), crop_border(reference, 4), 65535)
    assert both["clipiqa"] == NO_REFERENCE["clipiqa"](crop_border(picture, 4))
    assert list(alone) == ["clipiqa"]
    mean = evaluation.mean()
    assert mean == {
        "psnr_mu": both["psnr_mu"],
        "clipiqa": pytest.approx((both["clipiqa"] + alone["clipiqa"]) / 2),
    }
    evaluation.write(tmp_path / "scores", {"network": "n"})
    with (tmp_path / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["a", "b", "mean"]
    assert rows[1]["psnr_mu"] == ""
    assert float(rows[2]["clipiqa"]) == mean["clipiqa"]


def test_evaluation_without_references_has_only_what_needs_none(fake_pyiqa, tmp_path):
    picture = np.full((900, 900, 3), 65535, np.uint16)
    evaluation = Evaluation(["psnr_mu", "maniqa"], 0)
    evaluation.add("a", picture, None)
    assert evaluation.mean() == {"maniqa": 1}
    evaluation.write(tmp_path / "scores", {})
    assert (tmp_path / "scores.csv").read_text().splitlines()[0] == "name,maniqa"
    nothing = Evaluation(["psnr_mu"], 0)
    assert nothing.add("a", picture, None) == {}
    assert nothing.rows == []


def test_published_validation_cannot_see_a_gain():
    """Why it is for comparison with published logs only."""
    packed = np.random.default_rng(0).random((4, 8, 10), dtype=np.float32)
    noisy = packed + 0.05 * np.random.default_rng(1).random((4, 8, 10), dtype=np.float32)
    value = picture_metrics.published_validation_psnr(noisy, packed)
    assert picture_metrics.published_validation_psnr(4 * noisy, packed) == value
    assert value < 45
    view = picture_metrics.published_validation_view(packed)
    assert view.shape == (3, 16, 20)
    assert view.max() <= 255
    assert np.array_equal(view, np.round(view))
