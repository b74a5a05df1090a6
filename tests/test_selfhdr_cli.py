"""SelfHDR from end to end as users type it: both stages, the labels between them, and other networks."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from models.networks import create_network
from tests.golden.published_weights import fill_value
from tests.ldr_sets import make_ldr_set
from tests.programs import largest_difference, run, succeed
from util.imaging.images import read_picture
from util.imaging.radiance_exr import read_exr
from util.imaging.radiance_hdr import read_hdr
from util.imaging.tonemap import mu_law_picture8
from util.scores.radiance_metrics import RADIANCE_METRICS

DATA = ("--dataset_name", "sig17align", "--gpu_ids", -1, "-j", 0)
SHORT = (
    "--size",
    "tiny",
    "--patch_size",
    24,
    "--batch_size",
    2,
    "--niter",
    1,
    "--epoch_iters",
    3,
    "--val_freq",
    0,
)
LATEST = "AHDRNet_model_latest.pth"


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_ldr_set(tmp_path_factory.mktemp("data") / "ldr")


@pytest.fixture(scope="module")
def runs(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the runs of both stages, named `structure` and `final`, with the labels between them."""
    root = tmp_path_factory.mktemp("checkpoints")
    words = (*DATA, "--dataroot", scenes, "--checkpoints_dir", root)
    succeed("train.py", "--name", "structure", "--model", "selfhdr1", *words, *SHORT)
    made = succeed(
        "test.py", "--name", "structure", "--model", "selfhdr1", *words, "--structure_labels", True
    )
    assert "(2 written, 0 kept)" in made.out
    stage2 = ("--structure_label_path", root / "structure" / "output_latest", "--structure_loss", "gradient")
    succeed("train.py", "--name", "final", "--model", "selfhdr2", *words, *SHORT, *stage2)
    return root


def test_structure_labels(runs: Path, scenes: Path) -> None:
    """One per training scene; made again they are kept."""
    folder = runs / "structure" / "output_latest"
    labels = {path.stem: read_exr(path) for path in folder.glob("*.exr")}
    assert labels.keys() == {"001", "002"}
    assert all(
        label.shape == (72, 88, 3) and (label > 0).all() and (label < 1).all() for label in labels.values()
    )
    words = (*DATA, "--dataroot", scenes, "--checkpoints_dir", runs, "--name", "structure")
    again = succeed("test.py", *words, "--model", "selfhdr2", "--stage0_inference", True)  # as published
    assert "(0 written, 2 kept)" in again.out


def test_results(runs: Path, scenes: Path) -> None:
    """Scores are those of the radiance that is written; the picture is that of it."""
    words = (*DATA, "--dataroot", scenes, "--checkpoints_dir", runs, "--name", "final", "--model", "selfhdr2")
    result = succeed("test.py", *words, "--save_hdr", "exr", "--baselines", True)
    light = read_exr(runs / "final" / "output_sig17align_hdr_latest" / "001.exr")
    truth = read_hdr(scenes / "Test" / "001" / "HDRImg.hdr")
    page = json.loads((runs / "final" / "metrics_sig17align_latest.json").read_text())
    for metric in ("psnr_l", "psnr_mu", "ssim_l", "ssim_mu"):
        assert page["mean"][metric] == pytest.approx(RADIANCE_METRICS[metric](light, truth), abs=1e-4)
    picture = read_picture(runs / "final" / "output_sig17align_vispng_latest" / "001.png")
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, mu_law_picture8(light))
    for method in ("reference frame", "colour component", "exposure merge"):
        assert method in result.out
    label = json.loads((runs / "final" / "metrics_sig17align_latest_colour_component.json").read_text())
    merged = read_hdr(scenes / "Test_align" / "001" / "HDRImg.hdr")
    assert label["mean"]["psnr_mu"] == pytest.approx(RADIANCE_METRICS["psnr_mu"](merged, truth), abs=1e-4)
    assert page["peak_memory_mb"] > 100 and page["megapixels"] == pytest.approx(72 * 88 / 1e6, abs=1e-4)


def test_resume_is_exact(runs: Path, scenes: Path, tmp_path: Path) -> None:
    """Noise on the reference frame included."""
    labels = ("--structure_label_path", runs / "structure" / "output_latest", "--structure_loss", "gradient")
    words = (
        *DATA,
        "--dataroot",
        scenes,
        "--checkpoints_dir",
        tmp_path,
        *SHORT,
        "--model",
        "selfhdr2",
        *labels,
    )
    words = (*words, "--reference_noise", "gauss0_4")
    succeed("train.py", *words, "--name", "whole", "--niter", 2)
    succeed("train.py", *words, "--name", "parts")
    succeed("train.py", f"@{tmp_path}/parts/opt_train.args", "--niter", 2, "--resume", True)
    assert largest_difference(tmp_path / "whole" / LATEST, tmp_path / "parts" / LATEST) == 0


