"""Scores of several methods on the same images."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from util.scores.evaluation import Evaluation

RESTORED, TRUTH = "restored", "ground truth"  # the method that is tested, and what all are compared with


class MethodScores:
    """An `Evaluation`, made of the same settings, for each method that has given an image."""

    def __init__(self, metrics: Sequence[str], border: int, settings: dict[str, Any], kind: str) -> None:
        self.create = partial(Evaluation, list(metrics), border, settings, kind, told=set())
        self.methods: dict[str, Evaluation] = {}

    def add(
        self, name: str, judged: dict[str, np.ndarray], group: str | None = None
    ) -> dict[str, dict[str, float]]:
        """Score what each method has made of image `name`; returns the scores by method.

        Args:
            judged: method -> what the kind asks for; and TRUTH, where there is one. group: of the image.
        """
        truth, scores = judged.get(TRUTH), {}
        for method, image in judged.items():
            if method != TRUTH:
                scores[method] = self._of(method).add(name, image, truth, group)
        return scores

    def _of(self, method: str) -> Evaluation:
        return self.methods.setdefault(method, self.create())

    def means(self) -> dict[str, dict[str, float]]:
        """Mean scores by method, of those that have any, and where there are several groups of each one."""
        means = {}
        for method, scores in self.methods.items():
            groups = scores.groups()
            for group in groups if len(groups) > 1 else []:
                means[f"{method} {group}"] = scores.mean(group)
            if scores.rows:
                means[method] = scores.mean()
        return means

    def notes(self) -> list[str]:
        """A line for each metric of a method that some images have no finite score of."""
        return [
            f"note: {method}: {metric} of {count} of {len(scores.rows)} images is not finite, "
            "and left out of the mean where others are"
            for method, scores in self.methods.items()
            for metric, count in scores.left_out().items()
        ]

    def write(self, path: Path, facts: dict[str, Any]) -> None:
        """Write `path`.csv and .json, which states `facts` as well, and `path`_<method> of the others."""
        for method, scores in self.methods.items():
            suffix = "" if method == RESTORED else f"_{method.replace(' ', '_')}"
            if scores.rows:
                scores.write(path.with_name(path.name + suffix), facts)
