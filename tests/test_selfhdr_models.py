"""SelfHDR's stages: masks, losses, noise on the reference, training steps."""

import copy

import pytest
import torch

from models import losses, model_class
from models.losses import color_mask, expansion_mask, log_light, masked_l1, preserving_mask
from models.selfhdr import gamma_coded
from models.selfhdr2_model import Noise, add_noise, gauss
from tests.selfhdr_training import EXPOSURE, batch, light, model_of
from util.errors import UserError
from util.imaging.tonemap import LOG_MU, inverse_mu_law, mu_law
from util.parser import Parser


def test_preserving_mask_is_a_hat() -> None:
    coded = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
    assert preserving_mask(coded).tolist() == [0, 0.5, 1, 0.5, 0]


@pytest.mark.parametrize("stage", ["EXPANSION", "COLOR"])
def test_thresholds_are_strict(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """5/255 and 10/255; a difference of exactly that much is too large (specification, 12, P15)."""
    mask, bound = {"EXPANSION": (_expansion_of, 5 / 255), "COLOR": (color_mask, 10 / 255)}[stage]
    zero = torch.zeros(1, 1, 1, 1)
    for factor, expected in ((0.999, 1), (1.001, 0)):
        assert mask(inverse_mu_law(zero + factor * bound), zero).item() == expected
    other = torch.full((1, 1, 1, 1), 0.01)
    difference = mu_law(other).item()
    for bound, expected in ((difference, 0), (difference * (1 + 1e-6), 1)):
        monkeypatch.setattr(losses, f"{stage}_THRESHOLD", bound)
        assert mask(other, zero).item() == expected


def _expansion_of(label: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    return expansion_mask(label, reference, torch.ones_like(reference))


def test_mask_is_of_the_mean_over_channels() -> None:
    label = inverse_mu_law(torch.tensor([14.9, 0, 0]).reshape(1, 3, 1, 1) / 255)
    assert _expansion_of(label, torch.zeros_like(label)).item() == 1  # a channel alone is over the bound
    assert _expansion_of(label * 1.1, torch.zeros_like(label)).item() == 0


def test_label_is_used_where_the_reference_sees_nothing() -> None:
    reference, label = torch.ones(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.2)
    assert expansion_mask(label, reference, preserving_mask(reference)).all()
    assert not _expansion_of(label, reference).any()


def test_mean_is_over_all_elements() -> None:
    output, target = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., 0, 0] = 1
    assert masked_l1(output, target, mask).item() == pytest.approx(1 / 16)


def test_log_light_is_finite_below_zero_and_the_mu_law_above() -> None:
    values = torch.tensor([-1.0, -1e-4, 1e-6, 0.3, 2.0], requires_grad=True)
    result = log_light(values)
    result.sum().backward()
    assert torch.equal(result[2:], mu_law(values[2:]))
    assert result[:2].tolist() == [0, 0] and values.grad[:2].tolist() == [0, 0]
    torch.testing.assert_close(values.grad[2:], 5000 / (1 + 5000 * values[2:].detach()) / LOG_MU)


def test_static_scene_has_losses_of_zero_at_the_truth() -> None:
    """M = 1 everywhere, and each loss is 0 at Y = Y_c = H_2 (specification, 10)."""
    first, second = model_of("selfhdr1"), model_of("selfhdr2", reference_noise=Noise(0, 0))
    for model in (first, second):
        sample = batch()
        sample["frames"].clamp_(max=0.999)
        truth = sample["frames"][:, 1] / EXPOSURE[1]
        sample |= {"color_label": truth, "structure_label": truth.clone()}
        model.set_input(sample)
        model.output = truth.clone()
        assert model.compute_loss().item() == pytest.approx(0, abs=1e-6)
        assert set(model.losses) == set(model.loss_names)
    label, reference = first.labels["color_label"], first.frames[:, 1]
    assert expansion_mask(label, reference, first.preserving).all()
    assert color_mask(*second.labels.values()).all()


def test_the_weights_of_the_terms() -> None:
    model = model_of("selfhdr1", preserve_weight=3.0)
    model.set_input(batch())
    model.forward()
    total = model.compute_loss().item()
    expansion, preserving = (model.losses[name].item() for name in ("expansion", "preserving"))
    assert expansion > 0 < preserving
    assert total == pytest.approx(expansion + 3 * preserving)
    model = model_of("selfhdr2", structure_weight=0.5)
    model.set_input(batch())
    model.forward()
    assert model.compute_loss().item() == pytest.approx(
        model.losses["color"].item() + 0.5 * model.losses["structure"].item()
    )


def test_reference_is_the_frame_of_the_task() -> None:
    """W is of what was measured of the second frame, H_2 is that frame on the scale of the labels."""
    model, sample = model_of("selfhdr1"), batch(static=False)
    measured = sample["frames"].clone()
    model.set_input(sample)
    coded = measured[:, 1] ** (1 / 2.2)
    torch.testing.assert_close(model.preserving, 1 - (2 * coded - 1).abs())
    torch.testing.assert_close(model.frames[:, 1], measured[:, 1] / 4)


@pytest.mark.parametrize(
    ("text", "noise"),
    [("gauss0.5", (0.5, 0.5)), ("gauss0_2", (0, 2)), ("gauss.25_1.5", (0.25, 1.5)), ("gauss0", (0, 0))],
)
def test_noise_is_read_and_written(text: str, noise: tuple[float, float]) -> None:
    assert gauss(text) == noise
    assert gauss(str(gauss(text))) == noise  # as `opt_train.args` has it


@pytest.mark.parametrize("text", ["0.5", "gauss", "gauss-1", "gauss1_", "gauss2_1", "poisson1", "gauss1 "])
def test_noise_that_is_none(text: str) -> None:
    parser = Parser(prog="x")
    parser.add_argument("--reference_noise", type=gauss)
    with pytest.raises(UserError, match=r"argument --reference_noise: (expected gauss0.5, or|the range of)"):
        parser.parse_strictly([f"--reference_noise={text}"])


def test_noise_is_on_the_reference_alone() -> None:
    """0.5 of 255 in the gamma-coded frame; labels and other frames are as they were."""
    model, sample = model_of("selfhdr2"), batch(2, 64)
    before = copy.deepcopy(sample)
    model.set_input(sample)
    measured = model.frames * EXPOSURE[:, None, None, None]
    torch.testing.assert_close(measured[:, ::2], before["frames"][:, ::2])
    assert all(torch.equal(model.labels[key], before[key]) for key in model.targets)
    one, other = gamma_coded(before["frames"][:, 1]), gamma_coded(measured[:, 1])
    inside = (one > 0.1) & (one < 0.98)
    noise = (other - one)[inside] * 255
    assert noise.std().item() == pytest.approx(0.5, rel=0.03) and abs(noise.mean().item()) < 0.02
    assert other.max() <= 1 and other.min() >= 0


def test_noise_follows_from_the_seed_alone() -> None:
    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        measured = torch.full((2, 3, 8, 8), 0.2)
        add_noise(measured, Noise(0, 2))
        return measured

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    assert not torch.equal(drawn(1)[0], drawn(1)[1])


def test_range_of_noise_is_per_sample() -> None:
    measured = torch.full((200, 3, 12, 12), 0.2)
    torch.manual_seed(0)
    add_noise(measured, Noise(1, 3))
    deviation = (255 * gamma_coded(measured)).std(dim=(1, 2, 3))
    assert 0.9 < deviation.min() < 1.2 and 2.8 < deviation.max() < 3.2
    assert deviation.mean().item() == pytest.approx(2, abs=0.15)


def test_no_noise_changes_nothing_and_draws_nothing() -> None:
    measured = light(1, 3, 4, 4)
    before, state = measured.clone(), torch.get_rng_state()
    add_noise(measured, Noise(0, 0))
    assert torch.equal(measured, before) and torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ["selfhdr1", "selfhdr2"])
