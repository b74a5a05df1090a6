"""Scores of a set of images: a row per image, the mean, and the files that keep them."""

import csv
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from util.files import write_atomically
from util.imaging.rendering import to_png16
from util.json_record import as_json
from util.scores.burst_metrics import BURST_METRICS
from util.scores.guided_metrics import GUIDED_METRICS
from util.scores.learned_metrics import NO_REFERENCE, prepare
from util.scores.metrics import ABSOLUTE, TooSmallError, crop_border
from util.scores.picture_metrics import METRICS
from util.scores.radiance_metrics import RADIANCE_METRICS
from util.scores.raw_metrics import RAW_METRICS, SRGB_METRICS

# What is scored of an image: the 16-bit picture that is written, its linear light, its raw planes, or a view
# of these; of bursts, linear values of 14 bits, these as a display shows them, or aligned to another camera;
# of shots with rows exposed in turn, camera RGB, apart for what a guidance mask trusts.
SCORED = {
    "picture": METRICS,
    "radiance": RADIANCE_METRICS,
    "raw": RAW_METRICS,
    "srgb": SRGB_METRICS,
    **BURST_METRICS,
    "guided": GUIDED_METRICS,
}
USUAL = {
    "picture": ["psnr_mu", "ssim_mu"],
    "radiance": ["psnr_l", "psnr_mu", "ssim_l", "ssim_mu"],
    "raw": ["psnr_raw", "ssim_raw"],
    "srgb": ["psnr_srgb", "ssim_srgb"],
    **{kind: list(metrics)[:2] for kind, metrics in BURST_METRICS.items()},
    "guided": [name for name in GUIDED_METRICS if name != "pu_psnr"],
}
# In training; the first says which weights are best.
VALIDATED = USUAL | {"radiance": ["psnr_mu", "ssim_mu"], "guided": ["psnr_mu", "psnr_l", "ssim_mu", "angle"]}


