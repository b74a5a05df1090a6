"""Options of train.py."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import data
import models
from options.base_options import BaseOptions
from util.errors import UserError
from util.parser import Parser, amount, boolean, fraction, iterations, positive, up_to, whole, whole_numbers
from util.progress import FILE, MOST_EPOCHS
from util.schedule import FLOOR, POLICIES

AUTO = "auto"
LARGEST_PATCH = 8192  # packed px: no frame is larger
MOST_SAMPLES, MOST_STEPS = 2**16, 2**24  # of a step, and of an epoch, whose order is drawn at once
TARGETS = {  # what users call the keys of a sample
    "gt": "ground truth",
    "color_label": "a colour component",
    "structure_label": "structure labels",
}


class TrainOptions(BaseOptions):
    """Base options and those of the training loop."""

    is_train = True
    elsewhere: ClassVar[dict[str, str]] = {
        "chop": "training is on patches",
        "stage0_inference": "test.py writes structure labels",
    }

    def add_options(self, parser: Parser) -> None:
        super().add_options(parser)
        add_steps(parser)
        add_start(parser)
        add_optimisation(parser)
        add_progress(parser)

    def parse(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        opt = super().parse(arguments)
        dataset, model = data.dataset_class(opt.dataset_name), models.model_class(opt.model)
        for target in model.targets:
            if target not in dataset.targets:
                lacks = f"which patches of --dataset_name {opt.dataset_name} have not"
                raise UserError(f"--model {opt.model} learns from {TARGETS.get(target, target)}, {lacks}")
        opt.targets = model.targets
        if opt.batch_size % opt.accumulate:
            raise UserError(
                f"--batch_size {opt.batch_size} is not a multiple of --accumulate {opt.accumulate}"
            )
        _settle_start(opt)
        if opt.resume == AUTO:
            opt.resume = has_state(Path(opt.checkpoints_dir) / opt.name)
        if not opt.calc_metrics:
            opt.val_freq = 0
        return opt


def _settle_start(opt: argparse.Namespace) -> None:
    """Find the first epoch: the one after that of `--load_iter`, of which 0 is none, as published."""
    if opt.load_iter and len(opt.load_iter) > 1:
        raise UserError("training starts from one checkpoint: give --load_iter a single value")
    if opt.load_iter == [0]:
        opt.load_iter = None
    last, epochs = (opt.load_iter or [0])[0], opt.niter + opt.niter_decay
    opt.first_epoch = opt.first_epoch or (last + 1 if isinstance(last, int) else 1)
    if opt.first_epoch > epochs:
        cause = "--first_epoch" if opt.first_epoch != last + 1 else f"--load_iter {last}: epoch"
        advice = "say a larger --niter, or --first_epoch 1"
        raise UserError(f"{cause} {opt.first_epoch} is the next, but --niter ends with {epochs}: {advice}")


def resuming(text: str) -> bool | str:
    """`auto`, or whether to resume."""
    return text if text == AUTO else boolean(text)


def has_state(folder: Path) -> bool:
    """Whether there is something to go on from in the folder of a run, in whatever condition.

    Raises:
        UserError: that cannot be seen.
    """
    try:
        (folder / FILE).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise UserError(f"--resume {AUTO}: cannot read {folder / FILE}: {error.strerror or error}") from None
    return True


def add_steps(parser: Parser) -> None:
    """What a step sees, and how many there are."""
    group = parser.add_argument_group("steps")
    group.add_argument(
        *("--batch_size", "--batchSize", "-b"),
        type=up_to(MOST_SAMPLES),
        default=8,
        help="samples per step, over all processes",
    )
    group.add_argument(
        "--accumulate", type=positive, default=1, help="passes that a step's batch is split into"
    )
    group.add_argument(
        "--patch_size",
        type=up_to(LARGEST_PATCH),
        default=128,
        help="side of a training patch in packed px of the input",
    )
    group.add_argument("--epoch_iters", type=up_to(MOST_STEPS), default=500, help="steps per epoch")
    group.add_argument(
        *("--niter", "--epoch"),
        type=up_to(MOST_EPOCHS),
        default=400,
        help="epochs at the starting learning rate or of the cosine",
    )
    group.add_argument(
        "--niter_decay", type=up_to(MOST_EPOCHS, 0), default=0, help="further epochs of linear decay to zero"
    )
    group.add_argument(
        "--skip_damaged", type=boolean, default=False, help="leave out samples that cannot be read"
    )


def add_start(parser: Parser) -> None:
    """Where a run begins, beside `--load_path`."""
    group = parser.add_argument_group("start")
    group.add_argument(
        "--load_iter",
        type=iterations,
        help="start from this run's own weights of an epoch, or latest or best; default: none",
    )
    group.add_argument(
        "--first_epoch",
        type=positive,
        help="number of the first epoch, by which the learning rate goes; default: the one after "
        "--load_iter, as published, else 1",
    )
    group.add_argument(
        *("--resume", "-r"),
        type=resuming,
        nargs="?",
        const=True,
        default=False,
        help="go on exactly where this run was stopped; False moves a run of this name aside; auto: go on if "
        "there is a state to go on from",
    )


def add_optimisation(parser: Parser) -> None:
    """How a step changes the weights."""
    group = parser.add_argument_group("optimisation")
    group.add_argument("--lr", type=amount, default=1e-4, help="learning rate of AdamW")
    group.add_argument("--lr_policy", choices=POLICIES, default="cosine_warmup", help="schedule per epoch")
    group.add_argument("--lr_min", type=amount, default=FLOOR, help="learning rate at which both cosines end")
    group.add_argument(
        "--lr_decay_iters", type=positive, default=200, help="epochs between halvings of the step policy"
    )
    group.add_argument(
        "--lr_milestones",
        type=whole_numbers,
        default=[300, 400],
        help="epochs of the milestones policy: 300,400",
    )
    group.add_argument(
        "--lr_milestone_factor", type=fraction, default=0.2, help="of the rate after each of the milestones"
    )
    group.add_argument("--beta1", type=fraction, default=0.9, help="of AdamW")
    group.add_argument("--beta2", type=fraction, default=0.999, help="of AdamW")
    group.add_argument("--weight_decay", "--wd", type=amount, default=0.01, help="of AdamW")
    group.add_argument(
        "--grad_clip", type=amount, default=0.0, help="largest norm of the gradient; 0 = no limit"
    )
    group.add_argument(
        "--ema_decay", type=fraction, default=0.0, help="0.999: save and validate averaged weights; 0 = off"
    )
    group.add_argument(
        "--gradient_checkpointing",
        type=boolean,
        default=False,
        help="keep less of the forward pass and compute it again: less memory, about a third slower",
    )


def add_progress(parser: Parser) -> None:
    """How often it logs, validates and saves."""
    group = parser.add_argument_group("progress")
    group.add_argument("--print_freq", type=positive, default=100, help="steps between log lines")
    group.add_argument("--val_freq", type=whole, default=1, help="epochs between validations; 0 = never")
    group.add_argument(
        "--save_epoch_freq", type=positive, default=1, help="epochs between numbered checkpoints"
    )
    group.add_argument(
        "--save_latest_freq", type=positive, default=500, help="steps between states to resume from"
    )
    group.add_argument(
        "--calc_metrics", type=boolean, default=True, help="score validations; False = --val_freq 0"
    )
    group.add_argument(
        "--save_imgs", type=boolean, default=False, help="write the pictures of each validation"
    )
