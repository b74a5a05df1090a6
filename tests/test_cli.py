"""train.py and test.py from end to end, as users type them."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import SIZE
from tests.programs import ROOT, log_rows, run, succeed, weights
from tests.test_locks import holder
from util.imaging.images import read_picture
from util.imaging.radiance_exr import read_exr
from util.scores.metrics import crop_border
from util.scores.picture_metrics import METRICS

SCENES = ("coffee", "rocket")
PICTURE = (2 * SIZE[0], 2 * SIZE[1], 3)
PLUS = ("--model", "synplus", "--dataset_name", "synplus", "--patch_size", 8)
LATEST = "TMRNet_model_latest.pth"


@pytest.fixture(scope="module")
def checkpoints(common, tmp_path_factory) -> Path:
    """Folder of two finished runs, `syn` and, started from it, `plus`."""
    root = tmp_path_factory.mktemp("checkpoints")
    words = (*common, "--niter", 2, "--epoch_iters", 2, "--checkpoints_dir", root)
    succeed("train.py", *words, "--name", "syn", "--val_freq", 0)
    load = ("--load_path", root / "syn" / LATEST)
    result = succeed("train.py", *words, "--name", "plus", *PLUS, *load, "--val_freq", 2)
    (root / "plus" / "said.txt").write_text(result.out)
    return root


@pytest.fixture
def test(brackets, checkpoints):
    """Runs test.py, which must end well."""
    words = ("--dataroot", brackets, "--gpu_ids", -1, "-j", 0, "--checkpoints_dir", checkpoints)
    return lambda *more: succeed("test.py", *words, *more)


def assert_scores(folder: Path, stem: str, pictures: Path, brackets: Path, border: int) -> None:
    """CSV and JSON say the same, what the pictures give, and their mean."""
    page = json.loads((folder / f"{stem}.json").read_text())
    with (folder / f"{stem}.csv").open() as file:
        rows = {
            row.pop("name"): {key: float(value) for key, value in row.items()} for row in csv.DictReader(file)
        }
    mean = rows.pop("mean")
    assert list(rows) == [f"{scene}-000000" for scene in SCENES]
    assert page["mean"] == mean
    assert {row.pop("name"): row for row in page["images"]} == rows
    assert page["border"] == border
    assert page["dataroot"] == str(brackets) and page["version"].startswith("0.1.0")
    assert page["time"].endswith("+00:00")
    for metric in ("psnr_mu", "ssim_mu"):
        assert mean[metric] == pytest.approx(np.mean([row[metric] for row in rows.values()]), rel=1e-12)
        for scene in SCENES:
            picture = read_picture(pictures / scene / "000000.png")
            reference = read_picture(brackets / "Test" / scene / "000000" / "rgb_vis_gt.png")
            pair = [crop_border(image, border) for image in (picture, reference)]
            assert rows[f"{scene}-000000"][metric] == pytest.approx(METRICS[metric](*pair), rel=1e-9)


@pytest.mark.parametrize(
    "name, more, border",
    [("syn", ("--load_iter", "1,2"), 10), ("plus", (*PLUS[:4], "--load_iter", "1,2"), 16)],
)
def test_pictures_and_scores(name, more, border, test, checkpoints, brackets):
    """Two checkpoints in one call: pictures, scores, contact sheets and radiance of each."""
    result = test("--name", name, *more, "--save_hdr", "exr", "--baselines", True)
    folder, dataset = checkpoints / name, f"syn{'plus' if name == 'plus' else ''}"
    for iteration in (1, 2):
        pictures = folder / f"output_{dataset}_vispng_{iteration}"
        for scene in SCENES:
            picture = read_picture(pictures / scene / "000000.png")
            assert (picture.dtype, picture.shape) == (np.uint16, PICTURE)
            assert picture[:border].max() == 0 < picture[border:-border, border:-border].std()
            light = read_exr(folder / f"output_{dataset}_hdr_{iteration}" / scene / "000000.exr")
            assert light.shape == (PICTURE[0] - 2 * border, PICTURE[1] - 2 * border, 3)
            assert np.isfinite(light).all()
        stem = f"metrics_{dataset}_{iteration}"
        assert_scores(folder, stem, pictures, brackets, border)
        assert {path.stem for path in folder.glob(f"{stem}_*.csv")} >= {f"{stem}_exposure_average"}
        report = folder / f"report_{dataset}_{iteration}"
        page = (report / "index.html").read_text()
        for scene in SCENES:
            sheet = f"{scene}-000000.png"
            assert sheet in page
            assert read_picture(report / sheet).shape[0] >= PICTURE[0]
    first, second = (read_picture(folder / f"output_{dataset}_vispng_{n}/coffee/000000.png") for n in (1, 2))
    assert (first != second).any()
    assert result.out.count("restored ") == 2


def test_one_at_a_time_writes_results(checkpoints, brackets):
    process, _ = holder(checkpoints / "syn" / "output_syn_1")
    words = ("--dataroot", brackets, "--gpu_ids", -1, "--checkpoints_dir", checkpoints, "--load_iter", 1)
    result = run("test.py", *words, "--name", "syn")
    process.communicate("")
    assert result.status == 2 and " is in use by process " in result.err
    assert result.err.endswith(": wait until that test has ended, or give another --name\n")


def test_start_of_synplus(checkpoints):
    """It says which parts the smaller task did not have, and the others are the smaller task's."""
    said = (checkpoints / "plus" / "said.txt").read_text()
    line = next(line for line in said.splitlines() if line.startswith("weights from"))
    named = line.partition("from scratch: ")[2].split(", ")
    smaller, larger = (weights(checkpoints / name / LATEST) for name in ("syn", "plus"))
    assert set(named) == larger.keys() - smaller.keys() != set()
    assert all(name.startswith(("up_para", "upsample")) for name in named)
    for name, value in smaller.items():
        assert (larger[name] - value).abs().max() < 1e-3, name
    assert [row["step"] for row in log_rows(checkpoints / "plus", "val")] == [4]


