"""What must not be scored in silence: ground truths and metadata that are no numbers, perfect and small
pictures, other data under the same names.
"""

import csv
import json
import math
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from data import create_dataset
from data.check import check_of
from data.loading import create_validation_loader, samples
from data.reading.sound import check_whole, colour_fault
from tests.bracket_sets import GAINS, draw, make_set, options
from tests.burst_sets import opened, simulate
from util.errors import UserError
from util.json_record import as_json, differences, read_json
from util.logger import FILE, Logger
from util.progress import Progress
from util.schedule import learning_rate
from util.scores import learned_metrics
from util.scores.evaluation import Evaluation, table
from util.scores.method_scores import RESTORED, TRUTH, MethodScores
from util.scores.metrics import pu_psnr, pu_ssim
from util.scores.radiance_metrics import RADIANCE_METRICS
from util.scores.report import Report
from util.scores.samples import Origin, Samples

# Ground truth and metadata


def strict(text: str) -> Any:
    """What JSON of the standard holds: NaN and infinities are none."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    return json.loads(text, parse_constant=refuse)


@pytest.fixture
def brackets_set(tmp_path):
    return make_set(tmp_path / "set", (40, 40), train=1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_ground_truth_that_is_not_finite_is_refused_with_its_file(brackets_set, value):
    path = brackets_set / "Test/b/000000/raw_gt.npy"
    truth = np.load(path)
    truth[20, 20:23, 1] = value
    np.save(path, truth)
    message = r"Test/b/000000/raw_gt\.npy: 3 values are NaN or infinite: repair it, or take the sample out"
    test = create_dataset(options(brackets_set, protocol="paper"), "test")
    assert test[0]["gt"].isfinite().all()
    with pytest.raises(UserError, match=message):
        test[1]
    loader = create_validation_loader(options(brackets_set, gpu_ids="-1", protocol="paper"))
    with pytest.raises(UserError, match=message):
        list(samples(loader))


def test_training_patches_are_left_to_the_loop(brackets_set):
    path = brackets_set / "Train/a/000000/raw_gt.npy"
    np.save(path, np.full_like(np.load(path), math.nan))
    assert create_dataset(options(brackets_set), "train")[draw()]["gt"].isnan().all()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("red_gain", math.nan, r"white_balance \(nan, 1, 1\.5\) must be finite and above 0"),
        ("red_gain", math.inf, r"white_balance \(inf, 1, 1\.5\) must be"),
        ("blue_gain", 0, r"white_balance \(2, 1, 0\) must be"),
        ("blue_gain", -1.5, r"white_balance \(2, 1, -1\.5\) must be"),
        ("cam2rgb", np.full((3, 3), math.nan), r"cam2rgb \(nan, .*\) is not an invertible matrix of colours"),
        ("cam2rgb", np.zeros((3, 3)), r"cam2rgb \(0, .*\) is not an invertible"),
        ("cam2rgb", -np.eye(3), r"cam2rgb \(-1, .*\) is not an invertible matrix of colours, of determinant"),
        ("cam2rgb", np.diag([-1, -1, 1]), r"cam2rgb .* turns white into negative light"),
    ],
)
def test_impossible_metadata_are_refused_with_their_file(brackets_set, name, value, message):
    path = brackets_set / "Test/a/000000/metadata.npy"
    np.save(path, np.array(GAINS | {name: np.float32(value)}, dtype=object))
    test = create_dataset(options(brackets_set, protocol="paper"), "test")
    with pytest.raises(UserError, match=rf"Test/a/000000/metadata\.npy: {message}"):
        test[0]


def test_gains_of_bursts_are_above_0(tmp_path):
    path = simulate(tmp_path / "photographs") / "gt/0000/meta_info.json"
    entries = json.loads(path.read_text())
    path.write_text(as_json(entries | {"red_gain": 0}))
    with pytest.raises(UserError, match=r"gt/0000/meta_info\.json: white_balance \(0, 1, .*above 0"):
        opened("synburst", "test", path.parents[2])[0]
    checks, dataset = check_of("synburst")
    (finding,) = checks(dataset, path.parents[2]).sample(path.parents[2] / "bursts/0000")
    assert finding.is_fault and finding.text.startswith("white_balance (0, 1, ")


def test_what_is_sound_passes_and_what_is_not_is_found_everywhere():
    sound = {"frames": np.ones((2, 1, 3, 3)), "gt": np.zeros((1, 3, 3)), "meta": {"rgb_gain": 2.0}}
    check_whole(sound, str)
    check_whole({"frames": np.ones((1, 1, 0, 0))}, str)
    frames = sound["frames"].copy()
    frames[1, 0, 2, 2] = math.nan
    with pytest.raises(UserError, match=r"^frames: 1 values"):
        check_whole(sound | {"frames": frames}, str)
    assert colour_fault({"white_level": np.float32(0)}) == "white_level (0) must be finite and above 0"
    assert colour_fault({"shading": np.ones((4, 2, 2)), "cam2rgb": np.eye(3), "orientation": 1}) == ""
    assert "cam2rgb" in colour_fault({"cam2rgb": np.ones((2, 3))})


def test_frames_that_leave_nothing_to_score_are_refused(tmp_path):
    test = create_dataset(options(make_set(tmp_path, (8, 40)), protocol="paper"), "test")
    with pytest.raises(UserError, match=r"a/000000: of 40x8 packed px nothing is left of what is scored"):
        test[0]


# Perfect pictures and JSON


def test_json_has_null_for_what_is_not_finite(tmp_path):
    content = {"a": [1.5, math.nan, {"b": (math.inf, 2)}], "c": np.float64(-math.inf), "d": "NaN"}
    assert strict(as_json(content)) == {"a": [1.5, None, {"b": [None, 2]}], "c": None, "d": "NaN"}
    (tmp_path / "a.json").write_text(as_json({"limit": math.inf}))
    assert differences(read_json(tmp_path / "a.json", ""), {"limit": math.inf}) == ""


def pictures(*sides: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 60000, (side, side, 3)).astype(np.uint16) for side in sides]


def test_the_mean_is_over_finite_scores_and_their_number_is_told(tmp_path):
    scores = MethodScores(["psnr_mu"], 0, {}, "picture")
    for name, picture, added in zip("abc", pictures(12, 12, 12), (0, 9, 0), strict=True):
        scores.add(name, {RESTORED: picture + np.uint16(added), TRUTH: picture})
    scores.write(tmp_path / "metrics", {"border": 0})
    found = strict((tmp_path / "metrics.json").read_text())
    psnr = 20 * math.log10(65535 / 9)
    assert found["mean"] == {"psnr_mu": pytest.approx(psnr)}
    assert [image["psnr_mu"] for image in found["images"]] == [None, pytest.approx(psnr), None]
    assert found["not_finite"] == {"psnr_mu": 2}
    (note,) = scores.notes()
    assert "psnr_mu of 2 of 3 images is not finite" in note


def test_perfect_pictures_alone_leave_readable_files(tmp_path):
    scores = MethodScores(["psnr_mu", "ssim_mu"], 0, {}, "picture")
    (picture,) = pictures(12)
    scores.add("a", {RESTORED: picture, TRUTH: picture})
    scores.write(tmp_path / "metrics", {})
    assert strict((tmp_path / "metrics.json").read_text())["mean"] == {"psnr_mu": None, "ssim_mu": 1}
    assert scores.means()[RESTORED]["psnr_mu"] == math.inf
    assert "inf" in table(scores.means())


def test_the_log_has_null_for_an_infinite_score(tmp_path):
    opt = SimpleNamespace(dataroot=tmp_path, niter=2, niter_decay=0, epoch_iters=3, print_freq=1)
    with Logger(tmp_path, opt, Progress()) as logger:
        logger.log("val", 3, epoch=1, psnr_mu=math.inf, ssim_mu=1.0)
    line = strict((tmp_path / FILE).read_text().splitlines()[-1])
    assert line == {"kind": "val", "step": 3, "epoch": 1, "psnr_mu": None, "ssim_mu": 1.0}


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([30, 31, 31, 30.5], [1, 2, 3]),
        ([math.inf, 20, 19, 21], [1, 2, 4]),
        ([30, math.inf, 29, 31, math.inf], [1, 2, 4, 5]),
        ([math.nan, 20, math.nan, 21], [2, 4]),
        ([-math.inf, -5], [1, 2]),
    ],
)
def test_best_is_neither_held_nor_lost_by_scores_that_are_not_finite(scores, best):
    assert [n for n in range(1, len(scores) + 1) if Progress(scores=scores[:n]).is_best()] == best


def test_an_infinite_score_does_not_lower_the_learning_rate():
    opt = SimpleNamespace(lr_policy="plateau", lr=1.0, niter=50)
    rising = [math.inf, *range(1, 20)]
    assert learning_rate(opt, 21, rising) == 1.0
    assert learning_rate(opt, 21, [math.inf, *[5.0] * 7]) == pytest.approx(0.2)


# Small pictures


def test_a_small_picture_is_named_and_left_out_of_its_metric_alone(tmp_path, capsys):
    scores = MethodScores(["psnr_mu", "ssim_mu"], 0, {}, "picture")
    for name, picture in zip("abc", pictures(20, 10, 16), strict=True):
        noisy = picture + np.uint16(100)
        scores.add(name, {RESTORED: noisy, "exposure average": noisy, TRUTH: picture})
    noted = capsys.readouterr().err.splitlines()
    size = "SSIM needs pictures of 11x11 px or more, got 10x10"
    assert noted == [f"note: b: {size}; it has no ssim_mu and is not in that mean"]  # once for all methods
    scores.write(tmp_path / "metrics", {})
    found = strict((tmp_path / "metrics.json").read_text())
    assert [sorted(image) for image in found["images"]][1] == ["name", "psnr_mu"]
    similarities = [image["ssim_mu"] for image in found["images"] if "ssim_mu" in image]
    assert len(similarities) == 2
    assert found["mean"]["ssim_mu"] == pytest.approx(np.mean(similarities))
    with (tmp_path / "metrics.csv").open(newline="") as file:
        assert [row["ssim_mu"] == "" for row in csv.DictReader(file)] == [False, True, False, False]


def test_what_the_border_leaves_nothing_of_is_left_out(capsys):
    scores = Evaluation(["psnr_mu"], 6)
    first, small = pictures(20, 12)
    assert scores.add("small", small, small) == {}
    assert "note: small: a border of 6 px leaves nothing of a picture of 12x12" in capsys.readouterr().err
    assert scores.add("first", first + np.uint16(5), first)
    assert [row["name"] for row in scores.rows] == ["first"]


def test_tables_have_metrics_that_a_method_lacks(tmp_path):
    means = {"a": {"psnr_mu": 30.0}, "b": {"psnr_mu": 31.0, "ssim_mu": 0.5}}
    assert [line.split() for line in table(means).splitlines()] == [
        ["psnr_mu", "ssim_mu"],
        ["a", "30.0000", "nan"],
        ["b", "31.0000", "0.5000"],
    ]
    assert "<td>nan</td>" in Report(tmp_path).write("title", {}, means).read_text()


# ColorVideoVDP


@pytest.fixture
def strict_cvvdp(monkeypatch):
    """A package that stops at NaN, as the true one does."""

    class Predictor:
        def __init__(self, **settings):
            pass

        def predict(self, test, reference, dim_order):
            assert np.isfinite(test).all() and np.isfinite(reference).all()
            return torch.tensor(9.0), None

    package = SimpleNamespace(cvvdp=Predictor, vvdp_display_photo_eotf=lambda peak, **settings: None)
    learned_metrics._cvvdp_predictor.cache_clear()
    monkeypatch.setitem(sys.modules, "pycvvdp", package)
    yield
    learned_metrics._cvvdp_predictor.cache_clear()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_cvvdp_of_what_is_not_finite_is_nan(strict_cvvdp, value):
    light = np.full((20, 20, 3), 0.3, np.float32)
    spoilt = light.copy()
    spoilt[3, 4, 1] = value
    cvvdp = RADIANCE_METRICS["cvvdp"]
    assert cvvdp(light, light) == 9
    assert math.isnan(cvvdp(spoilt, light)) and math.isnan(cvvdp(light, spoilt))


@pytest.mark.parametrize("compare", [RADIANCE_METRICS["cvvdp"], pu_psnr, pu_ssim])
def test_codes_are_not_taken_for_light(strict_cvvdp, compare):
    codes = pictures(20)[0]
    with pytest.raises(UserError, match="a picture of uint16 holds codes, not light: pass linear light"):
        compare(codes, codes)


# Which samples


def origin(root: str, facts: dict[str, float] | None = None) -> Origin:
    return Origin.of({"dataroot": root} | ({} if facts is None else {"samples": facts}))


def test_samples_are_summed_up():
    tested = Samples()
    for level in (1.0, 3.0):
        frames = torch.full((1, 2, 4, 5, 6), level)
        frames[:, 1] = 9
        tested.add({"frames": frames, "gt": torch.full((1, 4, 10, 12), 2 * level)})
    assert tested.facts() == {"pixels": 240, "input": 2, "truth": 4}
    bare = Samples()
    bare.add({"frames": torch.ones(1, 1, 3, 5, 6)})
    assert bare.facts() == {"pixels": 30, "input": 1}


FACTS = {"pixels": 100, "input": 0.25, "truth": 0.5}


@pytest.mark.parametrize(
    ("here", "there", "expected"),
    [
        (("/a", FACTS), ("/a", FACTS), ""),
        (("/a", FACTS), ("/b", FACTS | {"truth": 0.5 * (1 + 1e-8)}), ""),  # a copy, on another machine
        (("/a", FACTS), ("/a/", FACTS | {"input": 0.2}), ""),  # aligned beforehand
        (("/a", FACTS), ("/b", FACTS | {"input": 0.2}), "dataroot /a and /b; input 0.25 and 0.2"),
        (("/a", FACTS), ("/a", FACTS | {"truth": 0.6}), "truth 0.5 and 0.6"),
        (("/a", FACTS), ("/a", FACTS | {"pixels": 90}), "pixels 100 and 90"),
        (("/a", None), ("/b", FACTS), "dataroot /a and /b"),
        (("/a", None), ("/a", FACTS), ""),
        (("", None), ("/a", FACTS), ""),
    ],
)
def test_other_data_under_the_same_names_are_found(here, there, expected):
    assert origin(*here).differences(origin(*there)) == expected


def test_whole_samples_are_what_they_were(brackets_set):
    path = brackets_set / "Test/a/000000/raw_gt.npy"
    sample = create_dataset(options(brackets_set, protocol="ntire2024"), "test")[0]
    assert_array_equal(sample["gt"], np.load(path).transpose(2, 0, 1))
