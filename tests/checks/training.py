"""Golden checks of what training rests on: learning rates, packing and augmentation, the losses."""

import argparse

import numpy as np
import torch
from numpy.testing import assert_allclose, assert_array_equal

from data.augment import Augmentation, augment
from models.losses import mu_law_l1
from models.real_model import RealModel
from models.weight_average import weight_average
from util.imaging.bayer import pack
from util.schedule import learning_rate
from util.task import Task


def check_schedule(data) -> None:
    """The published recipes: 400 epochs with warm-up for synthetic data, 10 without for real data."""
    recipes = {"synthetic": ("cosine_warmup", 1e-4), "real": ("cosine", 7.5e-5)}
    for key, (policy, lr) in recipes.items():
        opt = argparse.Namespace(lr_policy=policy, lr=lr, lr_min=1e-6, niter=len(data[key]), niter_decay=0)
        rates = [learning_rate(opt, epoch) for epoch in range(1, len(data[key]) + 1)]
        assert_allclose(rates, data[key], rtol=1e-9)


def check_data(data) -> None:
    """Packing of both patterns, levels, exposures relative to the third, and the published augmentation."""
    assert_array_equal(pack(data["cfa"], "RGGB"), data["packed_rggb"])
    assert_array_equal(pack(data["cfa"], "GRBG"), data["packed_grbg"])
    scale = data["exposures"][2] / data["exposures"]
    assert_allclose(scale, data["scale"], rtol=1e-6)
    scaled = data["normalised"] / (data["exposures"] / data["exposures"][2])[:, None, None, None]
    assert_allclose(scaled, data["scaled"], rtol=1e-6)
    planes = np.moveaxis(data["normalised"], -3, -1)  # (T, h, w, 4)
    for flags in np.ndindex(2, 2, 2):
        augmented = np.moveaxis(augment(planes, Augmentation(*map(bool, flags))), -1, -3)
        expected = data["aug_" + "".join(map(str, flags))]
        assert_array_equal(augmented, expected.reshape(augmented.shape))


def check_supervised(data) -> None:
    """The supervised loss of the last output, and its gradient."""
    output = torch.from_numpy(data["outputs"][-1]).requires_grad_()
    loss = mu_law_l1(output, torch.from_numpy(data["ground_truth"]))
    loss.backward()
    assert_allclose(loss.item(), data["supervised"], rtol=1e-5)
    expected = data["grad_supervised"]
    assert_allclose(output.grad.numpy(), expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


def check_adaptation(data) -> None:
    """Both terms of the adaptation's loss, and the gradients: none reaches a target."""
    model = RealModel(argparse.Namespace(checkpoints_dir=".", name="golden", self_weight=1.0), None, Task())
    model.target = torch.from_numpy(data["teacher_last"])
    for few, expected in enumerate(data["self_losses"]):
        outputs = torch.from_numpy(data["outputs"]).requires_grad_()
        model.few, model.output = outputs[few], outputs[-1]
        total = model.compute_loss()
        assert_allclose(model.losses["ema_l1"], data["ema_loss"], rtol=1e-5)
        assert_allclose(model.losses["self_l1"], expected, rtol=1e-5)
        if few == 1:
            assert_allclose(total.item(), data["total_t1"], rtol=1e-5)
            total.backward()
            for output, key in ((1, "grad_total_t1"), (-1, "grad_total_last")):
                gradient = data[key]
                actual = outputs.grad[output].numpy()
                assert_allclose(actual, gradient, rtol=1e-4, atol=1e-6 * np.abs(gradient).max())


def check_teacher(data) -> None:
    """Three updates of the teacher by a student that stands still."""
    network = torch.nn.ParameterList([torch.from_numpy(data["teacher_param"].copy())])
    teacher = weight_average(network, 0.999)
    network[0].data = torch.from_numpy(data["student_param"])
    for _ in range(3):
        teacher.update_parameters(network)
    assert_allclose(teacher.module[0].detach().numpy(), data["teacher_after_3"], rtol=1e-6, atol=1e-7)


def check_losses(data) -> None:
    check_supervised(data)
    check_adaptation(data)
    check_teacher(data)


CHECKS = {
    "bracket_schedule": check_schedule,
    "bracket_data": check_data,
    "bracket_losses": check_losses,
}