def test_synplus_is_tested_strictly(test, checkpoints, brackets):
    """What training may fill in afresh, testing may not."""
    words = ("--dataroot", brackets, "--gpu_ids", -1, "--name", "x", *PLUS[:4])
    result = run("test.py", *words, "--load_path", checkpoints / "syn" / LATEST)
    assert result.status == 2
    assert "lacks up_para" in result.err


def test_no_ground_truth(checkpoints, brackets, tmp_path):
    """Pictures are made, and that there is nothing to score is said."""
    shutil.copytree(brackets / "Test", tmp_path / "data" / "Test")
    for scene in SCENES:
        for file in ("raw_gt.npy", "rgb_vis_gt.png"):
            (tmp_path / "data" / "Test" / scene / "000000" / file).unlink()
    words = ("--dataroot", tmp_path / "data", "--gpu_ids", -1, "-j", 2, "--checkpoints_dir", tmp_path)
    load = ("--load_path", checkpoints / "syn" / LATEST)
    result = succeed("test.py", *words, "--name", "x", *load, "--calc_metrics", "True")
    assert "nothing to score" in result.out
    assert read_picture(tmp_path / "x/output_syn_vispng_latest/rocket/000000.png").shape == PICTURE
    assert not list((tmp_path / "x").glob("metrics*"))


