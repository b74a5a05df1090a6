"""Which samples scores are of: names do not tell, since other data may have the same."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TOLERANCE = 1e-6  # relative, between means of the same values on two machines
KEYS = ("pixels", "input", "truth")


class Samples:
    """Sums up samples while they are tested."""

    def __init__(self) -> None:
        self.pixels = 0
        self.means: dict[str, list[float]] = {}

    def add(self, sample: Mapping[str, Any]) -> None:
        """Count a sample, whose `frames` (1, T, C, H, W), and `gt` if it has one, are tensors."""
        values = {"input": sample["frames"][:, 0], "truth": sample.get("gt")}
        for key, part in values.items():
            if part is not None:
                mean = float(np.mean(part.cpu().numpy(), dtype=np.float64))
                self.means.setdefault(key, []).append(mean)
        last = values["input"] if values["truth"] is None else values["truth"]
        self.pixels += math.prod(last.shape[-2:])

    def facts(self) -> dict[str, float]:
        """`pixels` of all ground truths, or of frames without one, and means of first frames and truths.

        Values are as the data set gives them, before a network sees them.
        """
        return {"pixels": self.pixels} | {key: float(np.mean(held)) for key, held in self.means.items()}


@dataclass(frozen=True)
class Origin:
    """Where scores come from: the folder of the data, and `Samples.facts` as far as they are known."""

    dataroot: str
    facts: Mapping[str, float]

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Origin":
        """As the facts of a metrics file have them.

        Raises:
            ValueError: they are something else.
        """
        found = facts.get("samples", {})
        numbers = isinstance(found, dict) and all(isinstance(value, int | float) for value in found.values())
        if not numbers or not found.keys() <= set(KEYS):
            raise ValueError(f"samples {found!s:.40}")
        return cls(str(facts.get("dataroot", "")), found)

    def differences(self, other: "Origin") -> str:
        """In what the samples of two origins differ, although they may be called alike; "" if they do not.

        The first frames of one folder may be read in two ways, as taken and aligned beforehand: by
        themselves they are no difference. Another folder is one only where nothing tells what it holds.
        """
        shared = self.facts.keys() & other.facts.keys()
        differing = [
            key
            for key in KEYS
            if key in shared and not math.isclose(self.facts[key], other.facts[key], rel_tol=TOLERANCE)
        ]
        roots = {Path(origin.dataroot).resolve() for origin in (self, other) if origin.dataroot}
        moved = len(roots) == 2
        if not moved and differing == ["input"]:
            return ""
        if moved and (differing or not shared):
            differing.insert(0, "dataroot")
        return "; ".join(f"{key} {self._of(key)} and {other._of(key)}" for key in differing)

    def _of(self, key: str) -> str:
        return self.dataroot if key == "dataroot" else f"{self.facts[key]:.9g}"
