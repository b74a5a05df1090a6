"""The learning rate as a pure function of the epoch (published schedules)."""

import argparse
import math
from collections.abc import Sequence

POLICIES = ("cosine_warmup", "cosine", "step", "halves", "milestones", "linear", "plateau")
FLOOR = 1e-6  # where both cosines of BracketIRE end (specification, 4 and 7)
WARMUP_EPOCHS = 5
PLATEAU_FACTOR, PLATEAU_PATIENCE = 0.2, 5


def learning_rate(opt: argparse.Namespace, epoch: int, scores: Sequence[float] = ()) -> float:
    """Learning rate used during `epoch` (1, 2, ...) by `--lr_policy`.

    * cosine_warmup: five epochs rise linearly from lr / 10, then the cosine, which the warm-up does not
    shift;
    * cosine: from lr to lr_min over niter epochs;
    * step: halved every lr_decay_iters epochs;
    * halves: half of it from the middle of niter epochs on, a tenth in their last tenth (ExposureDiffusion);
    * milestones: times lr_milestone_factor after each of the epochs lr_milestones (Deep-Rep, SVEHDRI);
    * linear: lr for niter epochs, then linearly to zero over niter_decay, which begin at lr, as published;
    * plateau: times 0.2 whenever `scores`, one per validation so far, have had no new best for more than
    five.
    """
    policy, lr, niter = opt.lr_policy, opt.lr, opt.niter
    done = epoch - 1
    if policy == "cosine_warmup" and done < WARMUP_EPOCHS:
        return lr * (0.1 + 0.9 * done / WARMUP_EPOCHS)
    if policy in ("cosine_warmup", "cosine"):
        return opt.lr_min + 0.5 * (lr - opt.lr_min) * (1 + math.cos(math.pi * min(done / niter, 1)))
    if policy in ("step", "milestones"):
        return lr * _stepped(opt, done)
    if policy == "halves":
        return lr * (1.0 if done < niter // 2 else 0.5 if done < int(0.9 * niter) else 0.1)
    if policy == "linear":
        return lr * (1 - max(0, done - niter) / max(opt.niter_decay, 1))
    return lr * PLATEAU_FACTOR ** _plateaus(scores)


def _stepped(opt: argparse.Namespace, done: int) -> float:
    """Share of the rate that is left after so many epochs."""
    if opt.lr_policy == "step":
        return 0.5 ** (done // opt.lr_decay_iters)
    return opt.lr_milestone_factor ** sum(done >= milestone for milestone in opt.lr_milestones)


def _plateaus(scores: Sequence[float]) -> int:
    """How often a score went more than PLATEAU_PATIENCE validations without a new best."""
    best, waited, count = -math.inf, 0, 0
    for score in scores:
        waited = 0 if score > best else waited + 1
        best = max(best, score) if math.isfinite(score) else best  # none is above infinity
        if waited > PLATEAU_PATIENCE:
            count, waited = count + 1, 0
    return count
