"""Tables of runs side by side, from the files that evaluations write."""

import csv
import json
import math
import os
import re
import sys
from urllib.parse import unquote

import cv2
import numpy as np
import pytest

from util.compare import main
from util.errors import UserError
from util.imaging.plot import COLOURS
from util.page.album import Album
from util.scores.evaluation import Evaluation
from util.scores.method_scores import RESTORED, TRUTH

FACTS = {
    "model": "selfhdr2",
    "network": "AHDRNet",
    "checkpoint": "3",
    "dataset": "sig17align",
    "frames": 3,
    "protocol": "paper",
    "scored": "picture",
    "border": 2,
    "precision": "fp32",
    "parameters": 1234567,
    "gmacs_per_image": 50.0,
    "megapixels": 2.0,
    "ms_per_megapixel": 8.5,
    "peak_memory_mb": 1200,
}


def write_run(folder, suffix="", *, images=("a", "b"), noise=900, metrics=("psnr_mu", "ssim_mu"), **changed):
    """Write a metrics file as test.py does; returns its means."""
    facts = {key: value for key, value in (FACTS | changed).items() if value is not None}
    evaluation = Evaluation(list(metrics), 2)
    rng = np.random.default_rng(noise)
    for name in images:
        target = rng.integers(0, 60000, (24, 24, 3)).astype(np.uint16)
        evaluation.add(name, target + rng.integers(0, noise, target.shape, np.uint16), target)
    name = f"metrics_{facts.get('dataset', 'sig17align')}_{facts['checkpoint']}{suffix}"
    evaluation.write(folder / name, facts | {"images": len(images)})
    return evaluation.mean()


@pytest.fixture
def compare(tmp_path, monkeypatch, capsys):
    """Run the program on folders of tmp_path; gives what it prints, and the rows of the CSV."""
    monkeypatch.chdir(tmp_path)

    def program(*words):
        monkeypatch.setattr(sys, "argv", ["compare", *map(str, words)])
        main()
        files = [*tmp_path.glob("*.csv"), *tmp_path.glob("pages/*.csv")]
        with files[0].open(newline="") as file:
            return capsys.readouterr().out, list(csv.DictReader(file))

    return program


def test_runs_stand_in_the_order_given_with_their_scores_and_cost(compare, tmp_path):
    second = write_run(tmp_path / "second", network="SCTNet", parameters=99)
    first = write_run(tmp_path / "first", noise=300)
    printed, rows = compare("second", "first")
    assert [row["run"] for row in rows] == ["second", "first"]
    for row, mean in zip(rows, (second, first), strict=True):
        assert {key: float(row[key]) for key in mean} == mean
    assert [row["parameters"] for row in rows] == ["99", "1234567"]
    assert {row["gmacs_per_megapixel"] for row in rows} == {"25.0"}
    assert "gmacs_per_image" not in rows[0]
    assert rows[0]["peak_memory_mb"] == "1200"
    line = next(line for line in printed.splitlines() if line.startswith("first"))
    assert line.split()[6:9] == [f"{first['psnr_mu']:.2f}", f"{first['ssim_mu']:.4f}", "1,234,567"]
    assert "dataset sig17align, protocol paper, scored picture, border 2, 2 images" in printed
    page = (tmp_path / "comparison.md").read_text()
    assert page.count("## ") == 1
    assert f"| first | selfhdr2 | AHDRNet | 3 | 3 | fp32 | {first['psnr_mu']:.2f} |" in page


def test_a_baseline_stands_once_unless_its_scores_differ(compare, tmp_path):
    for name in ("one", "two"):
        write_run(tmp_path / name)
        write_run(tmp_path / name, "_exposure_average", noise=2000)
    write_run(tmp_path / "two", "_shortest_bracket", noise=5000)
    write_run(tmp_path / "one", "_shortest_bracket", noise=4000)
    _, rows = compare("one", "two")
    assert [row["run"] for row in rows] == [
        "one",
        "two",
        "exposure average",
        "shortest bracket",
        "shortest bracket (two)",
    ]
    assert {row["parameters"] for row in rows[2:]} == {""}  # they have no network


def test_scores_that_are_no_number_are_the_same_of_each_run(compare, tmp_path, monkeypatch):
    monkeypatch.setattr(Evaluation, "mean", lambda self: {"psnr_mu": math.nan, "ssim_mu": math.inf})
    for name in ("one", "two"):
        write_run(tmp_path / name)
        write_run(tmp_path / name, "_exposure_average")
    monkeypatch.setattr(Evaluation, "mean", lambda self: {"psnr_mu": 30.0, "ssim_mu": math.inf})
    write_run(tmp_path / "three")
    write_run(tmp_path / "three", "_exposure_average")
    _, rows = compare("one", "two", "three")
    baselines = ["exposure average", "exposure average (three)"]
    assert [row["run"] for row in rows] == ["one", "two", "three", *baselines]


