"""Structure losses: features of VGG-19 and its weights, and the pyramid of gradients."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from models.structure_loss import VGGLoss, create_structure_loss, gradient_loss, vgg_weights
from tests.selfhdr_training import CPU, TASK, batch, light, model_of, options
from util.device import Place
from util.errors import UserError
from util.imaging.tonemap import inverse_mu_law, mu_law
from util.task import Task


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in the layout of torchvision's file, a layer of the classifier among them."""
    torch.manual_seed(0)
    layers = nn.Module()
    layers.features = make_layers(cfgs["E"])
    layers.classifier = nn.Sequential(nn.Linear(3, 2))
    for layer in layers.features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.save(layers.state_dict(), path)
    return path


def test_vgg_loss_is_of_three_layers(vgg: Path) -> None:
    """Against the features of torchvision's own module, by names of layers."""
    one, other = light(2, 3, 32, 32, seed=1), light(2, 3, 32, 32, seed=2)
    whole = make_layers(cfgs["E"])
    whole.load_state_dict(
        {
            name.removeprefix("features."): value
            for name, value in torch.load(vgg, weights_only=True).items()
            if name.startswith("features.")
        }
    )

    def at(picture: torch.Tensor, last: int) -> torch.Tensor:
        mean, deviation = (
            torch.tensor(values).reshape(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        )
        return whole[: last + 1]((mu_law(picture) - mean) / deviation)

    distances = [(at(one, last) - at(other, last)).abs().mean().item() for last in (13, 22, 31)]
    expected = (distances[0] + distances[1] + 2 * distances[2]) / 4
    assert expected > 0.01
    assert VGGLoss(vgg, "rgb", CPU)(one, other).item() == pytest.approx(expected, rel=1e-4)
    assert VGGLoss(vgg, "bgr", CPU)(one.flip(1), other.flip(1)).item() == pytest.approx(expected, rel=1e-4)
    assert VGGLoss(vgg, "bgr", CPU)(one, other).item() != pytest.approx(expected, rel=1e-4)
    assert VGGLoss(vgg, "rgb", CPU)(one, one).item() == 0


def test_vgg_is_frozen_and_keeps_float32(vgg: Path) -> None:
    state = torch.get_rng_state()
    loss = VGGLoss(vgg, "rgb", CPU)
    assert torch.equal(torch.get_rng_state(), state)
    assert not loss.network.training and not any(p.requires_grad for p in loss.network.parameters())
    assert len(loss.network.features) == 32
    output, label = light(1, 3, 16, 16, seed=1).requires_grad_(), light(1, 3, 16, 16, seed=2).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        inside = loss(output, label)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, loss(output, label))
    inside.backward()
    assert label.grad is None and output.grad.abs().sum() > 0


def test_vgg_is_no_part_of_what_is_trained_or_saved(vgg: Path) -> None:
    model = model_of("selfhdr2", structure_loss="vgg", vgg_weights=str(vgg))
    own = {id(parameter) for parameter in model.network.parameters()}
    assert {id(p) for group in model.optimizer.param_groups for p in group["params"]} == own
    assert "features" not in str(model.state().keys() | model.state()["network"].keys())
    model.set_input(batch())
    model.forward()
    model.compute_loss().backward()
    assert model.losses["structure"] > 0
    assert all(parameter.grad is not None for parameter in model.network.parameters())


