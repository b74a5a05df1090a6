"""Half precision is taken for photographs where it is faster here, and as good; else it is left alone."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import bracketeer
import restore
from data.results import Results
from models import fastest_precision
from models.networks.merge_unet import MergeUNet
from tests.test_photos import grey_scene
from util.imaging.radiance_exr import read_exr
from util.imaging.tonemap import inverse_mu_law


@pytest.fixture(scope="module")
def scene():
    return bracketeer.scene(np.random.default_rng(0).random((3, 70, 80, 4), np.float32), (1, 4, 16))


def restorer(weights=restore.BRACKETS, *words: str):
    return bracketeer.restorer(weights, ["--gpu_ids=-1", *words], fast=True)


def chosen(scene) -> str:
    return restorer().model_for(scene).opt.precision


@pytest.mark.parametrize(
    ("expected", "tries", "error"),
    [
        ("bf16", ((1.0, 0.5), (1.0, 0.5)), 0.0),
        ("fp32", ((1.0, 0.95),), 0.0),  # the network is not tried: it might take an age
        ("fp32", ((1.0, 0.5), (1.0, 0.95)), 0.0),
        ("bf16", ((1.0, 0.5), (1.0, 0.5)), 0.003),
        ("fp32", ((1.0, 0.5), (1.0, 0.5)), 0.0033),  # 50 dB
    ],
)
def test_choice(expected, tries, error, scene, monkeypatch):
    """Of so many seconds for a convolution and for the network, whose mu-law result is wrong in bf16."""
    left, seconds = list(tries), fastest_precision.seconds

    def told(call, device):
        seconds(call, device)
        return left.pop(0)

    def restored(_, frames, exposure, **known):
        code = torch.full((1, 4, *frames.shape[-2:]), 0.3 + error * torch.is_autocast_enabled("cpu"))
        code[..., 0, 0] = 1
        return inverse_mu_law(code)

    monkeypatch.setattr(fastest_precision, "seconds", told)
    monkeypatch.setattr(MergeUNet, "forward", restored)
    assert chosen(scene) == expected and not left


@pytest.mark.parametrize(("long", "rounds"), [(100, 4), (3.5, 2)])
def test_least_seconds_in_turn(long, rounds, monkeypatch):
    """What other programs take does not count, nor do first calls; what takes long is tried once."""
    took, clock, kinds = [9, 9, 1, 3, 2, 4, 3, 5], [0], []

    def call(kind):
        clock[0] += took[len(kinds)]
        kinds.append(kind)

    monkeypatch.setattr(fastest_precision.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(fastest_precision, "LONG", long)
    assert fastest_precision.seconds(call, torch.device("cpu")) == [1, 3]
    assert kinds == list(fastest_precision.PRECISIONS) * rounds


@pytest.mark.parametrize(("worth", "expected"), [(True, "bf16"), (False, "fp32")])
def test_really_timed(worth, expected, scene, monkeypatch):
    """Here and now, whatever comes of it; the network is ready to restore, and TMRNet's flow counts too."""
    found, wholes, training = [], [], []
    whole_frame = MergeUNet.whole_frame

    def seen(network, frames, exposure, tell=None):
        wholes.append(torch.is_autocast_enabled("cpu"))
        training.append(network.training)
        return whole_frame(network, frames, exposure, tell)

    monkeypatch.setattr(MergeUNet, "whole_frame", seen)
    monkeypatch.setattr(fastest_precision, "gains", lambda *times: found.append(times) or worth)
    assert chosen(scene) == expected
    assert len(found) == 1 + worth and min(min(times) for times in found) > 0
    assert wholes == ([False, True] if worth else []) and not any(training)


def test_only_where_nothing_is_said(scene, monkeypatch):
    monkeypatch.setattr("models.restorer.fastest_precision", lambda *_: "bf16")
    assert chosen(scene) == "bf16"
    for words in (["--precision=fp32"], ["--precision", "fp32"], ["--compile=True"], ["--compile"]):
        assert not restorer(restore.BRACKETS, *words).chooses_precision
    assert restorer(restore.BRACKETS, "--compile=False").chooses_precision
    assert bracketeer.load(restore.BRACKETS, gpu_ids=-1).model_for(scene).opt.precision == "fp32"
    assert restorer(None).model_for(scene).opt.precision == "fp32"  # a merge


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