@pytest.mark.parametrize(
    ("dataset", "stated"),
    [("my_4k", True), ("my_4", True), ("4_4", True), ("a_4_b", True), ("my_4k", False)],
)
def test_names_that_hold_the_checkpoint(compare, tmp_path, dataset, stated):
    """Files of the past do not state the data set: there the first whole word like it is the checkpoint."""
    write_run(tmp_path / "run", checkpoint="4", dataset=dataset)
    write_run(tmp_path / "run", "_exposure_average", checkpoint="4", dataset=dataset)
    for path in [] if stated else (tmp_path / "run").glob("*.json"):
        path.write_text(path.read_text().replace('"dataset": "my_4k",', ""))
    printed, rows = compare("run")
    assert [row["run"] for row in rows] == ["run", "exposure average"]
    assert f"dataset {dataset}, " in printed


def test_a_file_under_another_name(compare, tmp_path):
    write_run(tmp_path / "run")
    path = tmp_path / "run/metrics_sig17align_3.json"
    path.rename(tmp_path / "run/metrics_sig17align_best.json")
    with pytest.raises(UserError, match=r"best\.json is not named as test.py named it: metrics_sig17align_3"):
        compare("run")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("megapixels", 0),
        ("megapixels", "2"),
        ("megapixels", math.nan),
        ("gmacs_per_image", "many"),
        ("parameters", [1]),
        ("peak_luminance", "1000"),
        ("peak_luminance", [1000]),
        ("border", [1]),
        ("protocol", {}),
        ("network", ["A"]),
        ("frames", {"a": 1}),
        ("dataset", ["a"]),
        ("mean", {"psnr_mu": 10**400}),
        ("mean", {"psnr_mu": "30"}),
    ],
)
def test_odd_facts_are_one_line(compare, tmp_path, key, value):
    write_run(tmp_path / "run", metrics=["pu_psnr"], peak_luminance=1000.0)
    (path,) = (tmp_path / "run").glob("*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    named = "psnr_mu" if key == "mean" else key
    with pytest.raises(UserError, match=f"metrics_sig17align_3.json .*{named}.*: delete it, or run test.py"):
        compare("run")


@pytest.mark.parametrize("key", ["gmacs_per_image", "megapixels", "peak_luminance", "parameters", "border"])
def test_facts_without_a_value_are_blank(compare, tmp_path, key):
    write_run(tmp_path / "run", metrics=["pu_psnr"], peak_luminance=1000.0)
    (path,) = (tmp_path / "run").glob("*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: None}))
    _, (row,) = compare("run")
    if key in ("gmacs_per_image", "megapixels"):
        assert not row.get("gmacs_per_megapixel")


def test_exact_costs_are_rounded_where_they_are_read(compare, tmp_path):
    write_run(tmp_path / "run", gmacs_per_image=1234.567891, megapixels=0.73)
    printed, (row,) = compare("run")
    assert float(row["gmacs_per_megapixel"]) == 1234.567891 / 0.73
    assert " 1,691.19 " in printed and "1691.1" not in printed
    assert " 1,691.19 " in (tmp_path / "comparison.md").read_text()


def test_a_baseline_has_the_metrics_of_all_runs(compare, tmp_path):
    write_run(tmp_path / "one", metrics=["psnr_mu"])
    write_run(tmp_path / "one", "_exposure_average", metrics=["psnr_mu"])
    write_run(tmp_path / "two")
    mean = write_run(tmp_path / "two", "_exposure_average")
    _, rows = compare("one", "two")
    assert [row["run"] for row in rows] == ["one", "two", "exposure average"]
    assert rows[0]["ssim_mu"] == ""
    assert float(rows[2]["ssim_mu"]) == mean["ssim_mu"]


@pytest.mark.parametrize(
    "changed",
    [
        {"protocol": "ntire2024"},
        {"border": 0},
        {"scored": "radiance"},
        {"images": ("a", "b", "c")},
        {"images": "xy"},
    ],
)
def test_what_was_not_scored_alike_stands_apart(compare, tmp_path, changed):
    write_run(tmp_path / "one")
    write_run(tmp_path / "two", **changed)
    printed, rows = compare("one", "two")
    assert len({row["scores"] for row in rows}) == 2
    assert "not scored alike" in printed
    assert (tmp_path / "comparison.md").read_text().count("## ") == 2


def test_other_data_with_equal_names_are_refused(compare, tmp_path):
    here = {"dataroot": "/data/one", "samples": {"pixels": 9, "input": 0.1, "truth": 0.3}}
    write_run(tmp_path / "one", **here)
    write_run(tmp_path / "moved", **here | {"dataroot": "/data/two"})
    compare("one", "moved")
    write_run(tmp_path / "two", **here | {"samples": {"pixels": 9, "input": 0.1, "truth": 0.4}})
    message = (
        r"one/metrics_sig17align_3\.json and two/metrics_sig17align_3\.json are of different data, though "
        r"images are called alike \(truth 0\.3 and 0\.4\): test both runs on one data set"
    )
    with pytest.raises(UserError, match=message):
        compare("one", "two")
    write_run(tmp_path / "odd", samples={"pixels": "many"})
    with pytest.raises(UserError, match=r"not a metrics file of test\.py, samples"):
        compare("odd")


def test_scores_at_different_peaks_stand_in_different_columns(compare, tmp_path):
    write_run(tmp_path / "one")
    for name, peak in (("two", 400.0), ("three", 1000.0)):
        write_run(tmp_path / name, metrics=["pu_psnr", "psnr_mu"], peak_luminance=peak)
    _, rows = compare("one", "two", "three")
    assert len({row["scores"] for row in rows}) == 1
    assert list(rows[0])[7:11] == ["psnr_mu", "ssim_mu", "pu_psnr 1000 cd/m2", "pu_psnr 400 cd/m2"]
    assert [bool(row["pu_psnr 400 cd/m2"]) for row in rows] == [False, True, False]
    assert all(row["psnr_mu"] for row in rows)


def test_checkpoints_of_a_run_are_rows_and_old_files_have_blanks(compare, tmp_path):
    old = dict.fromkeys(("model", "frames", "megapixels", "peak_memory_mb", "dataset", "scored"))
    write_run(tmp_path / "run", checkpoint="1", **old)
    write_run(tmp_path / "run", checkpoint="latest")
    _, rows = compare("run")
    assert sorted(row["checkpoint"] for row in rows) == ["1", "latest"]
    assert len({row["scores"] for row in rows}) == 1
    before = next(row for row in rows if row["checkpoint"] == "1")
    assert (before["model"], before["peak_memory_mb"], before["gmacs_per_megapixel"]) == ("", "", "")
    assert before["gmacs_per_image"] == "50.0"


def test_runs_of_the_same_name_are_told_apart_and_out_names_the_files(compare, tmp_path):
    write_run(tmp_path / "a/run")
    write_run(tmp_path / "b/run", noise=100)
    _, rows = compare("a/run", "b/run", "--out", "table.v2.csv")
    assert [row["run"] for row in rows] == ["a/run", "b/run"]
    assert (tmp_path / "table.v2.csv").exists() and (tmp_path / "table.v2.md").exists()


def test_bad_folders_and_files_are_one_line(compare, tmp_path):
    with pytest.raises(UserError, match="nowhere is not a folder; runs are folders such as ckpt/my_run"):
        compare("nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty holds no metrics_\*.json; test.py --name empty writes them"):
        compare("empty")
    path = tmp_path / "empty/metrics_syn_1.json"
    for content, message in (
        ("{", "is damaged"),
        ("[]", "is not a metrics file"),
        ('{"mean": {}}', "is not a"),
    ):
        path.write_text(content)
        with pytest.raises(
            UserError, match=f"metrics_syn_1.json {message}.*: delete it, or run test.py again"
        ):
            compare("empty")


def write_burst_run(folder, scores_by_frames, **changed):
    """Write a run of bursts with a file per number of frames, the largest being the run's own."""
    for count, noise in scores_by_frames.items():
        suffix = "" if count == max(scores_by_frames) else f"_{count}_frames"
        write_run(folder, suffix, noise=noise, frames=max(scores_by_frames), dataset="synburst", **changed)


def test_numbers_of_frames_are_rows_of_their_run_in_rising_order(compare, tmp_path):
    for name in ("one", "two"):
        write_burst_run(tmp_path / name, {14: 300, 10: 400, 2: 900})
        for path in (tmp_path / name).glob("*"):
            os.utime(path, (1, 1))
    _, rows = compare("one", "two")
    found = [(row["run"], row["frames"], bool(row["ms_per_megapixel"])) for row in rows]
    expected = [("14", True), ("2", False), ("10", False)]  # time and memory are those of all frames
    assert found == [(name, *row) for name in ("one", "two") for row in expected]
    assert {row["parameters"] for row in rows} == {"1234567"}
    assert float(rows[1]["psnr_mu"]) < float(rows[2]["psnr_mu"]) < float(rows[0]["psnr_mu"])


def test_the_page_plots_scores_over_numbers_of_frames(compare, tmp_path):
    write_burst_run(tmp_path / "a<b", {1: 900, 4: 500, 14: 300})
    write_burst_run(tmp_path / "c", {1: 800, 14: 200})
    printed, rows = compare("a<b", "c")
    assert "comparison.html, comparison_frames.png" in printed
    page = (tmp_path / "comparison.html").read_text()
    (svg,) = re.findall("<svg.*?</svg>", page, re.DOTALL)
    assert svg.count("<circle") == 5 and svg.count("<polyline") == 2
    assert "a&lt;b 3</text>" in svg and "c 3</text>" in svg and "a<b" not in page
    best = max(float(row["psnr_mu"]) for row in rows)
    heights = {y for _, y in re.findall("circle cx='([0-9.]+)' cy='([0-9.]+)'", svg)}
    assert min(map(float, heights)) == 60  # the best is at the top, which is labelled with it
    assert f">{best:.2f}</text>" in svg
    picture = cv2.imread(str(tmp_path / "comparison_frames.png"))
    assert picture.shape == (480, 640, 3)
    for colour in COLOURS[:2]:
        assert (picture[..., ::-1] == colour).all(2).sum() > 50


def test_no_plot_of_a_single_number_of_frames(compare, tmp_path):
    write_run(tmp_path / "one")
    write_run(tmp_path / "two", noise=100)
    compare("one", "two")
    assert "<svg" not in (tmp_path / "comparison.html").read_text()
    assert not list(tmp_path.glob("*.png"))


def test_scores_that_are_not_finite_are_no_points(compare, tmp_path, monkeypatch):
    write_burst_run(tmp_path / "one", {2: 900, 14: 300})
    monkeypatch.setattr(Evaluation, "mean", lambda self: {"psnr_mu": math.inf, "ssim_mu": 1.0})
    write_run(tmp_path / "one", "_4_frames", frames=14, dataset="synburst")
    compare("one")
    assert (tmp_path / "comparison.html").read_text().count("<circle") == 2


def test_the_page_shows_the_same_image_of_all_runs(compare, tmp_path):
    """Runs without pictures have rows; baselines and the ground truth are those of the first run."""
    images = ("0001-00", "night #1?")
    light = np.linspace(0, 1, 4 * 6 * 3, dtype=np.float32).reshape(4, 6, 3)
    for number, name in enumerate(("one", "two", "three")):
        write_burst_run(tmp_path / "ckpt" / name, {2: 900, 14: 300}, images=images)
        write_run(tmp_path / "ckpt" / name, "_bicubic", dataset="synburst", frames=14, images=images)
        album = Album(tmp_path / f"ckpt/{name}/report_synburst_3")
        for image in images if number < 2 else []:
            lights = {RESTORED: light * (number + 1) / 4, "bicubic": light / 3, TRUTH: light}
            album.add(image, lights, {RESTORED: {"psnr_mu": 30.0 + number}, "bicubic": {"psnr_mu": 20.0}})
            album.save()
    (tmp_path / "pages").mkdir()
    compare("ckpt/one", "ckpt/two", "ckpt/three", "--out", "pages/all.html")
    page = (tmp_path / "pages/all.html").read_text()
    (group,) = json.loads(re.search('id="content">(.*?)</script>', page, re.DOTALL)[1])
    assert [plate["name"] for plate in group["plates"]] == list(images)
    for plate in group["plates"]:
        assert list(plate["shots"]) == ["one 3", "two 3", "bicubic", TRUTH]
        assert plate["scores"]["two 3"] == {"psnr_mu": 31.0}
        files = [views["whole"]["file"] for views in plate["shots"].values()]
        assert files[1].startswith("../ckpt/two/report_synburst_3/data/")
        assert all((tmp_path / "pages" / unquote(file)).is_file() for file in files)
    assert page.count('id="light-') == 4  # of equal light there is one
    assert len(re.findall("<tr><td", page)) == 3 * 2 + 1  # the baseline once


def test_runs_aligned_by_different_flows_stand_apart(compare, tmp_path):
    for name in ("dis", "pwcnet"):
        write_run(tmp_path / name, scored="aligned", sca_flow=name)
    printed, rows = compare("dis", "pwcnet")
    assert len({row["scores"] for row in rows}) == 2
    assert "scored aligned, sca_flow dis, border 2" in printed
