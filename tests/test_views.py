"""What test.py writes and scores with other tone maps, camera pipelines and metrics."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from models.networks import create_network, network_class
from tests.conftest import SIZE
from tests.photo_files import make_dng
from tests.programs import run, succeed
from util import checkpoint
from util.imaging.contact_sheet import CAPTION_HEIGHT
from util.imaging.images import read_picture
from util.imaging.radiance_exr import read_exr
from util.imaging.tonemap import inverse_mu_law

HEIGHT, WIDTH = 2 * SIZE[0], 2 * SIZE[1]


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A checkpoint of a small network as it is before training."""
    torch.manual_seed(0)
    sizes = network_class("tmrnet").sizes["tiny"]
    network = create_network("tmrnet", num_frames=5, in_channels=4, out_channels=4, scale=1, **sizes)
    path = tmp_path_factory.mktemp("weights") / "TMRNet_model_1.pth"
    checkpoint.save_weights(path, network.state_dict(), network.arguments)
    return path


@pytest.fixture
def words(brackets, weights, tmp_path) -> tuple:
    """Options of test.py for one sample of `brackets`; the run is `x` in `tmp_path`."""
    where = ("--dataroot", brackets, "--checkpoints_dir", tmp_path, "--load_path", weights, "--name", "x")
    return (*where, "--gpu_ids", -1, "-j", 0, "--max_dataset_size", 1)


@pytest.fixture
def without_targets(brackets, tmp_path) -> tuple:
    """Option that reads brackets without ground truth instead."""
    source = next(folder for folder in sorted((brackets / "Test").iterdir()))
    scene = tmp_path / "data" / "Test" / source.name
    shutil.copytree(source, scene)
    for file in ("raw_gt.npy", "rgb_vis_gt.png"):
        (scene / "000000" / file).unlink()
    return ("--dataroot", tmp_path / "data")


def scores(folder: Path) -> dict:
    return json.loads((folder / "x" / "metrics_syn_1.json").read_text())["mean"]


