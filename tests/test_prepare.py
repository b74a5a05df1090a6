"""Samples that are aligned and merged once: made in parts, the same each time, never stale."""

import json

import numpy as np
import pytest
import torch

from data import create_dataset
from data.draws import Draw, EpochBatches
from data.loading import create_loader
from data.prepared_dataset import RECORD, read_sample, sample_file
from models import prepare
from options.train_options import TrainOptions
from util.errors import UserError
from util.task import FRAME_PLANES

WORDS = [
    "--name=x",
    "--dataset_name=brackets",
    "--gpu_ids=-1",
    "--workers=1",
    "--samples=3",
    "--patch_size=48",
]


def make(folder, monkeypatch, *more: str) -> None:
    words = [*WORDS, "--dataroot", str(folder), "--out", str(folder / "made"), *more]
    monkeypatch.setattr("sys.argv", ["models.prepare", *words])
    prepare.main()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as monkeypatch:
        make(folder, monkeypatch)
    return folder


def opened(made, *more: str):
    words = ["--dataset_name", "prepared", "--prepared", str(made / "made"), "--dataroot", str(made), *more]
    opt = TrainOptions().parse(["--name", "x", "--model", "syn", "--net", "merge_unet", *words])
    return create_dataset(opt, "train")


def test_samples_hold_what_the_network_is_shown(made):
    sample = read_sample(sample_file(made / "made", 0))
    assert sample["frames"].shape == (5, 48, 48, 4) and sample["frames"].dtype == np.float16
    assert sample["merge"].shape == sample["gt"].shape == (48, 48, 4)
    assert sample["exposure"][0] == np.float32(1 / 16) and (np.diff(sample["exposure"]) >= 0).all()


@pytest.mark.parametrize(
    ("developed", "planes"), [("0", {FRAME_PLANES: "4"}), ("1", {FRAME_PLANES: "3"}), ("0.5", {})]
)
def test_weights_know_whether_they_saw_raw_frames(tmp_path, monkeypatch, developed, planes):
    make(tmp_path, monkeypatch, "--samples", "1", "--developed", developed)
    assert dict(opened(tmp_path, "--patch_size", "32").task.protocol) == planes


def test_making_goes_on_and_makes_the_same(made, monkeypatch, capsys):
    path = sample_file(made / "made", 1)
    sample = read_sample(path)
    path.unlink()
    make(made, monkeypatch)
    assert "1 samples prepared now, 3 of 3" in capsys.readouterr().out
    again = read_sample(path)
    assert all(np.array_equal(sample[name], again[name]) for name in sample)


def test_samples_of_other_options_are_made_anew(made, monkeypatch, capsys):
    make(made, monkeypatch, "--seed", "5")
    said = capsys.readouterr()
    assert "made anew" in said.err and "3 samples prepared now" in said.out
    make(made, monkeypatch)


def test_samples_of_other_options_do_not_survive_a_kill(made, monkeypatch, capsys):
    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr(prepare, "do_all", lambda *_args: raises())
        make(made, patched, "--seed", "7")
    make(made, monkeypatch, "--seed", "7")
    assert "3 samples prepared now" in capsys.readouterr().out
    make(made, monkeypatch)


def raises():
    raise RuntimeError("killed")


def test_patches_are_pure_functions_of_their_draw_and_flipped_alike(made):
    dataset = opened(made, "--patch_size", "32")
    draws = [Draw(0, 1, 1, position, 0) for position in range(12)]
    first, second = ([dataset[draw] for draw in draws] for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert one["frames"].shape == (5, 4, 32, 32) and one["trust"].shape == (5, 1, 32, 32)
        assert all(torch.equal(one[name], other[name]) for name in ("frames", "gt", "merge"))
        error = (one["merge"] - one["gt"]).abs().median()
        assert error < (one["merge"] - one["gt"].flip(-1)).abs().median()
    assert len({float(patch["gt"].sum()) for patch in first}) > 6


def test_options_of_the_network_count(made, monkeypatch, capsys):
    make(made, monkeypatch, "--slots", "3")
    assert "made anew" in capsys.readouterr().err
    assert len(read_sample(sample_file(made / "made", 0))["frames"]) == 3
    make(made, monkeypatch)


def test_brackets_of_different_numbers_are_no_batch_and_even(tmp_path):
    words = ["--name", "x", "--model", "syn", "--dataset_name", "brackets", "--dataroot", str(tmp_path)]
    opt = TrainOptions().parse([*words, "--patch_size", "32"])
    with pytest.raises(UserError, match="differ in their number of frames: prepare them"):
        create_loader(create_dataset(opt, "train"), opt, EpochBatches(17, opt))
    with pytest.raises(UserError, match="patch_size 33: brackets have an even number"):
        create_dataset(TrainOptions().parse([*words, "--patch_size", "33"]), "train")


def test_unfinished_and_other_folders_are_refused(made, tmp_path):
    with pytest.raises(UserError, match=r"patch_size 48: samples in .* have 47 px"):
        opened(made, "--patch_size", "48")
    with pytest.raises(UserError, match=f"holds no {RECORD}"):
        opened(tmp_path)
    (tmp_path / "made").mkdir()
    record = json.loads((made / "made" / RECORD).read_text())
    (tmp_path / "made" / RECORD).write_text(json.dumps(record | {"made": 1}))
    with pytest.raises(UserError, match="1 of 3 samples are made"):
        opened(tmp_path)
    sample_file(tmp_path / "made", 0).write_bytes(b"PK not really")
    with pytest.raises(UserError, match="not a prepared sample"):
        read_sample(sample_file(tmp_path / "made", 0))
