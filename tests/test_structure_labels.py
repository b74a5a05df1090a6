"""Structure labels: what is written, kept and made anew."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models import create_model
from models.networks import create_network
from models.structure_labels import RECORD, write_structure_labels
from tests.selfhdr_training import CPU, EXPOSURE, TASK, light, model_of, options
from util.device import Place
from util.errors import UserError
from util.imaging.radiance import read_radiance
from util.imaging.radiance_exr import read_exr
from util.task import Task


class Mean(nn.Module):
    """A network that counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))
        self.arguments, self.asked = {"name": "mean"}, 0

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        self.asked += 1
        return self.gain * frames.mean(1)


def labeller(**changes: object):
    model = create_model(options(model="selfhdr1", is_train=False, **changes), Place(CPU), TASK)
    model.network = Mean()
    return model


def scenes(*names: str, seed: int = 0) -> list[dict]:
    return [
        {
            "frames": light(1, 3, 3, 12, 14, seed=seed + number),
            "exposure": EXPOSURE[None],
            "name": [name],
            "scene": [name],
        }
        for number, name in enumerate(names)
    ]


def test_labels_are_written_and_kept(tmp_path: Path) -> None:
    folder, model, samples = tmp_path / "run" / "output_150", labeller(), scenes("001", "b.2")
    frames = samples[1]["frames"].clone()
    assert write_structure_labels(model, samples, folder, total=2) == (2, 0)
    expected = (frames / EXPOSURE[:, None, None, None]).mean(1)[0].permute(1, 2, 0)
    assert torch.equal(torch.from_numpy(read_exr(folder / "b.2.exr")), expected)
    assert sorted(path.name for path in folder.iterdir()) == ["001.exr", "b.2.exr", RECORD]
    assert write_structure_labels(model, scenes("001", "b.2"), folder) == (0, 2)
    assert model.network.asked == 2
    (folder / "001.exr").unlink()
    assert write_structure_labels(model, scenes("001", "b.2", "new"), folder) == (2, 1)


def test_labels_in_the_published_format(tmp_path: Path) -> None:
    """Which a program that looks for `<scene>.hdr` finds; the other file goes, and back."""
    assert write_structure_labels(labeller(), scenes("001", "b.2"), tmp_path) == (2, 0)
    light = read_exr(tmp_path / "b.2.exr")
    for kind, counts in (("hdr", (2, 0)), ("hdr", (0, 2)), ("exr", (2, 0))):
        assert write_structure_labels(labeller(label_format=kind), scenes("001", "b.2"), tmp_path) == counts
        names = sorted(path.name for path in tmp_path.iterdir())
        assert names == [f"001.{kind}", f"b.2.{kind}", RECORD]
        if kind == "hdr":
            error = np.abs(read_radiance(tmp_path / "b.2.hdr") - light)
            assert (error <= 0.004 * light.max(axis=2, keepdims=True)).all()


def test_labels_of_other_weights_or_frames_are_made_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = labeller()
    write_structure_labels(model, scenes("a", "b"), tmp_path)
    assert write_structure_labels(model, [*scenes("x", seed=5), *scenes("b", seed=1)], tmp_path) == (1, 1)
    assert write_structure_labels(model, scenes("a", seed=9), tmp_path) == (1, 0)
    assert "note" not in capsys.readouterr().out
    with torch.no_grad():
        model.network.gain.fill_(2)
    before = read_exr(tmp_path / "b.exr")
    assert write_structure_labels(model, scenes("b", seed=1), tmp_path) == (1, 0)
    assert capsys.readouterr().out == (
        f"note: {tmp_path} holds 3 labels of other weights or settings: they are made anew\n"
    )
    assert (read_exr(tmp_path / "b.exr") == 2 * before).all()
    assert set(json.loads((tmp_path / RECORD).read_text())["scenes"]) == {"b"}
    assert write_structure_labels(labeller(precision="bf16"), scenes("b", seed=1), tmp_path) == (1, 0)


def test_labels_after_a_stop(tmp_path: Path) -> None:
    """A label that was overwritten without a record of it is not taken for that of the record's weights."""
    first, second = labeller(), labeller()
    with torch.no_grad():
        second.network.gain.fill_(2)
    write_structure_labels(first, scenes("a", "b"), tmp_path)

    def stopped():
        yield from scenes("a")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_structure_labels(second, stopped(), tmp_path)
    assert write_structure_labels(second, scenes("a", "b"), tmp_path) == (1, 1)
    assert write_structure_labels(first, scenes("a", "b"), tmp_path) == (2, 0)


def test_labels_that_cannot_be_made(tmp_path: Path) -> None:
    model = labeller()
    with torch.no_grad():
        model.network.gain.fill_(float("nan"))
    with pytest.raises(UserError, match=r"^scene a: the network's result is not finite"):
        write_structure_labels(model, scenes("a"), tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / RECORD).write_text("{")
    with pytest.raises(UserError, match=r"labels.json is damaged: remove it, and all labels in its folder"):
        write_structure_labels(model, scenes("a"), tmp_path)
    (tmp_path / RECORD).write_text("[]")
    with pytest.raises(UserError, match=r"labels.json is damaged: remove it"):
        write_structure_labels(model, scenes("a"), tmp_path)
    raw = create_model(options(dataset_name="syn"), Place(CPU), Task())
    with pytest.raises(UserError, match="structure labels are RGB, --dataset_name syn gives 4 planes"):
        write_structure_labels(raw, [], tmp_path)


def test_label_of_a_trained_network(tmp_path: Path) -> None:
    """Weights as test.py loads them; the label is what the network makes of the aligned frames."""
    network = create_network("ahdrnet", num_frames=3, in_channels=3, out_channels=3, reference=1)
    assert network.reference == 1
    model = model_of("selfhdr1", checkpoints_dir=str(tmp_path))
    model.folder.mkdir(parents=True)
    model.save_weights(3)
    tested = create_model(
        options(model="selfhdr2", is_train=False, checkpoints_dir=str(tmp_path), load_path=None),
        Place(CPU),
        TASK,
    )
    assert tested.load_trained(3) == "3"
    (sample,) = scenes("a")
    frames = sample["frames"] / EXPOSURE[:, None, None, None]
    expected = tested.restore(frames, {"exposure": EXPOSURE[None]})[0]
    assert write_structure_labels(tested, [sample], tmp_path / "labels") == (1, 0)
    written = torch.from_numpy(read_exr(tmp_path / "labels" / "a.exr"))
    torch.testing.assert_close(written, expected.permute(1, 2, 0), rtol=1e-5, atol=1e-6)
