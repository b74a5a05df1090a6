"""Golden checks of SelfHDR's losses: masks, values and gradients of both stages, without VGG."""

import argparse
from typing import Any

import numpy as np
import torch
from numpy.testing import assert_allclose, assert_array_equal

from models.losses import color_mask, expansion_mask
from models.networks import create_network
from models.networks.ahdrnet import AHDRNet
from models.networks.parts.exposure_pairs import GAMMA
from models.selfhdr import SelfhdrModel, gamma_coded
from models.selfhdr1_model import Selfhdr1Model
from models.selfhdr2_model import Noise, Selfhdr2Model
from util.device import Place
from util.task import Task


def batch(data) -> dict[str, torch.Tensor]:
    """A training batch of the file's reference frame, as it was measured, between two of other light."""
    light, coded = torch.from_numpy(data["input1"]).chunk(2, dim=1)
    exposure = round(float((coded.double() ** GAMMA).sum() / light.double().sum()), 5)
    assert_allclose(gamma_coded(light * exposure), coded, atol=1e-6)
    measured = light * exposure
    return {
        "frames": torch.stack((torch.full_like(light, 0.02), measured, 1 - measured), dim=1),
        "exposure": torch.tensor([[1.0, exposure, exposure**2]]).repeat(len(light), 1),
        **{key: torch.from_numpy(data[key]) for key in ("color_label", "structure_label")},
    }


def stage(kind: type[SelfhdrModel], data, **options: Any) -> SelfhdrModel:
    """A model that was given the file's batch, and whose output is the file's."""
    opt = argparse.Namespace(checkpoints_dir=".", name="golden", **options)
    model = kind(opt, Place(torch.device("cpu")), Task(3, 1.0, 1))
    model.network = create_network("ahdrnet", **AHDRNet.sizes["tiny"])
    model.set_input(batch(data))
    model.output = torch.from_numpy(data["pred"]).requires_grad_()
    return model


def check_gradient(model: SelfhdrModel, loss: torch.Tensor, expected: np.ndarray) -> None:
    loss.backward()
    assert_allclose(model.output.grad.numpy(), expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


def check_stage1(data) -> None:
    """Both masks; the two terms, the second with its weight of 4, and the gradient of their sum."""
    model = stage(Selfhdr1Model, data, preserve_weight=4.0)
    light = torch.from_numpy(data["input1"])[:, :3]
    assert_allclose(model.frames[:, 1], light, rtol=1e-6)
    assert_allclose(model.preserving, data["stage1_preserving_mask"], atol=1e-6)
    mask = expansion_mask(model.labels["color_label"], light, model.preserving)
    assert_array_equal(mask, data["stage1_expansion_mask"])
    total = model.compute_loss()
    assert_allclose(model.losses["expansion"], data["stage1_expansion"], rtol=1e-5)
    assert_allclose(4 * model.losses["preserving"], data["stage1_preserving_times4"], rtol=1e-5)
    assert_allclose(total.item(), data["stage1_total"], rtol=1e-5)
    check_gradient(model, total, data["stage1_grad"])


def check_stage2(data) -> None:
    """The colour mask, and the colour loss with its gradient where structure counts nothing."""
    model = stage(Selfhdr2Model, data, structure_weight=1.0, reference_noise=Noise(0, 0))
    model.structure_loss = lambda output, label: output.new_zeros(())
    assert_array_equal(color_mask(*model.labels.values()), data["stage2_color_mask"])
    total = model.compute_loss()
    assert_allclose(total.item(), data["stage2_color"], rtol=1e-5)
    check_gradient(model, total, data["stage2_color_grad"])


def check_losses(data) -> None:
    check_stage1(data)
    check_stage2(data)


CHECKS = {"selfhdr_losses": check_losses}
