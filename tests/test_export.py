"""Weights for the published programs: names, shapes and buffers of theirs, and what is computed with them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from models.networks import create_network
from tests.programs import ROOT
from util import export
from util.checkpoint import save_weights
from util.errors import UserError

GOLDEN = ROOT / "tests" / "golden"
LDR = ("ahdrnet", "fshdr", "hdr_transformer", "sctnet")


def written(folder: Path, name: str, label: str = "150", **arguments: object) -> tuple[Path, torch.nn.Module]:
    """A file of ours, and the network in it."""
    torch.manual_seed(0)
    network = create_network(name, **arguments)
    path = folder / f"{type(network).__name__}_model_{label}.pth"
    save_weights(path, network.state_dict(), network.arguments)
    return path, network


def published_shapes(name: str) -> dict[str, list[int]]:
    """Names and shapes of a published state dict, its buffers included."""
    with np.load(GOLDEN / f"selfhdr_{name}.npz") as data:
        shapes = json.loads(str(data["shapes"]))
    for table in [key for key in shapes if key.endswith("relative_position_bias_table")]:
        block = table.removesuffix("attn.relative_position_bias_table")
        shapes[f"{block}attn.relative_position_index"] = [64, 64]
        if int(block.split(".")[-2]) % 2:
            shapes[f"{block}attn_mask"] = [256, 64, 64]
    return shapes


@pytest.mark.parametrize("name", LDR)
@torch.no_grad()
def test_selfhdr(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fits strictly, and the published order of colours gives what our order gave."""
    path, network = written(tmp_path, name)
    monkeypatch.setattr("sys.argv", ["export", str(path), "--for", "selfhdr"])
    export.main()
    content = torch.load(tmp_path / "exported" / "SelfHDR_model_150.pth", weights_only=True)
    assert content.keys() == {"state_dict"}
    state = content["state_dict"]
    assert {key: list(value.shape) for key, value in state.items()} == published_shapes(name)
    other = create_network(name, bgr=True)
    own = other.state_dict()
    other.load_state_dict({key: value for key, value in state.items() if key in own})
    frames, exposure = torch.rand(1, 3, 3, 16, 24), torch.tensor([[1.0, 4.0, 16.0]])
    results = [network.eval()(frames, exposure), other.eval()(frames, exposure)]
    torch.testing.assert_close(*results, atol=1e-6, rtol=1e-5)


def test_in_the_published_order_already(tmp_path: Path) -> None:
    path, network = written(tmp_path, "ahdrnet", bgr=True)
    state = export.exported(path, "selfhdr")
    assert all(torch.equal(state[key], value) for key, value in network.state_dict().items())


@pytest.mark.parametrize("scale", [1, 4])
def test_bracketire(scale: int, tmp_path: Path) -> None:
    path, network = written(tmp_path, "tmrnet", "latest", scale=scale)
    with pytest.raises(UserError, match="no number in its name that --load_iter could find: say --epoch N"):
        run_export(path, "bracketire")
    run_export(path, "bracketire", "--epoch", "400", "--out", str(tmp_path / "syn"))
    state = torch.load(tmp_path / "syn" / "TMRNet_model_400.pth", weights_only=True)["state_dict"]
    own = network.state_dict()
    assert state.keys() == own.keys() and all(torch.equal(state[key], own[key]) for key in own)


def run_export(path: Path, program: str, *words: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["export", str(path), "--for", program, *words])
        export.main()


@pytest.mark.parametrize(
    ("name", "arguments", "program", "text"),
    [
        ("ahdrnet", {"mid_channels": 8}, "selfhdr", "selfhdr loads ahdrnet, fshdr, hdr_transformer, sctnet"),
        (
            "ahdrnet",
            {},
            "bracketire",
            "holds a ahdrnet of 56 tensors with 1,241,507 numbers: bracketire loads",
        ),
        ("fshdr", {"reference": 0}, "selfhdr", "it restores frame 1, selfhdr's is frame 2"),
    ],
)
def test_what_no_program_would_load(
    name: str, arguments: dict, program: str, text: str, tmp_path: Path
) -> None:
    path, _ = written(tmp_path, name, **arguments)
    with pytest.raises(UserError, match=text):
        export.exported(path, program)


def test_masks_of_windows() -> None:
    """Px that were not neighbours before the roll do not see each other."""
    mask = export.shift_mask(16, 8)
    assert mask.shape == (4, 64, 64) and mask.dtype == torch.float32
    assert not mask[0].any()  # the first window does not reach the border
    corner = mask[3].view(8, 8, 8, 8)
    assert not corner[:4, :4, :4, :4].any() and (corner[:4, :4, 4:, :4] == -100).all()
    assert (corner[:4, :4, :4, 4:] == -100).all()