def test_vgg_weights_of_the_cache(vgg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    message = (
        rf"^--structure_loss vgg needs weights of VGG-19, and there is no {tmp_path}/checkpoints/"
        r"vgg19-dcbb9e9d.pth: download https://\S+/vgg19-dcbb9e9d.pth and name the file by "
        r"--vgg_weights FILE, or give --structure_loss gradient$"
    )
    with pytest.raises(UserError, match=message):
        model_of("selfhdr2", structure_loss="vgg")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "vgg19-dcbb9e9d.pth").symlink_to(vgg)
    assert vgg_weights(None).parent == tmp_path / "checkpoints"
    assert vgg_weights(str(vgg)) == vgg
    with pytest.raises(UserError, match=r"and there is no other.pth: download"):
        vgg_weights("other.pth")


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda state: state.pop("features.28.bias"), "it lacks features.28.bias"),
        (
            lambda state: state.update({"features.1.weight": torch.ones(2)}),
            "it holds unknown features.1.weight",
        ),
        (lambda state: state.update({"features.0.bias": torch.ones(2)}), "other shapes of features.0.bias"),
        (lambda state: state.clear(), "not a checkpoint"),
    ],
)
def test_vgg_weights_that_do_not_fit(spoil, text: str, vgg: Path, tmp_path: Path) -> None:
    state = torch.load(vgg, weights_only=True)
    spoil(state)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(UserError, match=text) as error:
        VGGLoss(tmp_path / "other.pth", "rgb", CPU)
    assert str(tmp_path / "other.pth") in str(error.value)


def test_vgg_weights_are_not_unpickled(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "module.pth")
    with pytest.raises(UserError, match=r"module.pth: damaged, or not a checkpoint of tensors"):
        VGGLoss(tmp_path / "module.pth", "rgb", CPU)


def test_structure_losses_refuse() -> None:
    with pytest.raises(UserError, match="gradient needs patches of 16 px or more, not --patch_size 15"):
        create_structure_loss(options(patch_size=15), TASK, Place(CPU))
    opt = options(structure_loss="vgg", dataset_name="syn")
    with pytest.raises(UserError, match="sees RGB, not the 4 planes of --dataset_name syn: give --str"):
        create_structure_loss(opt, Task(), Place(CPU))
    assert create_structure_loss(options(), Task(), Place(CPU)) is gradient_loss


def test_gradient_loss_sees_structure_and_not_brightness() -> None:
    """Zero for equal pictures and for T(.) plus a constant, the same either way round, over zero else."""
    curve = 0.1 + 0.6 * light(1, 3, 32, 32)
    picture = inverse_mu_law(curve)
    assert gradient_loss(picture, picture).item() == 0
    brighter = inverse_mu_law(curve + 0.2)
    assert gradient_loss(brighter, picture).item() == pytest.approx(0, abs=1e-5)
    moved = picture.roll(1, dims=-1)
    assert gradient_loss(moved, picture).item() > 0.1
    assert gradient_loss(moved, picture).item() == pytest.approx(gradient_loss(picture, moved).item())


def test_gradient_loss_of_a_ramp() -> None:
    """A slope of s per px counts s, 2 s, 4 s, 8 s at the four scales, in one direction of two."""
    slope = 0.01
    ramp = inverse_mu_law(slope * torch.arange(32.0).expand(1, 3, 32, 32))
    flat = torch.zeros(1, 3, 32, 32)
    assert gradient_loss(ramp, flat).item() == pytest.approx(slope * 15 / 4, rel=1e-4)


def test_gradient_loss_prefers_wide_structure_to_noise() -> None:
    """Of the same strength, an edge 8 px wide counts more against px of noise, than at the finest scale."""
    curve = torch.full((1, 3, 64, 64), 0.5)
    noise = curve + 0.05 * torch.randn(curve.shape, generator=torch.Generator().manual_seed(0))
    blocks = torch.randn((1, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    wide = curve + 0.05 * blocks.repeat_interleave(8, -1).repeat_interleave(8, -2)

    def ratio(loss) -> float:
        return (loss(wide) / loss(noise)).item()

    def finest(picture: torch.Tensor) -> torch.Tensor:
        return (picture - curve).diff(dim=-1).abs().mean()

    def pyramid(picture: torch.Tensor) -> torch.Tensor:
        return gradient_loss(inverse_mu_law(picture), inverse_mu_law(curve))

    assert ratio(pyramid) > 3 * ratio(finest)
