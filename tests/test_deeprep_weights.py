"""Weights for --model deeprep: published checkpoints, and what is advised where there are none."""

from pathlib import Path

import pytest
import torch

from data.burst_denoise_dataset import TASKS
from data.synburst_dataset import SynburstDataset
from models import create_model
from models.networks import create_network
from options.test_options import TestOptions
from tests.foreign import foreign_classes
from tests.test_deeprep_model import CPU, NOWHERE, small
from util.errors import UserError
from util.task import Task


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


PUBLISHED = {
    "sr_synthetic_default": ("deeprep_sr", SynburstDataset.task, "pwcnet"),
    "denoise_grayscale_pwcnet": ("deeprep_denoise", TASKS["grayscale"], "pwcnet"),
    "denoise_color_customflow": ("deeprep_denoise", TASKS["color"], "pyramid"),
    "default_synthetic": ("dbsr", SynburstDataset.task, "pwcnet"),
}


def published(net: str, task: Task, alignment: str, path: Path) -> dict[str, torch.Tensor]:
    """Write weights as the published programs do, beside objects of theirs; returns the weights."""
    planes = {"in_channels": task.channels, "out_channels": task.planes_out}
    with torch.device("meta"):
        network = create_network(net, **planes, alignment=alignment)
    state = {name: small(value) for name, value in network.state_dict().items()}
    with foreign_classes() as foreign:
        made_by = foreign.NetConstructor(net, "models.deeprep", (), {"num_iter": 3})
        torch.save({"net": state, "constructor": made_by, "settings": foreign.Settings()}, path)
    return state


@pytest.mark.parametrize("setting", PUBLISHED)
def test_a_published_checkpoint_restores(setting: str, tmp_path: Path) -> None:
    """Names and shapes tell how its network is made."""
    net, task, alignment = PUBLISHED[setting]
    path = tmp_path / "DeepRepNet_ep0500.pth.tar"
    state = published(net, task, alignment, path)
    data = "burst_denoise" if net == "deeprep_denoise" else "synburst"
    words = f"--name x --gpu_ids -1 --model deeprep --net {net} --dataset_name {data} {NOWHERE}"
    model = create_model(TestOptions().parse(f"{words} --load_path {path}".split()), CPU, task)
    assert model.load_trained(None) == "DeepRepNet_ep0500"
    found = model.network.arguments
    assert (found["alignment"], found["published_flow"]) == (alignment, True)
    assert (found["in_channels"], found["out_channels"]) == (task.channels, task.planes_out)
    assert found.get("scale", 1) == task.scale and found.get("descent_steps", 3) == 3
    assert getattr(model.network.alignment, "published", True)
    held = model.network.state_dict()
    assert held.keys() == state.keys() and all(torch.equal(value, held[key]) for key, value in state.items())
    frames = torch.rand(1, 2, task.channels, 10, 14, generator=torch.Generator().manual_seed(0))
    sample = {"frames": frames.clone(), "exposure": torch.ones(1, 2), "noise_map": 0.1 * frames}
    result = model.restore(model.normalised(sample), sample)
    assert result.shape == (1, task.planes_out, 10 * task.scale, 14 * task.scale)


def test_options_that_contradict_published_weights_do_not_count(tmp_path: Path, capsys) -> None:
    path = tmp_path / "net.pth"
    published("deeprep_denoise", TASKS["color"], "pyramid", path)
    words = "--name x --gpu_ids -1 --model deeprep --net deeprep_denoise --dataset_name burst_denoise"
    words += f" {NOWHERE} --load_path {path} --alignment pwcnet --descent_steps 0"
    model = create_model(TestOptions().parse(words.split()), CPU, TASKS["color"])
    model.load_trained(None)
    assert "note: --alignment pwcnet: the weights have pyramid, which counts" in capsys.readouterr().err
    assert (model.network.arguments["alignment"], model.network.descent_steps) == ("pyramid", 0)


def test_without_weights_the_merge_is_advised(tmp_path: Path) -> None:
    words = f"--name x --gpu_ids -1 --checkpoints_dir {tmp_path} {NOWHERE} --model deeprep --dataset_name"
    for data, merge in (("synburst", "burst_merge"), ("burst_denoise", "exposure_merge")):
        net = "deeprep_sr" if data == "synburst" else "deeprep_denoise"
        opt = TestOptions().parse(f"{words} {data} --net {net}".split())
        model = create_model(opt, CPU, SynburstDataset.task if data == "synburst" else TASKS["color"])
        with pytest.raises(UserError, match=f"_model_latest.pth: try --net {merge}, which needs none"):
            model.load_trained("latest")