@pytest.mark.parametrize("net", ["ahdrnet", "tmrnet"])
def test_training_lowers_the_loss(name: str, net: str) -> None:
    """Networks of either system; the same draws give the same steps."""

    def train(steps: int) -> list[float]:
        model, found = model_of(name, net=net), []
        for step in range(steps):
            torch.manual_seed(step)
            model.begin_step(step)
            model.optimizer.zero_grad(set_to_none=True)
            model.set_input(batch())
            model.forward()
            loss = model.compute_loss()
            loss.backward()
            model.optimizer.step()
            found.append(loss.item())
        return found

    course = train(8)
    assert course[-1] < course[0] and all(0 < loss < 10 for loss in course)
    assert course[:2] == train(2)


def test_negative_results_give_finite_losses() -> None:
    for name in ("selfhdr1", "selfhdr2"):
        model = model_of(name, net="tmrnet")
        sample = batch()
        sample["color_label"] = sample["color_label"] - 0.1
        model.set_input(sample)
        model.output = (light(2, 3, 24, 24) - 0.5).requires_grad_()
        loss = model.compute_loss()
        loss.backward()
        assert torch.isfinite(loss) and torch.isfinite(model.output.grad).all()


def test_reference_that_is_left_out() -> None:
    message = "--model selfhdr1 shows frame 2, the reference: --frame_num 1 leaves it out"
    with pytest.raises(UserError, match=message):
        model_of("selfhdr1", net="tmrnet", frame_num=1)


@pytest.mark.parametrize("name", ["selfhdr1", "selfhdr2"])
def test_published_recipe(name: str) -> None:
    parser = Parser(prog="x")
    model_class(name).modify_commandline_options(parser, True)
    defaults = {key: parser.get_default(key) for key in ("lr", "lr_policy", "lr_decay_iters", "niter")}
    assert defaults == {"lr": 1e-4, "lr_policy": "step", "lr_decay_iters": 50, "niter": 150}
    more = {
        key: parser.get_default(key) for key in ("batch_size", "patch_size", "epoch_iters", "weight_decay")
    }
    assert more == {"batch_size": 16, "patch_size": 128, "epoch_iters": 1200, "weight_decay": 0}
    assert parser.get_default("net") == "ahdrnet"
    opt = parser.parse_strictly([])
    if name == "selfhdr1":
        assert opt.preserve_weight == 4
    else:
        assert (opt.reference_noise, opt.structure_loss, opt.structure_weight) == ((0.5, 0.5), "vgg", 1)
        assert (opt.vgg_order, opt.vgg_weights) == ("rgb", None)
