"""How far a training run has come, and the file from which it goes on."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from util import checkpoint

FILE = "train_state.pth"


@dataclass
class Progress:
    """Position in a run: iteration `iteration` of epoch `epoch` has been made (epochs count from 1)."""

    epoch: int = 1
    iteration: int = 0
    skipped: int = 0  # steps left out in a row
    scores: list[float] = field(default_factory=list)  # of the validations so far

    def step(self, epoch_iters: int) -> int:
        """Steps made since the run began."""
        return (self.epoch - 1) * epoch_iters + self.iteration

    def save(self, folder: Path, model_state: dict[str, Any]) -> None:
        """Write all that going on exactly needs, weights included, as one file."""
        state = {"model": model_state, "progress": asdict(self), "random": torch.get_rng_state()}
        checkpoint.save(folder / FILE, state)

    @classmethod
    def load(cls, folder: Path) -> tuple["Progress", dict[str, Any]]:
        """The position and the model's state of a run; random numbers go on where they were.

        Raises:
            UserError: there is no state in this folder, or it is damaged.
        """
        state = checkpoint.load(folder / FILE)
        torch.set_rng_state(state["random"])
        return cls(**state["progress"]), state["model"]