@pytest.mark.parametrize(
    ("model", "net"),
    [("selfhdr2", "tmrnet"), ("selfhdr1", "HDR-Transformer"), ("syn", "sctnet"), ("syn", "fshdr")],
)
def test_other_networks(model: str, net: str, runs: Path, scenes: Path, tmp_path: Path) -> None:
    """On LDR frames: networks of raw brackets, published spellings, and training with true labels."""
    words = (*DATA, "--dataroot", scenes, "--checkpoints_dir", tmp_path, "--name", "x", "--model", model)
    words = (*words, "--network", net)
    labels = ("--structure_label_path", runs / "structure" / "output_latest", "--structure_loss", "gradient")
    validated = ("--val_freq", 1)
    succeed("train.py", *words, *SHORT, *validated, *(labels if model == "selfhdr2" else ()))
    result = succeed("test.py", *words)
    assert "psnr_l" in result.out


@pytest.mark.parametrize("net", ["ahdrnet", "sctnet"])
@pytest.mark.parametrize("model", ["syn", "synplus"])
def test_on_raw_brackets(
    model: str, net: str, common: tuple[str, ...], brackets: Path, tmp_path: Path
) -> None:
    words = (
        "--model",
        model,
        "--dataset_name",
        model,
        "--net",
        net,
        "--checkpoints_dir",
        tmp_path,
        "--name",
        "x",
    )
    more = ("--patch_size", 8, "--niter", 1, "--epoch_iters", 2, "--val_freq", 1)
    succeed("train.py", *common, *words, *more, "--gradient_checkpointing", True)
    result = succeed("test.py", "--dataroot", brackets, "--gpu_ids", -1, "-j", 0, *words)
    assert "ssim_mu" in result.out


def test_published_checkpoint(scenes: Path, tmp_path: Path) -> None:
    """Its colours are in reverse order, and it holds buffers that depend on the size of patches."""
    network = create_network("hdr_transformer", bgr=True)
    state = {
        name: torch.from_numpy(fill_value(name, tuple(value.shape), 0.5))
        for name, value in network.state_dict().items()
    }
    prefix = "layers.0.residual_group.blocks.1.attn"
    buffers = {f"{prefix}.relative_position_index": torch.zeros(64, 64, dtype=torch.int64)}
    buffers["layers.0.residual_group.blocks.1.attn_mask"] = torch.zeros(256, 64, 64)
    torch.save({"state_dict": state | buffers}, tmp_path / "SelfHDR_model_200.pth")
    words = (*DATA, "--dataroot", scenes, "--checkpoints_dir", tmp_path, "--name", "x", "--model", "selfhdr2")
    words = (*words, "--net", "hdr_transformer", "--load_path", tmp_path / "SelfHDR_model_200.pth")
    succeed("test.py", *words, "--save_hdr", "exr", "--calc_metrics", False)
    light = read_exr(tmp_path / "x" / "output_sig17align_hdr_200" / "001.exr")
    network.load_state_dict(state)
    assert np.isfinite(light).all() and light.std() > 0
    succeed("test.py", *words, "--name", "y", "--bgr", False, "--save_hdr", "exr")
    other = read_exr(tmp_path / "y" / "output_sig17align_hdr_200" / "001.exr")
    assert np.abs(light - other).max() > 1e-4


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--model selfhdr1 --dataset_name syn", "--model selfhdr1 learns from a colour component, which"),
        ("--model selfhdr2", "--model selfhdr2 learns from structure labels: name their folder"),
        (
            "--model selfhdr2 --structure_label_path nowhere",
            "nowhere/001.hdr or .exr, structure_label of scene 001",
        ),
        ("--model selfhdr1 --frame_num 2", "--frame_num 2: --dataset_name sig17align has 3 frames per scene"),
        ("--model selfhdr1 --net ahdr_net", "unknown network 'ahdr_net'; known: ahdrnet"),
    ],
)
def test_refused(words: str, text: str, scenes: Path, tmp_path: Path) -> None:
    options = (*DATA, "--dataroot", scenes, "--checkpoints_dir", tmp_path, "--name", "x", *SHORT)
    result = run("train.py", *options, *words.split())
    assert result.status == 2
    line = result.err.strip().splitlines()[-1]
    assert line.startswith("error: ") and text in line
    assert "Traceback" not in result.err


def test_missing_vgg_weights(runs: Path, scenes: Path, tmp_path: Path) -> None:
    """Nothing is trained and nothing downloaded."""
    options = (*DATA, "--dataroot", scenes, "--checkpoints_dir", tmp_path, "--name", "x", *SHORT)
    labels = ("--structure_label_path", runs / "structure" / "output_latest")
    result = run(
        "train.py", *options, "--model", "selfhdr2", *labels, environment={"TORCH_HOME": os.fspath(tmp_path)}
    )
    assert result.status == 2
    assert "needs weights of VGG-19" in result.err and "--structure_loss gradient" in result.err
    assert not list(tmp_path.rglob("*.pth"))


