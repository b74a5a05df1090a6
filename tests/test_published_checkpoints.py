"""Checkpoints of DeepRep and DBSR: objects of their programs are left out, and nothing of the file runs."""

import tarfile
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.foreign import Command, foreign_classes
from util import checkpoint
from util.errors import UserError

FORMATS = {"zip": True, "legacy": False}


@pytest.fixture(params=FORMATS.values(), ids=FORMATS)
def save(request, tmp_path: Path):
    """Writes a checkpoint in one of the formats of PyTorch."""

    def save(content) -> Path:
        path = tmp_path / "DeepRepNet_ep0500.pth.tar"
        torch.save(content, path, _use_new_zipfile_serialization=request.param)
        return path

    return save


def published(net: nn.Module, **more) -> dict:
    """A checkpoint as these programs write it; call it where `foreign_classes` can be imported."""
    from admin.model_constructor import NetConstructor
    from admin.settings import Settings
    from admin.stats import AverageMeter

    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return {
        "epoch": 500,
        "actor_type": "DeepRepSRActor",
        "net_type": "DeepRepNet",
        "net": net.state_dict(),
        "net_info": None,
        "constructor": NetConstructor("deeprep_sr", "models.deeprep", (), {"num_iter": 3, "up": [2, 4]}),
        "optimizer": optimizer.state_dict(),
        "stats": {"train": {"Loss": AverageMeter()}},
        "settings": Settings(),
        **more,
    }


def test_weights_and_arguments(save, capsys) -> None:
    net = nn.Linear(3, 2)
    net.weight = nn.Parameter(torch.arange(6.0).reshape(3, 2).t())
    with foreign_classes():
        path = save(published(net))
    content = checkpoint.load(path)
    left_out = "constructor, settings, stats: objects of other programs, left out, not run"
    assert capsys.readouterr().err == f"note: {path}: {left_out}\n"
    assert content["epoch"] == 500
    assert not {"constructor", "settings", "stats"} & content.keys()
    assert content["optimizer"]["param_groups"][0]["lr"] == 1e-3
    state, arguments = checkpoint.weights_in(content, path)
    assert arguments is None
    checkpoint.fit(other := nn.Linear(3, 2), state, path)
    torch.testing.assert_close(other.state_dict(), net.state_dict(), rtol=0, atol=0)


def test_dtypes_and_shared_storages(save) -> None:
    whole = torch.arange(20)
    state = {
        "whole": whole,
        "part": whole[3:9:2],
        "half": torch.ones(2).bfloat16(),
        "flag": torch.tensor(True),
    }
    with foreign_classes() as foreign:
        path = save({"net": state, "settings": foreign.Settings()})
    loaded, _ = checkpoint.load_weights(path)
    assert loaded.keys() == state.keys()
    torch.testing.assert_close(loaded, state, rtol=0, atol=0)
    assert loaded["part"].data_ptr() == loaded["whole"].data_ptr() + 3 * whole.element_size()


def test_plain_file_with_net_needs_no_note(save, capsys) -> None:
    state, _ = checkpoint.load_weights(save({"net": {"a": torch.ones(2)}, "epoch": 3}))
    assert state["a"].tolist() == [1, 1]
    assert capsys.readouterr().err == ""


def test_commands_are_not_run(save, tmp_path: Path, capsys) -> None:
    marker = tmp_path / "was_here"
    path = save({"net": {"a": torch.ones(2)}, "settings": Command(f"touch {marker}")})
    assert checkpoint.load_weights(path)[0]["a"].tolist() == [1, 1]
    assert "settings: objects of other programs" in capsys.readouterr().err
    assert not marker.exists()
    torch.load(path, weights_only=False)  # what it would have done
    assert marker.exists()


@pytest.mark.parametrize("key", ["net", "state_dict"])
def test_commands_among_weights(key: str, save, tmp_path: Path) -> None:
    marker = tmp_path / "was_here"
    path = save({key: {"a": torch.ones(2), "b": Command(f"touch {marker}")}})
    with pytest.raises(UserError, match="damaged, or not a checkpoint of tensors"):
        checkpoint.load(path)
    assert not marker.exists()


def test_no_arguments_with_objects(save) -> None:
    with foreign_classes() as foreign:
        constructor = foreign.NetConstructor("net", "models", (), {"settings": foreign.Settings()})
        path = save({"net": {"a": torch.ones(2)}, "constructor": constructor})
    assert checkpoint.load(path).keys() == {"net"}


def test_cut_off(save) -> None:
    with foreign_classes():
        path = save(published(nn.Linear(3, 2)))
    content = path.read_bytes()
    for length in (len(content) // 3, len(content) - 9):
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match="damaged, or not a checkpoint of tensors"):
            checkpoint.load(path)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:'torch.load' received")
def test_other_kinds_of_files(tmp_path: Path) -> None:
    """A TorchScript archive, which holds code, and a tar file."""
    script, tar = tmp_path / "script.pth", tmp_path / "net.pth.tar"
    torch.jit.save(torch.jit.trace(nn.Linear(3, 2), torch.ones(1, 3)), script)
    with tarfile.open(tar, "w") as archive:
        archive.add(script, "storages")
    for path in (script, tar):
        with pytest.raises(UserError, match="damaged, or not a checkpoint of tensors"):
            checkpoint.load(path)
