"""What is compared with the ground truth, by the kind of a data set's scores."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from util.imaging.pictures import Pictures
from util.scores.raw_metrics import raw_image, srgb_view

if TYPE_CHECKING:
    from data.base_dataset import BaseDataset


def create_judge(dataset: "BaseDataset") -> "Judge":
    """The judge of what a data set scores, as its options say."""
    return Judge(dataset.scores, getattr(dataset.opt, "illumination_correction", False))


class Judge:
    """Makes of restored images what metrics are given.

    Args:
        kind: "picture": 16-bit mu-law pictures; "radiance": linear light; "raw": packed planes, and "srgb": a
            simple view of these, in 0..255.
        illumination_correction: of raw and srgb: compare at the brightness of the target.
    """

    def __init__(self, kind: str, illumination_correction: bool = False) -> None:
        self.kind, self.correct = kind, illumination_correction

    def image(self, view: Pictures, image: torch.Tensor, target: torch.Tensor | None) -> np.ndarray:
        """The image (1, C, h, w) of a sample as it is scored; `target` likewise, its ground truth."""
        if self.kind == "picture":
            return view.picture(image)
        if self.kind == "radiance":
            return view.light(image, saturates=False)
        planes, truth = (None if one is None else one[0].cpu().numpy() for one in (image, target))
        truth = truth if self.correct else None
        return raw_image(planes, truth) if self.kind == "raw" else srgb_view(planes, truth, view.meta)

    def facts(self) -> dict[str, Any]:
        """What a table must say of it."""
        is_raw = self.kind in ("raw", "srgb")
        return {"scored": self.kind} | ({"illumination_correction": self.correct} if is_raw else {})