def test_validation_without_truth_is_refused_at_once(tmp_path: Path) -> None:
    scenes = make_ldr_set(tmp_path / "unlabelled", labels=False)
    options = (*DATA, "--dataroot", scenes, "--checkpoints_dir", tmp_path, "--name", "x", *SHORT)
    result = run("train.py", *options, "--model", "selfhdr1", "--val_freq", 1)
    assert result.status == 2
    assert "there is no" in result.err and "--val_freq 0 validates without" in result.err
    assert not (tmp_path / "x" / LATEST).exists()


def test_own_photographs(runs: Path, scenes: Path, tmp_path: Path) -> None:
    """Three pictures of one's own are restored as the scenes are that the network was made for."""
    shutil.copytree(scenes / "Test" / "001", tmp_path / "photos", ignore=shutil.ignore_patterns("*.hdr"))
    (tmp_path / "photos" / "exposure.txt").write_text("1 4 16\n")
    words = (
        "--gpu_ids",
        -1,
        "-j",
        0,
        "--net",
        "ahdrnet",
        "--model",
        "selfhdr2",
        "--save_hdr",
        "exr",
        "--name",
        "x",
    )
    words = (*words, "--checkpoints_dir", tmp_path, "--load_path", runs / "final" / LATEST)
    succeed("test.py", *words, "--dataset_name", "sig17align", "--dataroot", scenes)
    own = ("--dataset_name", "folder", "--dataroot", tmp_path / "photos", "--response", "gamma22")
    succeed("test.py", *words, *own)
    scene = read_exr(tmp_path / "x" / "output_sig17align_hdr_latest" / "001.exr")
    light = read_exr(next((tmp_path / "x" / "output_folder_hdr_latest").rglob("*.exr")))
    np.testing.assert_allclose(light / 16, scene, atol=2e-3)  # 16: white of one's own photographs


def test_a_single_picture(scenes: Path, tmp_path: Path) -> None:
    shutil.copytree(
        scenes / "Test" / "001", tmp_path / "photos", ignore=shutil.ignore_patterns("*.hdr", "*.txt")
    )
    (tmp_path / "photos" / "exposure.txt").write_text("1 4 16\n")
    words = ("--name", "x", "--dataset_name", "folder", "--dataroot", tmp_path / "photos", "--gpu_ids", -1)
    result = run("test.py", *words, "--frame_num", 1, "--checkpoints_dir", tmp_path)
    assert result.status == 2
    assert "--frame_num 1: pictures are restored from 2 frames or more" in result.err


def test_options_of_the_other_program(runs: Path, scenes: Path, tmp_path: Path) -> None:
    """Published scripts give them to both programs."""
    words = (*DATA, "--dataroot", scenes, "--checkpoints_dir", tmp_path, "--name", "x", "--model", "selfhdr1")
    result = succeed("train.py", *words, *SHORT, "--chop", True, "--stage0_inference", False)
    assert "note: --chop is a published option without effect here" in result.err
    result = succeed("test.py", *words, "--batch_size", 1, "--patch_size", 128, "--stru_lable_path", "none")
    assert "note: --batch_size is a published option without effect here: it is for training" in result.err


def test_published_file_in_the_folder_of_a_run(runs: Path, scenes: Path, tmp_path: Path) -> None:
    weights = torch.load(runs / "final" / LATEST, weights_only=True)
    (tmp_path / "x").mkdir()
    torch.save(weights, tmp_path / "x" / "SelfHDR_model_150.pth")
    words = (*DATA, "--dataroot", scenes, "--checkpoints_dir", tmp_path, "--name", "x", "--model", "selfhdr2")
    assert "SelfHDR_model_150.pth" in succeed("test.py", *words, "--load_iter", 150).out
    result = run("test.py", *words, "--load_iter", 149)
    assert result.status == 2 and "small.pth" not in result.err


def test_a_network_that_restores_another_frame_is_refused(scenes: Path, tmp_path: Path) -> None:
    network = create_network("fshdr", reference=0, mid_channels=8)
    weights = {"state_dict": network.state_dict(), "network": network.arguments}
    torch.save(weights, tmp_path / "FSHDR_model_1.pth")
    words = (*DATA, "--dataroot", scenes, "--checkpoints_dir", tmp_path, "--name", "x", "--model", "selfhdr2")
    result = run("test.py", *words, "--net", "fshdr", "--load_path", tmp_path / "FSHDR_model_1.pth")
    assert result.status == 2
    assert "holds a network that restores frame 1, --dataset_name sig17align asks for frame 2" in result.err
