"""Laws of the noise of low-light raw frames, on arrays and on tensors; calibrated cameras."""

import json

import numpy as np
import pytest
import torch
from scipy import stats

from data.simulate import sensor_noise_torch
from data.simulate.random_numbers import Drawn, tukey_quantile
from data.simulate.sensor_noise import C, NoiseLevels, NoiseModel, levels_at
from data.simulate.sensors import FOLDER, SENSORS, named_sensor, read_sensor, sensor_of
from util.errors import UserError

SHAPE = (4, 250, 400)
GAIN, GAUSSIAN, TUKEY, ROW, LAMBDA, RATIO = 2.0, 4.0, 3.0, 1.5, -0.05, 100.0
LEVELS = NoiseLevels(GAIN, GAUSSIAN, TUKEY, ROW, LAMBDA, np.float32([1, -2, 3, -4]))
TUKEY_VARIANCE = float(stats.tukeylambda.var(LAMBDA))


def on_arrays(letters: str, adu: float, order: str = "physical") -> np.ndarray:
    """Measured ADU of a flat patch of expected ADU."""
    clean = np.full(SHAPE, adu * RATIO / C, np.float32)
    rng = np.random.default_rng(7)
    return NoiseModel(letters, order).add(clean, RATIO, LEVELS, rng).astype(np.float64) * (C / RATIO)


def on_tensors(letters: str, adu: float, order: str = "physical") -> np.ndarray:
    """The same on tensors: the second sample of a batch."""
    clean = torch.full((2, *SHAPE), adu * RATIO / C)
    levels = sensor_noise_torch.stack_levels([LEVELS._replace(gain=9.0), LEVELS])
    seeds = sensor_noise_torch.generators([3, 4])
    model, ratio = NoiseModel(letters, order), torch.tensor([300.0, RATIO])
    noisy = sensor_noise_torch.add(model, clean, ratio, levels, seeds)
    return noisy[1].double().numpy() * (C / RATIO)


@pytest.mark.parametrize("measured", [on_arrays, on_tensors])
@pytest.mark.parametrize(
    ("letters", "law"),
    [
        ("P", lambda adu: GAIN * adu),
        ("p", lambda adu: GAIN * adu),
        ("g", lambda adu: GAUSSIAN**2),
        ("G", lambda adu: TUKEY**2 * TUKEY_VARIANCE),
        ("u", lambda adu: 1 / 12),
        ("P+G+u", lambda adu: GAIN * adu + TUKEY**2 * TUKEY_VARIANCE + 1 / 12),
    ],
)
def test_variance_and_mean_follow_the_law_of_each_letter(measured, letters, law) -> None:
    for adu in (3.0, 60.0, 500.0):
        values = measured(letters, adu)
        np.testing.assert_allclose(values.var(), law(adu), rtol=0.02)
        assert abs(values.mean() - adu) < 4 * np.sqrt(law(adu) / values.size) + 1e-3


@pytest.mark.parametrize("measured", [on_arrays, on_tensors])
def test_rows_of_the_mosaic_share_their_noise(measured) -> None:
    rows = measured("r", 5.0) - 5.0
    np.testing.assert_array_equal(rows[0], rows[1])
    np.testing.assert_array_equal(rows[2], rows[3])
    np.testing.assert_allclose(rows.std(axis=2), 0, atol=1e-4)
    assert abs(np.corrcoef(rows[0, :, 0], rows[2, :, 0])[0, 1]) < 0.2
    np.testing.assert_allclose(rows[::2, :, 0].std(), ROW, rtol=0.1)


@pytest.mark.parametrize("measured", [on_arrays, on_tensors])
def test_colour_bias_is_added_to_each_plane(measured) -> None:
    np.testing.assert_allclose(measured("B", 5.0).mean(axis=(1, 2)) - 5.0, LEVELS.bias, atol=1e-3)


@pytest.mark.parametrize("measured", [on_arrays, on_tensors])
def test_published_quantisation_comes_before_shot_noise(measured) -> None:
    whole = measured("P+u", 6.0, "published") / GAIN
    np.testing.assert_allclose(whole, np.round(whole), atol=1e-3)
    fractions = measured("P+u", 6.0) / GAIN
    assert np.abs(fractions - np.round(fractions)).max() > 0.2
    assert measured("u", 0.0, "published").min() == 0