def only(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


def test_scores_do_not_change_with_the_tone_map(words, tmp_path):
    """Other tone maps have a folder of their own: vispng is always what the scores are of."""
    expected = {}
    for tonemap in ("mu_law", "reinhard", "exposure"):
        succeed("test.py", *words, "--tonemap", tonemap)
        expected = expected or scores(tmp_path)
        assert scores(tmp_path) == expected
    pictures = [
        read_picture(only(tmp_path, f"x/output_syn_{kind}_1/*/*.png"))
        for kind in ("vispng", "reinhard", "exposure")
    ]
    assert all(picture.shape == (HEIGHT, WIDTH, 3) for picture in pictures)
    assert all(picture[:10].max() == 0 for picture in pictures)  # the border that the data set left out
    inner = [picture[10:-10, 10:-10].astype(int) for picture in pictures]
    assert len({round(picture.mean()) for picture in inner}) == 3
    likeness = [
        np.corrcoef(np.log(inner[0].ravel() + 1), np.log(other.ravel() + 1))[0, 1] for other in inner[1:]
    ]
    assert min(likeness) > 0.8  # other curves of the same light


def test_brackets_without_targets_have_a_sheet_of_frames_and_linear_light(words, without_targets, tmp_path):
    words = (*words, *without_targets, "--tonemap", "exposure", "--save_hdr", "exr")
    result = succeed("test.py", *words, "--ev", 1)
    assert "nothing to score: this data set has no ground truth; clipiqa, maniqa need none" in result.out
    sheet = read_picture(only(tmp_path, "x/report_syn_1/*.png"))
    assert sheet.shape == (HEIGHT + CAPTION_HEIGHT, 5 * WIDTH, 3)
    light = read_exr(only(tmp_path, "x/output_syn_hdr_1/*/*.exr"))
    picture = read_picture(only(tmp_path, "x/output_syn_exposure_1/*/*.png"))[10:-10, 10:-10] / 65535
    exposed = np.clip(light / 16 * 2, 0, 1)  # 16 is the white of the shortest frame
    expected = np.where(exposed <= 0.0031308, 12.92 * exposed, 1.055 * exposed ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(picture, expected, atol=1e-4)
    succeed("test.py", *words, "--ev", 2)
    doubled = read_picture(only(tmp_path, "x/output_syn_exposure_1/*/*.png"))[10:-10, 10:-10] / 65535
    assert doubled.mean() > 1.2 * picture.mean()


def test_the_merge_of_exposures_is_a_baseline_and_is_not_scored_twice(words, tmp_path):
    result = succeed("test.py", *words, "--baselines", True)
    names = ("restored", "shortest bracket", "exposure average", "exposure merge")
    assert [line[:16].strip() for line in result.out.splitlines()[-6:-2]] == list(names)
    merge = json.loads((tmp_path / "x" / "metrics_syn_1_exposure_merge.json").read_text())["mean"]
    alone = [word for word in words if word != "--load_path" and not str(word).endswith(".pth")]
    result = succeed("test.py", *alone, "--baselines", True, "--net", "exposure_merge")
    assert [line[:16].strip() for line in result.out.splitlines()[-5:-2]] == list(names[:3])
    restored = json.loads((tmp_path / "x" / "metrics_syn_exposure_merge.json").read_text())["mean"]
    assert restored == merge


@pytest.mark.parametrize("isp, brightness", [("full", 1), ("published", 12 / 16)])
def test_real_results_are_named_by_the_scene_and_white_as_published(isp, brightness, tmp_path):
    """White is that of the shortest frame, but 16 in the published pipeline, whatever the exposures are."""
    shown = {}
    for third in (16, 12):
        scene = tmp_path / str(third) / "Test" / "night-1"
        scene.mkdir(parents=True)
        for number, exposure in enumerate((1, 4, third), 1):
            mosaic = np.full((60, 80), 64 + 20 * exposure, np.uint16)
            mosaic[:, 0] += 1  # rows of equal px are taken for missing data
            make_dng(scene / f"{number}.dng", mosaic)
        (scene / "exposure.txt").write_text(f"1 4 {third}")
        where = ("--dataroot", tmp_path / str(third), "--checkpoints_dir", tmp_path, "--name", third)
        what = ("--model", "real", "--dataset_name", "real", "--net", "exposure_merge", "--frame_num", 3)
        succeed("test.py", *where, *what, "--isp", isp, "--gpu_ids", -1, "-j", 0, "--save_hdr", "exr")
        picture = read_picture(tmp_path / f"{third}/output_real_vispng_exposure_merge/night-1.png")
        assert (tmp_path / f"{third}/output_real_hdr_exposure_merge/night-1.exr").exists()
        shown[third] = np.median(inverse_mu_law(picture / 65535))
    assert shown[12] / shown[16] == pytest.approx(brightness, abs=0.03)


@pytest.mark.parametrize(
    "options, message",
    [
        (("--tonemap", "gamma"), "invalid choice: 'gamma'"),
        (("--peak_luminance", "0"), "--peak_luminance 0: the brightest value must have some, in cd/m2"),
        (("--ev", "2"), "--ev 2 is for --tonemap exposure; --tonemap mu_law has none"),
        (("--tonemap", "exposure", "--ev", "much"), "expected auto or a number of stops, not 'much'"),
        (("--tonemap", "exposure", "--ev", "nan"), "expected auto or a number of stops, not 'nan'"),
        (("--tonemap", "exposure", "--ev", "inf"), "expected auto or a number of stops, not 'inf'"),
        (("--metrics", "psnr_mu,niqe"), "unknown metric 'niqe'; known: psnr_mu"),
        (("--isp", "published"), "rendering needs cam2xyz in the metadata; --isp published is for raw files"),
    ],
)
def test_mistakes_are_one_line(options, message, words, tmp_path):
    result = run("test.py", *words, *options)
    assert result.status == 2
    assert message in result.err
    assert not list(tmp_path.glob("x/output*"))


@pytest.mark.parametrize("metric, package", [("maniqa", "pyiqa"), ("lpips", "lpips")])
def test_a_package_that_is_absent_is_named_before_any_image(metric, package, words, tmp_path):
    if find_spec(package):
        pytest.skip(f"{package} is installed")
    result = run("test.py", *words, "--metrics", metric)
    assert result.status == 2
    assert result.err.splitlines()[-1].startswith(f"error: the metric {metric} needs the package {package}")
    assert not list(tmp_path.glob("x/*"))
    succeed("test.py", *words, "--metrics", metric, "--calc_metrics", False)
