"""Scores of a set of pictures: a row per image, the mean, and the files that keep them."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from util.files import write_atomically
from util.metrics import METRICS, crop_border


class Evaluation:
    """Collects scores of 16-bit pictures against their references.

    Args:
        metrics: names in METRICS. border: px left out on each side. settings: per metric, its keyword
        arguments.
    """

    def __init__(
        self, metrics: list[str], border: int, settings: dict[str, dict[str, Any]] | None = None
    ) -> None:
        self.metrics, self.border, self.settings = metrics, border, settings or {}
        self.rows: list[dict[str, Any]] = []

    def add(self, name: str, picture: np.ndarray, reference: np.ndarray) -> dict[str, Any]:
        """Score a picture (H, W, 3) uint16 against its reference; returns the row."""
        pair = [crop_border(image, self.border) for image in (picture, reference)]
        scores = {metric: METRICS[metric](*pair, **self.settings.get(metric, {})) for metric in self.metrics}
        self.rows.append({"name": name, **scores})
        return self.rows[-1]

    def mean(self) -> dict[str, float]:
        """Mean of each metric over the images."""
        return {metric: float(np.mean([row[metric] for row in self.rows])) for metric in self.metrics}

    def write(self, path: Path, facts: dict[str, Any]) -> None:
        """Write `path`.csv, a row per image and the mean, and `path`.json, which states `facts` as well."""
        rows = [*self.rows, {"name": "mean", **self.mean()}]
        with (
            write_atomically(path.with_name(f"{path.name}.csv")) as temporary,
            temporary.open("w", newline="") as file,
        ):
            writer = csv.DictWriter(file, fieldnames=["name", *self.metrics])
            writer.writeheader()
            writer.writerows(rows)
        with write_atomically(path.with_name(f"{path.name}.json")) as temporary:
            temporary.write_text(
                json.dumps({**facts, "mean": self.mean(), "images": self.rows}, indent=1) + "\n"
            )


def unbatched(value: Any) -> Any:
    """The only sample of a batch of one: tensors as arrays, in dicts and lists alike."""
    if isinstance(value, dict):
        return {key: unbatched(part) for key, part in value.items()}
    return value[0].numpy() if hasattr(value, "numpy") else value[0]


def table(means: dict[str, dict[str, float]]) -> str:
    """Mean scores as text: a row per method, a column per metric."""
    metrics = list(next(iter(means.values())))
    width = max(map(len, means))
    lines = [" " * width + "".join(f"{metric:>10}" for metric in metrics)]
    lines += [
        f"{name:<{width}}" + "".join(f"{row[metric]:10.4f}" for metric in metrics)
        for name, row in means.items()
    ]
    return "\n".join(lines)
