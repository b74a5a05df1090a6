"""The data sets sim and simplus: patches that are simulated when they are asked for."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from data import create_dataset, dataset_class
from data.sim_dataset import SimDataset
from data.simulate.photographs import PHOTOGRAPHS, TRAINING_PHOTOGRAPHS
from data.simulate.procedural import draw_picture
from data.syn_dataset import SynDataset
from tests.bracket_sets import draw, options
from tests.made_footage import pan, write_frames
from tests.programs import log_rows, run, succeed
from util.errors import UserError
from util.imaging.radiance import write_radiance


def patch(root: Path, position: int = 0, index: int = 0, **changes) -> dict:
    opt = options(root, **{"dataset_name": "sim", "source": None, "foreground": 0.3} | changes)
    return create_dataset(opt, "train")[draw(index=index, position=position)]


@pytest.mark.parametrize(("name", "scale"), [("sim", 1), ("simplus", 4)])
def test_patch_keeps_the_sample_contract(tmp_path: Path, name: str, scale: int) -> None:
    sample = patch(tmp_path, dataset_name=name, patch_size=12)
    assert dataset_class(name).task.scale == scale
    assert sample["frames"].shape == (5, 4, 12, 12)
    assert sample["gt"].shape == (4, 12 * scale, 12 * scale)
    assert sample["frames"].dtype == sample["gt"].dtype == torch.float32
    assert sample["exposure"].tolist() == [1 / 16, 1 / 4, 1, 4, 16]
    levels = sample["frames"] * 1023
    assert levels.round().allclose(levels, atol=1e-3)
    assert 0 <= levels.min() <= levels.max() <= 1023.001


def test_patch_depends_on_seed_epoch_and_position_alone(tmp_path: Path) -> None:
    first, again, other = patch(tmp_path, 3), patch(tmp_path, 3), patch(tmp_path, 4)
    assert torch.equal(first["frames"], again["frames"])
    assert torch.equal(first["gt"], again["gt"])
    assert not torch.equal(first["frames"], other["frames"])
    three = patch(tmp_path, 3, frame_num=3)
    assert torch.equal(three["frames"], first["frames"][:3])
    assert torch.equal(three["gt"], first["gt"])


@pytest.mark.parametrize("name", ["sim", "simplus"])
def test_frames_show_the_target(tmp_path: Path, name: str) -> None:
    """The middle frame, which moves little, is as bright as the target where it does not clip."""
    ratios = []
    for position in range(8):
        sample = patch(tmp_path, position, index=position, dataset_name=name, patch_size=24)
        truth = F.avg_pool2d(sample["gt"], dataset_class(name).task.scale)
        dim = (truth < 0.7) & (truth > 0.02)
        if dim.sum() > 200:
            ratios.append(float(sample["frames"][2][dim].mean() / truth[dim].mean()))
    assert len(ratios) >= 5
    assert np.median(ratios) == pytest.approx(1, abs=0.03)


def test_validation_and_test_are_those_of_syn(brackets: Path) -> None:
    for split in ("val", "test"):
        ours = create_dataset(options(brackets, dataset_name="sim"), split)
        theirs = SynDataset(options(brackets), split)
        assert len(ours) == len(theirs) > 0
        assert torch.equal(ours[0]["frames"], theirs[0]["frames"])
        assert ours.border == theirs.border


def test_no_test_photograph_is_trained_on(tmp_path: Path) -> None:
    held_out = set(PHOTOGRAPHS["Test"].values())
    assert not held_out & set(TRAINING_PHOTOGRAPHS.values())
    names = {source.name for source in SimDataset(options(tmp_path, source=None), "train").sources}
    assert names == set(TRAINING_PHOTOGRAPHS)


def test_footage_of_the_user(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("first", "second"):
        write_radiance(
            tmp_path / "footage" / f"{name}.exr", rng.uniform(0, 4, (120, 150, 3)).astype(np.float32)
        )
    settings = {"source": [tmp_path / "footage"], "patch_size": 16}
    names = {patch(tmp_path, index=index, **settings)["name"].split("-")[0] for index in (0, 1)}
    assert names == {"first", "second"}
    sample = patch(tmp_path, position=5, dataset_name="simplus", **settings | {"patch_size": 4})
    assert sample["gt"].shape == (4, 16, 16)
    with pytest.raises(UserError, match="--patch_size 10: with --source the targets are 10 packed px"):
        patch(tmp_path, **settings | {"patch_size": 10})
    with pytest.raises(UserError, match=r"--source .*none: "):
        patch(tmp_path, source=[tmp_path / "none"])


def test_footage_that_cannot_give_patches_is_refused_at_the_start(tmp_path: Path) -> None:
    write_frames(tmp_path / "short", pan(5, 2.0))
    write_frames(tmp_path / "still", pan(1, 2.0))
    write_frames(tmp_path / "walk", pan(12, 2.0))
    refused = {
        ("short", 16): "short has 5 frames, a patch of a video takes 12: give more frames",
        ("still", 48): "frame_0001.png has 128x96 px, --patch_size 48 takes 124x124: give a smaller",
        ("walk", 52): "walk has 128x96 px, --patch_size 52 takes 104x104: give a smaller --patch_size",
    }
    for (name, side), message in refused.items():
        with pytest.raises(UserError, match=f"^--source: {tmp_path}/.*{message}"):
            footage_set(tmp_path / name, side)
    assert len(footage_set(tmp_path / "walk", 48)) == 1


def footage_set(source: Path, side: int) -> SimDataset:
    return create_dataset(
        options(source, dataset_name="sim", source=[source], foreground=0.0, patch_size=side), "train"
    )


def test_frames_of_simplus_are_means_of_the_large_ones(tmp_path: Path) -> None:
    """Before footage that stands still, of a texture as fine as its pixels."""
    texture = np.random.default_rng(0).integers(0, 2, (66, 66, 3)).astype(np.float32)
    write_frames(tmp_path / "still", [texture] * 12, suffix=".exr")
    sample = patch(tmp_path, dataset_name="simplus", source=[tmp_path / "still"], patch_size=8)
    frame, truth = sample["frames"][3], 4 * sample["gt"]
    mean, sparse = F.avg_pool2d(truth, 4), truth[:, ::4, ::4]
    dim = mean < 0.7
    assert dim.sum() > 100
    assert (frame - mean)[dim].std() < 0.03  # the noise
    assert (frame - sparse)[dim].std() > 0.06


def test_groups_with_a_cut_are_not_trained_on(tmp_path: Path) -> None:
    cut = [*pan(6, 2.0), *(frame[::-1, ::-1] for frame in pan(6, 2.0))]
    write_frames(tmp_path / "film", [*cut, *pan(12, 2.0)])
    write_frames(tmp_path / "cut", cut)
    settings = {"source": [tmp_path / "film"], "patch_size": 16}
    whole = [patch(tmp_path, position, **settings) for position in range(3)]
    assert all(sample["gt"].isfinite().all() for sample in whole)
    assert torch.equal(whole[1]["gt"], patch(tmp_path, 1, **settings)["gt"])
    both = settings | {"source": [tmp_path / "cut", tmp_path / "film"]}
    assert patch(tmp_path, 1, index=0, **both)["name"].startswith("film-")
    with pytest.raises(UserError, match="--source: 20 random parts of the footage show two scenes each"):
        patch(tmp_path, **settings | {"source": [tmp_path / "cut"]})


def test_share_of_moving_foregrounds(tmp_path: Path) -> None:
    still, moving = (patch(tmp_path, 3, foreground=share) for share in (0.0, 1.0))
    assert not torch.equal(still["gt"], moving["gt"])


def test_more_frames_than_exposures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--frame_num 6: this data set has 5 exposures"):
        create_dataset(options(tmp_path, dataset_name="sim", frame_num=6), "train")


def test_drawn_pictures_are_varied() -> None:
    pictures = [draw_picture(np.random.default_rng(seed), (40, 60)) for seed in range(12)]
    assert all(p.shape == (40, 60, 3) and p.dtype == np.float32 for p in pictures)
    assert all(0 <= p.min() <= p.max() <= 1 for p in pictures)
    means = np.array([p.mean(axis=(0, 1)) for p in pictures])
    assert means.std(axis=0).min() > 0.1  # colours differ from picture to picture
    assert np.median([np.abs(np.diff(p, axis=1)).max() for p in pictures]) > 0.2  # and have edges


def test_trains_without_files_of_its_own(tmp_path: Path, brackets: Path, common) -> None:
    words = (*common, "--dataset_name", "sim", "--patch_size", 8, "--niter", 1, "--epoch_iters", 2)
    succeed("train.py", *words, "--name", "sim", "--checkpoints_dir", tmp_path, "--val_freq", 1)
    assert len(log_rows(tmp_path / "sim", "val")) == 1
    (tmp_path / "empty").mkdir()
    words = (*words, "--dataroot", tmp_path / "empty", "--checkpoints_dir", tmp_path, "--name", "none")
    refused = run("train.py", *words, "--val_freq", 1)
    assert refused.status == 2
    assert "has no folder Test; --val_freq 0 trains without validation" in refused.err
    succeed("train.py", *words, "--val_freq", 0)


def test_simplus_has_the_options_of_sim(tmp_path: Path, common) -> None:
    words = (*common, "--dataset_name", "simplus", "--model", "synplus", "--patch_size", 8)
    run_options = ("--niter", 1, "--epoch_iters", 1, "--val_freq", 0, "--checkpoints_dir", tmp_path)
    succeed("train.py", *words, *run_options, "--name", "plus")
