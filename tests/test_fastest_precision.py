"""Half precision is taken for photographs where it is faster here, and as good; else it is left alone."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import bracketeer
import restore
from data.results import Results
from models import fastest_precision
from models.networks.exposure_merge import ExposureMerge
from tests.test_photos import grey_scene
from util.imaging.radiance_exr import read_exr


@pytest.fixture(scope="module")
def scene():
    return bracketeer.scene(np.random.default_rng(0).random((3, 70, 80, 4), np.float32), (1, 4, 16))


def chosen(scene) -> str:
    return bracketeer.restorer(None, ["--gpu_ids=-1"], fast=True).model_for(scene).opt.precision


@pytest.mark.parametrize(
    ("expected", "tries", "error"),
    [
        ("bf16", ((1.0, 0.5), (1.0, 0.5)), 0.0),
        ("fp32", ((1.0, 0.95),), 0.0),  # the network is not tried: it might take an age
        ("fp32", ((1.0, 0.5), (1.0, 0.95)), 0.0),
        ("bf16", ((1.0, 0.5), (1.0, 0.5)), 0.0031),
        ("fp32", ((1.0, 0.5),), 0.0033),  # 50 dB
    ],
)
def test_choice(expected, tries, error, scene, monkeypatch):
    """Of so many seconds for a convolution and for the network, whose result in bf16 is wrong by an error."""
    left = list(tries)
    monkeypatch.setattr(fastest_precision, "seconds", lambda *_: left.pop(0))

    def restored(_, frames, exposure, **known):
        return torch.ones(1, 4, *frames.shape[-2:]) + error * torch.is_autocast_enabled("cpu")

    monkeypatch.setattr(ExposureMerge, "forward", restored)
    assert chosen(scene) == expected and not left


@pytest.mark.parametrize(("long", "expected"), [(1.0, (0.01, 0.01)), (0.05, (0.01, 0.1))])
def test_least_seconds_in_turn(long, expected, monkeypatch):
    """What other programs take does not count, nor do first calls; what takes long is tried once."""
    monkeypatch.setattr(fastest_precision, "LONG", long)
    waits, kinds = [0.2, 0.2, 0.01, 0.1, 0.1, 0.01, 0.05, 0.03], []

    def call(kind):
        time.sleep(waits[len(kinds)])
        kinds.append(kind)

    times = fastest_precision.seconds(call, torch.device("cpu"))
    assert kinds == list(fastest_precision.TYPES) * (4 if long == 1 else 2)
    assert all(least <= time < least + 0.02 for least, time in zip(expected, times, strict=True))


@pytest.mark.parametrize(("worth", "expected"), [(True, "bf16"), (False, "fp32")])
def test_really_timed(worth, expected, scene, monkeypatch):
    """Here and now, whatever comes of it."""
    found = []
    monkeypatch.setattr(fastest_precision, "gains", lambda *times: found.append(times) or worth)
    assert chosen(scene) == expected
    assert len(found) == 1 + worth and min(min(times) for times in found) > 0


def test_only_where_nothing_is_said(scene, monkeypatch):
    monkeypatch.setattr("models.restorer.fastest_precision", lambda *_: "bf16")
    assert chosen(scene) == "bf16"
    for words in (["--precision=fp32"], ["--precision", "fp32"], ["--compile=True"]):
        restorer = bracketeer.restorer(None, ["--gpu_ids=-1", *words], fast=True)
        assert not restorer.chooses_precision
    assert bracketeer.load(gpu_ids=-1).model_for(scene).opt.precision == "fp32"


def test_photographs_are_restored_in_it(tmp_path: Path, monkeypatch, capsys):
    """It is told, noted and near the result in full precision."""
    monkeypatch.setattr("models.restorer.fastest_precision", lambda *_: "bf16")
    folder, light = grey_scene(tmp_path / "night"), []
    for precision, words in (("fp32", ["--precision", "fp32"]), ("bf16", [])):
        out = tmp_path / precision
        assert restore.restore_all(restore.parse([str(folder), "--gpu_ids", "-1", *words]), Results(out)) == 0
        assert ("MergeUNet in bf16: about" in capsys.readouterr().out) == (precision == "bf16")
        assert json.loads((out / "restored.json").read_text())["night"]["precision"] == precision
        light.append(read_exr(out / "night.exr"))
    exact, near = light
    assert 0 < np.abs(exact - near).max() < 0.02 * exact.max()
