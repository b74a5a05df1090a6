"""ExposureDiffusion (Wang et al., ICCV 2023): low-light raw restored by a simulated exposure in steps."""

import argparse
import copy
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from models.eld_model import EldModel, Sides, reflected
from models.exposure_process import (
    SCHEDULES,
    ExposureProcess,
    Photons,
    Settle,
    check_steps,
    even_schedule,
    poisson,
    roll_out,
)
from models.networks import takes
from models.networks.parts.estimator import Estimate
from models.restoring import Method
from util.errors import UserError
from util.imaging.illumination import corrected
from util.parser import boolean, whole, whole_numbers
from util.tiling import Tell, tell_part

STEP_WEIGHTS = ("False", "True", "published")


class ExposureDiffusionModel(EldModel):
    """Estimates of the scene follow each other; each sees the photons that the one before lets expect.

    The whole process is unrolled in training, as it runs in use. Specification, section 2.
    """

    @classmethod
    def modify_commandline_options(cls, parser: argparse.ArgumentParser, is_train: bool) -> None:
        super().modify_commandline_options(parser, is_train)
        parser.add_argument(
            "--photons",
            choices=("drawn", "mean"),
            default="drawn",
            help="of the simulated exposure: drawn (for each image by its name and --seed), or their mean "
            "(deterministic); training always draws",
        )
        parser.add_argument(
            "--oracle",
            type=boolean,
            default=False,
            help="restore as the published programs do: each estimate is brought to the brightness of the "
            "ground truth, and the ratio is cut to a whole number; False needs no ground truth",
        )
        if is_train:
            add_training_options(parser)
        else:
            parser.add_argument(
                "--iter_num",
                type=whole_numbers,
                default=[2],
                help="exposures between frame and target, one less than evaluations of the network; a comma "
                "list gives a row of scores each, and pictures of the last",
            )

    def build(self, path: str | Path | None = None, resumed: dict[str, Any] | None = None) -> None:
        if lacking := [name for name in ("gain", "ratio") if name not in self.task.carries]:
            data = f"--dataset_name {self.opt.dataset_name} has not"
            raise UserError(f"--model {self.opt.model} needs the {lacking[0]} of each sample, which {data}")
        if self.opt.oracle and self.views > 1:
            raise UserError("--oracle True is of the ground truth as it is: without --self_ensemble")
        super().build(path, resumed)

    # Training

    def trained_module(self) -> nn.Module:
        learned = self.opt.adaptive_loss != "False"
        return ExposureProcess(self.network, self.opt.iter_num if learned else 0)

    def begin_step(self, seed: int) -> None:
        """Begin the random numbers of the step; bring learnt step weights back to where all are 0 or more."""
        self.rng = np.random.default_rng(seed)
        weight = self.trained.step_weight
        if weight is not None and self.opt.adaptive_loss == "True":
            with torch.no_grad():  # the last weight is what they leave of 1
                weight.clamp_(min=0)
                weight.div_(weight.sum().clamp(min=1))

    def set_input(self, sample: dict[str, Any]) -> None:
        """Take a training batch, and draw the exposures of its steps."""
        super().set_input(sample)
        self.gain = self._gain(sample)
        exposures = SCHEDULES[self.opt.schedule](sample["ratio"][:, 0], self.opt.iter_num, self.rng)
        self.exposures = exposures.to(self.place.device, non_blocking=True)

    def forward(self) -> None:
        settle = (lambda image: corrected(image.float(), self.gt)) if self.opt.rescale else None
        start = self.frames[:, 0]
        self.made = self.parallel(start, self.given, self.exposures, self.gain, settle=settle)

    def compute_loss(self) -> torch.Tensor:
        losses = torch.stack([self.step_loss(estimate) for estimate in self.made.estimates])
        names = [f"step{number}" for number in range(1, len(losses) + 1)]
        self.losses = dict.fromkeys(self.loss_names, 0.0) | dict(zip(names, losses.detach(), strict=True))
        return total_loss(losses, self.made.step_weight, self.opt.adaptive_loss == "published")

    @property
    def loss_names(self) -> tuple[str, ...]:
        """One for each evaluation of the network."""
        return tuple(f"step{number}" for number in range(1, self.opt.iter_num + 2))

    def state(self) -> dict[str, Any]:
        weight = self.trained.step_weight
        return super().state() | ({} if weight is None else {"step_weight": weight.detach()})

    def load_state(self, state: dict[str, Any], path: Path) -> None:
        weight = self.trained.step_weight
        saved = state.get("step_weight")
        if getattr(weight, "shape", None) != getattr(saved, "shape", None):
            raise UserError(
                f"{path} was written with another --adaptive_loss or --iter_num: resume with the former"
            )
        super().load_state(state, path)
        if weight is not None:
            with torch.no_grad():
                weight.copy_(saved)

    def _gain(self, sample: Mapping[str, Any]) -> torch.Tensor:
        """That of the frames of a sample, (N, 1)."""
        return sample["gain"].to(self.place.device, torch.float32, non_blocking=True)

    # Using

    @property
    def steps(self) -> int:
        """Evaluations of the network for one result."""
        return 1 + (self.opt.iter_num if self.opt.is_train else self.opt.iter_num[-1])

    def variants(self) -> dict[str, Method]:
        """Restoring with all but the last of the numbers of --iter_num."""
        return {f"iter_num {number}": self._with(number).restore for number in self.opt.iter_num[:-1]}

    def _with(self, iter_num: int) -> "ExposureDiffusionModel":
        """This model with the same weights and another number of exposures."""
        other = copy.copy(self)
        other.opt = argparse.Namespace(**vars(self.opt) | {"iter_num": [iter_num]})
        return other

    def facts(self) -> dict[str, Any]:
        restoring = "oracle, by the ground truth" if self.opt.oracle else "blind"
        return {"restoring": restoring, "iter_num": self.steps - 1, "photons": self.opt.photons}

    def restored_padded(
        self,
        network: nn.Module,
        frames: torch.Tensor,
        sample: Mapping[str, Any],
        sides: Sides,
        tell: Tell | None,
    ) -> torch.Tensor:
        """The last estimate of the process; each evaluation is tiled by itself, photons are the frame's."""
        start, gain, ratio = frames[:, 0], self._gain(sample), sample["ratio"]
        if self.opt.oracle:
            ratio = ratio.floor()
        for each in ratio.flatten().tolist():
            check_steps(self.steps - 1, each, f"{sample['name'][0]}: ")
        exposures = even_schedule(ratio[:, 0], self.steps - 1).to(self.place.device)
        given = self.carried(sample) | {"gain": gain, "ratio": exposures[:, -1:], "origin": frames}
        done = 0

        def estimate(image: torch.Tensor, reached: torch.Tensor) -> Estimate:
            nonlocal done
            known = {**given, "reached": reached}
            known = {key: value for key, value in known.items() if takes(network, key)}
            part = partial(tell_part, tell, done, self.steps) if tell else None
            done += 1
            return Estimate(self.tiled(network, image[:, None], known, part).to(start), None, None, None)

        settle = self._oracle(sample, sides) if self.opt.oracle else None
        *_, last = roll_out(estimate, start, gain, exposures, self._photons(sample), settle)
        return last.image

    def _photons(self, sample: Mapping[str, Any]) -> Photons:
        """How electrons are counted in an image: a function of --seed and its name."""
        if self.opt.photons == "mean":
            return torch.Tensor.float
        words = (self.opt.seed, *sample["name"][0].encode())
        generator = torch.Generator(self.place.device)
        generator.manual_seed(int(np.random.SeedSequence(words).generate_state(1)[0]))
        return partial(poisson, generator=generator)

    def _oracle(self, sample: Mapping[str, Any], sides: Sides) -> Settle:
        """Brings images to the brightness of the padded ground truth."""
        if "gt" not in sample:
            raise UserError(f"--oracle True: sample {sample['name'][0]} has no ground truth")
        target = reflected(sample["gt"].to(self.place.device), sides)
        return lambda image: corrected(image.float(), target)


