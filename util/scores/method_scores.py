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
        self.create = partial(Evaluation, list(metrics), border, settings, kind)
        self.methods: dict[str, Evaluation] = {}

    def add(self, name: str, judged: dict[str, np.ndarray]) -> dict[str, float]:
        """Score what each method has made of image `name`; returns the scores of RESTORED.

        Args:
            judged: method -> picture or light, as the kind asks; and TRUTH, where there is one.
        """
        truth, scores = judged.get(TRUTH), {}
        for method, image in judged.items():
            if method != TRUTH:
                scores[method] = self.methods.setdefault(method, self.create()).add(name, image, truth)
        return scores[RESTORED]

    def means(self) -> dict[str, dict[str, float]]:
        """Mean scores by method, of those that have any."""
        return {method: scores.mean() for method, scores in self.methods.items() if scores.rows}

    def write(self, path: Path, facts: dict[str, Any]) -> None:
        """Write `path`.csv and .json, which states `facts` as well, and `path`_<method> of the others."""
        for method, scores in self.methods.items():
            suffix = "" if method == RESTORED else f"_{method.replace(' ', '_')}"
            if scores.rows:
                scores.write(path.with_name(path.name + suffix), facts)
