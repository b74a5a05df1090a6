"""How far a training run has come, and the file from which it goes on."""

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from util import checkpoint
from util.errors import UserError
from util.provenance import provenance

FILE = "train_state.pth"
MOST_EPOCHS = 10**6  # that --niter and --niter_decay admit, each
MAX_SKIPPED = 10  # steps in a row without a finite gradient before a run gives up


@dataclass
class Progress:
    """Position in a run: iteration `iteration` of epoch `epoch` has been made (epochs count from 1)."""

    epoch: int = 1
    iteration: int = 0
    skipped: int = 0  # steps left out in a row
    scores: list[float] = field(default_factory=list)  # of the validations so far

    # Of this process alone, no fields: steps since the state was saved, whether one is under way, and epoch
    # and iteration of the state on disk.
    unsaved = 0
    is_whole = True
    saved = None

    def step(self, epoch_iters: int) -> int:
        """Steps made since the run began."""
        return (self.epoch - 1) * epoch_iters + self.iteration

    def seed(self, opt: argparse.Namespace, rank: int) -> int:
        """Seed of the step to come in one process: a pure function of --seed, step and process."""
        parts = (opt.seed, self.step(opt.epoch_iters), rank)
        return int(np.random.SeedSequence(parts).generate_state(1)[0])

    def is_best(self) -> bool:
        """Whether no validation scored better than the last one.

        An infinite score, of perfect pictures alone, is best too, but later ones are compared with the finite
        ones: else a validation on black pictures would hold the first weights for ever. NaN never is best.
        """
        *earlier, last = self.scores
        return last == math.inf or last >= max(filter(math.isfinite, earlier), default=-math.inf)

    @contextmanager
    def one_more(self, is_useless: bool) -> Iterator[None]:
        """Count a step whose changes are made in this block; what an error leaves half made is no step."""
        self.is_whole = False
        yield
        self.iteration += 1
        self.skipped = self.skipped if is_useless else 0
        self.unsaved += 1
        self.is_whole = True

    def skip(self, names: Iterable[str]) -> None:
        """Say that the step on these samples is left out, since its loss or gradient is not finite.

        Raises:
            UserError: it is the tenth in a row.
        """
        print(f"left out a step, its loss or gradient is not finite: {', '.join(names)}", file=sys.stderr)
        self.skipped += 1
        if self.skipped >= MAX_SKIPPED:
            self.unsaved = 0  # the state on the disk stays: it is of before, these weights may be spoilt
            advice = "lower --lr, set --grad_clip 1, or look for values that are not finite in these samples"
            raise UserError(f"{MAX_SKIPPED} steps in a row without a finite gradient: {advice}")

    def save(self, folder: Path, model_state: dict[str, Any], opt: argparse.Namespace) -> None:
        """Write all that going on exactly needs, weights included, as one file."""
        made = provenance(opt, self.step(opt.epoch_iters))
        content = {"model": model_state, "progress": asdict(self), **made}
        checkpoint.save(folder / FILE, content, parents=False)
        self.unsaved, self.saved = 0, (self.epoch, self.iteration)

    @classmethod
    def load(cls, folder: Path, epoch_iters: int) -> tuple["Progress", dict[str, Any]]:
        """The position and the model's state of a run with epochs of so many steps.

        Raises:
            UserError: there is no state in this folder, it is damaged, or its epochs were of another length.
        """
        path = folder / FILE
        if not path.exists():
            raise UserError(f"--resume True: there is no {path} to go on from")
        state = checkpoint.load(path)
        if not state.keys() >= {"model", "progress"}:
            raise UserError(f"{path}: not the state of a training run")
        if not (_is_position(state["progress"]) and isinstance(state["model"], dict)):
            raise UserError(f"{path}: damaged: how far it has come cannot be read")
        checkpoint.check_tensors(state["model"], path)
        now, made = cls(**state["progress"]), state.get("step")
        if made not in (None, now.step(epoch_iters)):
            where = f"{now.epoch - 1} epochs and {now.iteration} iterations are {made} steps"
            raise UserError(f"{path}: {where}, not with --epoch_iters {epoch_iters}: resume with the former")
        if now.iteration > epoch_iters:
            where = f"iteration {now.iteration} of epoch {now.epoch} is not in --epoch_iters {epoch_iters}"
            raise UserError(f"{path}: {where}: resume with the former")
        now.saved = now.epoch, now.iteration
        return now, state["model"]


def _is_position(value: object) -> bool:
    """Whether something read is what `Progress.save` writes of itself."""
    if not isinstance(value, dict) or value.keys() != {part.name for part in fields(Progress)}:
        return False
    epoch, iteration, skipped, scores = (value[part.name] for part in fields(Progress))
    if not all(type(count) is int for count in (epoch, iteration, skipped)):
        return False
    known = isinstance(scores, list) and all(type(score) in (int, float) for score in scores)
    return known and 1 <= epoch <= 2 * MOST_EPOCHS + 1 and iteration >= 0 and 0 <= skipped < MAX_SKIPPED


class Rescue:
    """A context for the steps of a run: what ends it early is given a note that says how to go on.

    The state is saved before that, if there are steps since it was saved, and the last one is whole.

    Args:
        save: saves the state. again: the command that goes on.
    """

    def __init__(self, now: Progress, save: Callable[[], None], again: str) -> None:
        self.now, self.save, self.again = now, save, again

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if error is None:
            return
        try:
            if self.now.unsaved and self.now.is_whole:
                self.save()
        except (UserError, RuntimeError) as failure:  # of a GPU that is out of order, for example
            if str(failure) != str(error):  # it may have come of saving
                error.add_note(f"its state cannot be saved: {str(failure).splitlines()[0]}")
        if self.now.saved:
            epoch, iteration = self.now.saved
            error.add_note(f"saved after iteration {iteration} of epoch {epoch}; go on with: {self.again}")