class Evaluation:
    """Collects scores of images, against their references where there are some.

    Args:
        metrics: names in NO_REFERENCE, and in SCORED of the kind. border: px left out on each side.
        settings: per metric, its keyword arguments. kind: of SCORED.
        told: notes that need not be told again.
    """

    def __init__(
        self,
        metrics: list[str],
        border: int,
        settings: dict[str, dict[str, Any]] | None = None,
        kind: str = "picture",
        told: set[str] | None = None,
    ) -> None:
        self.metrics, self.border, self.settings, self.kind = metrics, border, settings or {}, kind
        self.told = set() if told is None else told
        self.rows: list[dict[str, Any]] = []

    def add(
        self, name: str, image: np.ndarray, reference: np.ndarray | None, group: str | None = None
    ) -> dict[str, float]:
        """Score an image (H, W, C) of the kind, which belongs to a group of images or to none.

        Returns its scores, by the metrics that need no reference only where there is none. A metric that the
        image is too small for is left out, which a note on stderr says.
        """
        scores = {}
        for metric in self.metrics:
            if reference is None and metric not in NO_REFERENCE:
                continue
            try:
                scores[metric] = self._score(metric, image, reference)
            except TooSmallError as error:
                self._tell(f"note: {name}: {error}; it has no {metric} and is not in that mean")
        if scores:
            self.rows.append({"name": name, **({"group": group} if group else {}), **scores})
        return scores

    def _score(self, metric: str, image: np.ndarray, reference: np.ndarray | None) -> float:
        image, settings = crop_border(image, self.border), self.settings.get(metric, {})
        if metric in NO_REFERENCE:
            picture = to_png16(image) if self.kind == "radiance" else image
            return NO_REFERENCE[metric](picture, **settings)
        return SCORED[self.kind][metric](image, crop_border(reference, self.border), **settings)

    def _tell(self, note: str) -> None:
        if note not in self.told:
            self.told.add(note)
            print(note, file=sys.stderr)

    def groups(self) -> list[str]:
        """The groups that images belong to, short names first."""
        return sorted(
            {row["group"] for row in self.rows if "group" in row}, key=lambda name: (len(name), name)
        )

    def mean(self, group: str | None = None) -> dict[str, float]:
        """Mean of each metric over the images (of a group) that have it; what none has is left out.

        Over the finite values, as published, if there are any: `left_out` counts the others.
        """
        return {metric: finite_mean(column) for metric, column in self._columns(group).items()}

    def left_out(self) -> dict[str, int]:
        """By metric, of how many images the score is not finite: of a perfect one, or with nothing valid."""
        counts = {
            metric: sum(not math.isfinite(value) for value in column)
            for metric, column in self._columns().items()
        }
        return {metric: count for metric, count in counts.items() if count}

    def _columns(self, group: str | None = None) -> dict[str, list[float]]:
        """The scores of each metric that any of the images (of a group) has."""
        rows = [row for row in self.rows if group in (None, row.get("group"))]
        columns = {metric: [row[metric] for row in rows if metric in row] for metric in self.metrics}
        return {metric: column for metric, column in columns.items() if column}

    def write(self, path: Path, facts: dict[str, Any]) -> None:
        """Write `path`.csv, a row per image and the mean, and `path`.json, which states `facts` as well."""
        groups = self.groups()
        means = [{"name": "mean", "group": group, **self.mean(group)} for group in groups]
        rows = [*self.rows, *means, {"name": "mean", **self.mean()}]
        with (
            write_atomically(path.with_name(f"{path.name}.csv")) as temporary,
            temporary.open("w", newline="") as file,
        ):
            named = ["name", "group"] if groups else ["name"]
            writer = csv.DictWriter(file, fieldnames=[*named, *self.mean()])
            writer.writeheader()
            writer.writerows(rows)
        content = {**facts, "mean": self.mean(), "images": self.rows}
        if left_out := self.left_out():
            content["not_finite"] = left_out
        if groups:
            content["groups"] = {group: self.mean(group) for group in groups}
        with write_atomically(path.with_name(f"{path.name}.json")) as temporary:
            temporary.write_text(as_json(content, indent=1))


def finite_mean(values: Sequence[float]) -> float:
    """Mean of the finite ones of some numbers; of all where none is finite."""
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite or values))


def prepared(
    metrics: list[str], peak_luminance: float, device: str | torch.device
) -> dict[str, dict[str, Any]]:
    """Settings of metrics for an `Evaluation`; what their networks need is loaded, so that a lack shows now.

    Raises:
        UserError: an optional package or its weights cannot be had.
    """
    settings = {metric: {"peak_luminance": peak_luminance} for metric in ABSOLUTE}
    for metric in ("cvvdp", *NO_REFERENCE, *(name for name in metrics if name.startswith("lpips"))):
        settings.setdefault(metric, {})["device"] = device
    for metric in metrics:
        prepare(metric, device)
    return settings


def unbatched(value: Any) -> Any:
    """The only sample of a batch of one: tensors as arrays, in dicts and lists alike."""
    if isinstance(value, dict):
        return {key: unbatched(part) for key, part in value.items()}
    return value[0].numpy() if hasattr(value, "numpy") else value[0]


def table(means: dict[str, dict[str, float]]) -> str:
    """Mean scores as text: a row per method, a column per metric; nan where a method has none."""
    metrics = list(dict.fromkeys(metric for row in means.values() for metric in row))
    width = max(map(len, means))
    room = {metric: max(10, len(metric) + 2) for metric in metrics}
    lines = [" " * width + "".join(f"{metric:>{room[metric]}}" for metric in metrics)]
    lines += [
        f"{name:<{width}}" + "".join(f"{row.get(metric, math.nan):{room[metric]}.4f}" for metric in metrics)
        for name, row in means.items()
    ]
    return "\n".join(lines)
