"""What a run tells: progress bar, log lines, log.jsonl, TensorBoard."""

import json
import sys
import time
from pathlib import Path

from tensorboardX import SummaryWriter
from tqdm import tqdm

from util.files import write_atomically


class Logger:
    """Logs of one training run.

    Args:
        folder: of the run. steps: of the whole run. done: already made, by the run that this one resumes.
    """

    def __init__(self, folder: Path, steps: int, done: int = 0) -> None:
        self.path = folder / "log.jsonl"
        if self.path.exists():
            self._forget_after(done)
        self.file = self.path.open("a")
        self.board = SummaryWriter(str(folder / "log"), purge_step=done + 1)
        self.bar = tqdm(
            total=steps, initial=done, unit="step", smoothing=0.05, disable=None, dynamic_ncols=True
        )
        self.steps, self.first, self.start = steps, done, time.monotonic()

    def _forget_after(self, step: int) -> None:
        """Drop the lines of steps that will be made again."""
        lines = [line for line in self.path.read_text().splitlines() if json.loads(line)["step"] <= step]
        with write_atomically(self.path) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in lines))

    def advance(self) -> None:
        """One step was made."""
        self.bar.update()

    def log(self, kind: str, step: int, **values: float) -> None:
        """Write values to all logs; `kind` is "train" or "val"."""
        self.file.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")
        self.file.flush()
        for name, value in values.items():
            self.board.add_scalar(f"{kind}/{name}", value, step)
        shown = "  ".join(f"{name} {value:.5g}" for name, value in values.items())
        self.say(f"{kind} step {step}/{self.steps}  {shown}  left {self._time_left(step)}")

    def _time_left(self, step: int) -> str:
        made = max(step - self.first, 1)
        return tqdm.format_interval((time.monotonic() - self.start) / made * (self.steps - step))

    def say(self, text: str) -> None:
        """A line that does not disturb the progress bar."""
        self.bar.write(text, file=sys.stdout)
        sys.stdout.flush()

    def close(self) -> None:
        """Finish all files."""
        self.bar.close()
        self.file.close()
        self.board.close()