def total_loss(losses: torch.Tensor, weight: torch.Tensor | None, published: bool) -> torch.Tensor:
    """What is minimised of the losses (evaluations,) of a roll-out: their sum, or weighed (spec., 2.5).

    Args:
        weight: of all evaluations but the last. published: a missing evaluation, of a shorter schedule, is
            left out, and weights that sum to more than 1 make that of the last negative; else the last one
            that there is has what the others leave.
    """
    if weight is None:
        return losses.sum()
    if published:
        weights = torch.cat((weight.clamp(0, 1), 1 - weight.sum()[None]))
        return (weights[: len(losses)] * losses).sum()
    others = weight[: len(losses) - 1]
    return (others * losses[:-1]).sum() + (1 - others.sum()) * losses[-1]


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Options of the roll-out in training."""
    parser.add_argument(
        "--iter_num",
        type=whole,
        default=2,
        help="exposures between frame and target, drawn at random; one less than evaluations of the network",
    )
    parser.add_argument(
        "--schedule",
        choices=SCHEDULES,
        default="distinct",
        help="of these exposures: distinct ones, as published for batches, or the published rule of a batch "
        "of one, where a step may be missing and the ratio is cut to a whole number",
    )
    parser.add_argument(
        "--adaptive_loss",
        nargs="?",
        const="True",
        choices=STEP_WEIGHTS,
        default="False",
        help="weigh the losses of the evaluations and learn the weights; only in published they fall below 0",
    )
    parser.add_argument(
        "--rescale",
        type=boolean,
        default=False,
        help="bring each estimate to the brightness of its target, before the loss and the next step, as "
        "published; False: as it is in use, where there is no target",
    )