@pytest.mark.parametrize("mean", [0.05, 0.7, 3.3, 20.0, 63.9, 64.1, 500.0])
def test_poisson_numbers_follow_the_exact_law(mean: float) -> None:
    counts = Drawn(np.random.default_rng(5)).poisson(np.full(1_000_000, mean, np.float32)).astype(np.int64)
    law = stats.poisson(mean)
    edges = np.unique(law.ppf(np.linspace(0.001, 0.999, 24)))
    chances = np.diff(law.cdf([-1, *edges, np.inf]))
    found = np.bincount(np.searchsorted(edges, counts), minlength=len(chances))
    assert counts.min() >= 0
    assert ((found - 1e6 * chances) ** 2 / (1e6 * chances)).sum() < stats.chi2.ppf(0.9999, len(edges)) + 20
    np.testing.assert_allclose(counts.mean(), mean, atol=5 * np.sqrt(mean / 1e6) + 3e-4)
    np.testing.assert_allclose(counts.var(), mean, rtol=0.003 + 4 * np.sqrt((1 / mean + 2) / 1e6))
    assert abs(stats.skew(counts) * np.sqrt(mean) - 1) < 0.02 + 0.012 * np.sqrt(mean)


def test_poisson_numbers_of_means_that_differ() -> None:
    means = np.float32([[0, 5, 200], [70, 1e5, 63]]).repeat(50_000, axis=1)
    counts = Drawn(np.random.default_rng(1)).poisson(means).reshape(2, 3, -1)
    np.testing.assert_array_equal(counts[0, 0], 0)
    np.testing.assert_allclose(counts.mean(-1), means[:, ::50_000], rtol=0.01)
    np.testing.assert_allclose(counts.var(-1), means[:, ::50_000], rtol=0.03)


@pytest.mark.parametrize("lam", [-0.24, 0.0, 0.2])
def test_tukey_numbers_have_the_quantiles_of_the_law_also_in_its_tails(lam: float) -> None:
    values = Drawn(np.random.default_rng(2)).tukey((1_000_000,), lam)
    places = np.array([1e-4, 0.01, 0.3, 0.5, 0.8, 0.99, 0.9999])
    wanted = stats.tukeylambda.ppf(places, lam)
    np.testing.assert_allclose(tukey_quantile(places, lam), wanted, atol=1e-9)
    np.testing.assert_allclose(np.quantile(values, places), wanted, atol=0.005, rtol=0.06)
    assert len(np.unique(values[np.abs(values) > stats.tukeylambda.ppf(1 - 1e-4, lam)])) > 150


