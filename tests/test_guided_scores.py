"""Scores of HDR from one shot with rows exposed in turn, apart for what its mask trusts."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from data.row_exposure import LIMITS
from util.imaging.tonemap import mu_law
from util.scores.evaluation import SCORED, USUAL, VALIDATED, Evaluation
from util.scores.guided_metrics import GUIDED_METRICS, WELL_EXPOSED, target_planes, trust
from util.scores.judged import create_judge
from util.scores.method_scores import RESTORED, TRUTH, MethodScores

RNG = np.random.default_rng


def pair(side: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """An output (side, side, 3) and a target with its planes, half of it trusted, a corner not valid."""
    output, truth = RNG(0).random((2, side, side, 3), dtype=np.float32)
    planes = np.ones((side, side, 2), np.float32)
    planes[:, : side // 2, 0] = 0
    planes[-6:, -6:, 1] = 0
    return output, np.concatenate([truth, planes], axis=2)


def where(target: np.ndarray, region: str) -> np.ndarray:
    trusted, valid = target[..., 3] == 1, target[..., 4] == 1
    return valid & {"": trusted | True, "trusted": trusted, "recovered": ~trusted}[region]


@pytest.mark.parametrize("region", ["", "recovered", "trusted"])
def test_metrics_are_those_of_scikit_image_over_the_px_of_a_region(region):
    output, target = pair()
    chosen, truth = where(target, region), target[..., :3]
    score = {
        name: GUIDED_METRICS[f"{name}_{region}".rstrip("_")] for name in ("psnr_l", "psnr_mu", "ssim_mu")
    }
    expected = peak_signal_noise_ratio(truth[chosen], output[chosen], data_range=1)
    assert score["psnr_l"](output, target) == pytest.approx(expected, abs=1e-4)
    coded = [mu_law(image.astype(np.float64)) for image in (truth, output)]
    expected = peak_signal_noise_ratio(coded[0][chosen], coded[1][chosen], data_range=1)
    assert score["psnr_mu"](output, target) == pytest.approx(expected, abs=1e-4)
    _, similarity = structural_similarity(
        *coded,
        data_range=1,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    inner = np.zeros_like(chosen)
    inner[5:-5, 5:-5] = chosen[5:-5, 5:-5]
    assert score["ssim_mu"](output, target) == pytest.approx(similarity[inner].mean(), abs=1e-5)


def test_angles_of_known_colours():
    """45 degrees, equal but for brightness, 90 degrees for a black result; a black label is left out."""
    target = np.zeros((1, 4, 5), np.float32)
    target[0, :3, 0] = 0.5
    target[..., 3:] = 1
    output = np.float32([[[0.3, 0.3, 0], [0.1, 0, 0], [0, 0, 0], [1, 1, 1]]])
    assert GUIDED_METRICS["angle"](output, target) == pytest.approx((45 + 0 + 90) / 3)
    target[0, 1:, 3] = 0
    assert GUIDED_METRICS["angle_trusted"](output, target) == pytest.approx(45)
    assert GUIDED_METRICS["angle_recovered"](output, target) == pytest.approx(45)
    same = np.concatenate([output, np.ones((1, 4, 2), np.float32)], axis=2)
    assert GUIDED_METRICS["angle"](output, same) < 1e-5


def test_labels_and_results_are_clipped():
    output, target = pair()
    shifted = output.copy()
    output[:5], shifted[:5] = 1.0, 7.0
    output[5:9], shifted[5:9] = 0.0, -3.0
    brighter = target.copy()
    target[9:12, :, :3], brighter[9:12, :, :3] = 1.0, 4.0
    for name, metric in GUIDED_METRICS.items():
        assert metric(shifted, brighter) == metric(output, target), name


def test_invalid_px_do_not_count():
    output, target = pair()
    for name, metric in GUIDED_METRICS.items():
        if "ssim" in name:  # windows of valid px reach into what is not
            continue
        before = metric(output, target)
        changed = output.copy()
        changed[-6:, -6:] = 0.123
        assert metric(changed, target) == before, name
    target[..., 4] = 0
    assert all(math.isnan(metric(output, target)) for metric in GUIDED_METRICS.values())


def test_black_images_and_regions_without_px():
    """What no px tells of is NaN, and left out of the mean with a note."""
    black = np.zeros((16, 16, 5), np.float32)
    black[..., 3:] = 1
    assert math.isnan(GUIDED_METRICS["angle"](black[..., :3], black))
    assert math.isinf(GUIDED_METRICS["psnr_mu"](black[..., :3], black))
    assert math.isfinite(GUIDED_METRICS["psnr_mu_trusted"](black[..., :3] + 0.1, black))
    assert math.isnan(GUIDED_METRICS["psnr_mu_recovered"](black[..., :3], black))
    scores = MethodScores(["psnr_l", "psnr_l_recovered"], 0, {}, "guided")
    output, target = pair(16)
    scores.add("a", {RESTORED: output, TRUTH: target})
    everywhere = target.copy()
    everywhere[..., 3] = 1
    row = scores.add("b", {RESTORED: output, TRUTH: everywhere})[RESTORED]
    assert math.isnan(row["psnr_l_recovered"])
    expected = GUIDED_METRICS["psnr_l_recovered"](output, target)
    assert scores.means()[RESTORED]["psnr_l_recovered"] == expected
    (note,) = scores.notes()
    assert "psnr_l_recovered of 1 of 2 images is not finite" in note


def test_which_metrics_are_usual():
    names = ["psnr_l", "psnr_mu", "ssim_mu", "angle"]
    apart = [f"{name}_{region}" for region in ("recovered", "trusted") for name in names]
    assert USUAL["guided"] == names + apart
    assert VALIDATED["guided"][0] == "psnr_mu" and set(VALIDATED["guided"]) == set(names)
    assert SCORED["guided"] == GUIDED_METRICS
    output, target = pair()
    row = Evaluation([*USUAL["guided"], "pu_psnr"], 4, kind="guided").add("a", output, target)
    assert all(math.isfinite(score) for score in row.values())


def test_trust_is_that_of_the_mask_and_of_the_measured_value():
    """A mask of ones, for networks without guidance, leaves the px apart that the usual one does."""
    assert LIMITS["binary"] == WELL_EXPOSED
    values = torch.tensor([0.0, 0.01, 0.03, 0.5, 0.97, 0.99, 1.0]).repeat(4, 1)
    frames = torch.zeros(1, 2, 1, 4, 7)
    frames[0, 0, 0, :2], frames[0, 1, 0, 2:] = values[:2], values[2:] / 8
    exposure = torch.tensor([[1.0, 8.0]])
    trusted = trust(frames, exposure, torch.ones(1, 1, 4, 7))
    assert torch.equal(trusted[0, 0], torch.tensor([0.0, 0, 1, 1, 1, 0, 0]).repeat(4, 1))
    assert torch.equal(trust(frames, exposure, torch.full((1, 1, 4, 7), 0.4)), 0.4 * trusted)
    soft = torch.linspace(0.2, 0.8, 7).expand(1, 1, 4, 7)
    planes = target_planes(torch.rand(1, 3, 4, 7), trust(frames, exposure, soft), None)
    assert planes.shape == (4, 7, 5)
    assert planes[0, :, 3].tolist() == [0, 0, 0, 1, 1, 0, 0] and (planes[..., 4] == 1).all()


def test_the_judge_gives_the_target_its_planes():
    judge = create_judge(SimpleNamespace(scores="guided", opt=None))
    image, truth = torch.rand(2, 1, 3, 8, 6)
    valid = torch.ones(1, 1, 8, 6)
    valid[..., 2] = 0
    sample = {"exposure": torch.tensor([[1.0, 8.0]]), "mask": torch.ones(1, 1, 8, 6), "valid": valid}
    frames = torch.zeros(1, 2, 1, 8, 6)
    judged = judge.images(None, {RESTORED: image, TRUTH: truth}, frames, sample)
    assert np.array_equal(judged[RESTORED], image[0].permute(1, 2, 0).numpy())
    assert np.array_equal(judged[TRUTH][..., :3], truth[0].permute(1, 2, 0).numpy())
    assert (judged[TRUTH][..., 3] == 0).all()  # black px tell nothing
    assert np.array_equal(judged[TRUTH][..., 4], valid[0, 0].numpy())
    assert list(judge.images(None, {RESTORED: image}, frames, sample)) == [RESTORED]
    assert judge.facts() == {"scored": "guided"} and judge.reference("menon", False) == "ground truth"