@pytest.mark.slow
def test_published_command_lines(brackets, tmp_path):
    """The published scripts' options, with this repository's programs and without this file's short cuts."""
    where = f"--dataset_name syn --model syn --name run --dataroot {brackets} --checkpoints_dir {tmp_path}"
    training = (
        "--patch_size 24 --niter 1 --save_imgs True --lr 1e-4 --batch_size 2 --print_freq 500 --shuffle true "
        "--calc_metrics True --weight_decay 0.01 --gpu_ids -1 -j 2 --lr_policy cosine_warmup "
        "--optimizer Adam --size tiny --epoch_iters 2"
    )
    testing = "--load_iter 1 --save_imgs True --calc_metrics True --chop False --gpu_ids -1 -j 2"
    for program, words in (("train.py", training), ("test.py", testing)):
        command = [sys.executable, program, *where.split(), *words.split()]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        if program == "train.py":
            for option in ("optimizer", "shuffle"):
                assert f"note: --{option} is a published option without effect here" in done.stderr
    folder = tmp_path / "run"
    assert {"TMRNet_model_1.pth", LATEST, "TMRNet_model_best.pth"} <= {path.name for path in folder.iterdir()}
    (score,) = log_rows(folder, "val")
    assert (score["step"], score["epoch"]) == (2, 1)
    assert read_picture(folder / "validation_1" / "coffee-000000.png").ndim == 3
    assert_scores(folder, "metrics_syn_1", folder / "output_syn_vispng_1", brackets, 10)


def test_help():
    """What a model's data set and network add is in the help; help needs no other option."""
    result = succeed("train.py", "--model", "synplus", "--dataset_name", "synplus", "-h")
    for option in ("--augment", "--mid_channels", "--spynet_path", "--resume", "network tmrnet"):
        assert option in result.out
    result = succeed("test.py", "-h")
    assert "--protocol" in result.out
    assert "--resume" not in result.out


def test_file_of_options(common, brackets, tmp_path):
    """@FILE holds words as a shell reads them, later words win, and a run's own file repeats it."""
    data = tmp_path / "my data # 1"
    data.symlink_to(brackets)
    file = tmp_path / "options"
    file.write_text(f"# first try\n--dataroot '{data}' --niter 1\n--epoch_iters 3 --val_freq 0\n")
    run_words = ("--checkpoints_dir", tmp_path, "--name", "one two")
    succeed("train.py", *common, f"@{file}", *run_words, "--epoch_iters", 2)
    folder = tmp_path / "one two"
    assert [row["step"] for row in log_rows(folder)] == [1, 2]
    assert str(data) in (folder / "opt_train.txt").read_text()
    before = weights(folder / LATEST)
    (folder / LATEST).unlink()
    succeed("train.py", f"@{folder}/opt_train.args")
    after = weights(folder / LATEST)
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize("prefix", ["", "module."])
def test_published_layout(prefix, test, checkpoints, tmp_path):
    """A file that has no word about its network loads where the options describe it."""
    state = {prefix + name: value for name, value in weights(checkpoints / "syn" / LATEST).items()}
    path = tmp_path / "TMRNet_model_400.pth"
    torch.save({"state_dict": state}, path)
    test("--name", "syn", "--load_path", path, "--size", "tiny", "--metrics", "psnr_mu")
    test("--name", "syn", "--metrics", "psnr_mu")
    published, ours = (
        json.loads((checkpoints / "syn" / f"metrics_syn_{label}.json").read_text())
        for label in ("400", "latest")
    )
    assert published["images"] == ours["images"]


def test_names_of_the_full_network(common, tmp_path):
    """A checkpoint has the published names and shapes, all of them and no other."""
    words = ("--size", "full", "--patch_size", 8, "--batch_size", 1, "--niter", 1, "--epoch_iters", 1)
    words = (*words, "--val_freq", 0, "--checkpoints_dir", tmp_path, "--name", "run")
    result = succeed("train.py", *common, *words)
    assert "13,285,704 parameters" in result.out
    content = torch.load(tmp_path / "run" / LATEST, weights_only=True)
    found = {name: list(value.shape) for name, value in content["state_dict"].items()}
    with np.load(ROOT / "tests" / "golden" / "tmrnet_syn.npz") as golden:
        published = json.loads(str(golden["shapes"]))
        assert set(golden["names"]) == set(published)
    buffers = {f"spynet.{name}": [1, 3, 1, 1] for name in ("mean", "std")}
    assert found == published | buffers
    assert all(
        value.is_contiguous() and value.device.type == "cpu" for value in content["state_dict"].values()
    )
    assert content["network"]["name"] == "tmrnet"