def test_a_draw_is_a_function_of_its_seed_alone() -> None:
    model, clean = NoiseModel("P+G+r+u"), np.random.default_rng(0).random((4, 20, 30), np.float32)
    first, again = (model.add(clean, 150.0, LEVELS, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    batch, ratio = torch.from_numpy(clean).expand(3, -1, -1, -1), torch.full((3,), 150.0)

    def noisy(seeds: list[int]) -> torch.Tensor:
        levels = sensor_noise_torch.stack_levels([LEVELS] * len(seeds))
        draws = sensor_noise_torch.generators(seeds)
        return sensor_noise_torch.add(model, batch[: len(seeds)], ratio[: len(seeds)], levels, draws)

    torch.testing.assert_close(noisy([5, 6, 7])[2], noisy([7])[0], rtol=0, atol=0)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(noisy([7]), noisy([7]).float(), rtol=0, atol=0)
    assert not torch.equal(noisy([5])[0], noisy([6])[0])


def test_levels_are_drawn_by_the_law_of_the_camera() -> None:
    rng, sensor, model = np.random.default_rng(4), named_sensor("SonyA7S2"), NoiseModel("P+G+r")
    drawn = [model.draw_levels(rng, [sensor]) for _ in range(3000)]
    log_gain = np.log([one.gain for one in drawn])
    assert (log_gain.min(), log_gain.max()) == pytest.approx((np.log(0.1), np.log(30)), abs=0.01)
    for name, line in (("gaussian", sensor.read_gaussian), ("row", sensor.read_row)):
        rest = np.log([getattr(one, name) for one in drawn]) - line.slope * log_gain - line.bias
        assert (rest.mean(), rest.std()) == pytest.approx((0, line.sigma), abs=0.02)
    pairs = {(one.shape, *one.bias.tolist()) for one in drawn}
    assert len(pairs) == len(sensor.tukey_shape)
    assert levels_at(sensor, 1.0).gaussian == pytest.approx(3.38122, rel=1e-5)
    ratios = [model.draw_ratio(rng, True) for _ in range(1000)]
    assert 20 <= min(ratios) < 25 and 295 < max(ratios) <= 300
    assert min(model.draw_ratio(rng, False) for _ in range(1000)) >= 100


@pytest.mark.parametrize(
    ("letters", "message"),
    [("P+x", "unknown letter x; known: P "), ("", "empty"), ("P+p", "same noise"), ("gG", "same noise")],
)
def test_senseless_models_are_refused(letters: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        NoiseModel(letters)


def test_cameras_are_found_by_name_and_by_what_their_files_say() -> None:
    assert [named_sensor(name).name for name in SENSORS] == list(SENSORS)
    assert named_sensor("SonyA7S2").gain_of_iso(1600) == pytest.approx(1.5026571)
    assert sensor_of("SONY ILCE-7SM2") == named_sensor("SonyA7S2")
    assert sensor_of("Canon EOS R5") is None
    with pytest.raises(UserError, match="unknown camera 'X'; known: CanonEOS5D4"):
        named_sensor("X")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tukey_shape": None}, "value that cannot be"),
        ({"gain_min": 0}, "gains 0 to"),
        ({"colour_bias": [[0, 0, 0]]}, "colour_bias of 4 planes"),
    ],
)
def test_calibrations_that_cannot_be_are_refused(tmp_path, change: dict, message: str) -> None:
    path = tmp_path / "camera.json"
    path.write_text(json.dumps(json.loads((FOLDER / "SonyA7S2.json").read_text()) | change))
    with pytest.raises(UserError, match=message):
        read_sensor(path)


def test_calibrations_that_lack_something_are_refused(tmp_path) -> None:
    path = tmp_path / "camera.json"
    content = json.loads((FOLDER / "SonyA7S2.json").read_text())
    del content["read_row"]
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="lacks read_row"):
        read_sensor(path)
    path.write_text("[1]")
    with pytest.raises(UserError, match="JSON object"):
        read_sensor(path)
    path.write_text("nothing")
    with pytest.raises(UserError, match="not JSON"):
        read_sensor(path)
    with pytest.raises(UserError, match="no calibration"):
        read_sensor(tmp_path / "missing.json")


@pytest.mark.parametrize(
    "changes",
    [
        {"read_row": [1, 2, 3]},
        {"read_row": None},
        {"read_tukey": {"slope": 1, "bias": float("nan"), "sigma": 0}},
        {"read_tukey": {"slope": 1, "bias": 0, "sigma": -3}},
        {"gain_max": float("inf")},
        {"tukey_shape": [float("nan")] * 16},
        {"colour_bias": 3},
    ],
)
def test_values_that_cannot_be(tmp_path, changes) -> None:
    content = json.loads((FOLDER / "NikonD850.json").read_text())
    (tmp_path / "camera.json").write_text(json.dumps(content | changes))
    with pytest.raises(UserError, match="holds a value that cannot be"):
        read_sensor(tmp_path / "camera.json")


def test_own_gains_and_scaled_levels() -> None:
    model, sensor = NoiseModel("P+g"), named_sensor("SonyA7S2")
    drawn = [model.draw_levels(np.random.default_rng(seed), [sensor], True).gain for seed in range(200)]
    assert sensor.gain_min <= min(drawn) < 0.15 and 4 < max(drawn) <= sensor.gain_max
    scaled = LEVELS.scaled(4.0)
    assert (scaled.gain, scaled.row, scaled.shape) == (4 * GAIN, 4 * ROW, LAMBDA)
    np.testing.assert_allclose(scaled.bias, 4 * LEVELS.bias)
