"""What is compared with the ground truth, by the kind of a data set's scores."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from util.imaging.pictures import Pictures
from util.imaging.tonemap import denoising_display
from util.scores.burst_metrics import BURST_METRICS, quantised14
from util.scores.guided_metrics import target_planes, trust
from util.scores.method_scores import TRUTH
from util.scores.raw_metrics import raw_image, srgb_view

if TYPE_CHECKING:
    from data.base_dataset import BaseDataset

# Published ones and ours differ by up to 1.2 dB, so that scores on a simulated set do not compare.
GIVEN = "pictures of the data set (by Menon's method where simulated, by a network where published)"
REFERENCES = {"radiance": "true radiance", "raw": "long exposure", "srgb": "long exposure"}
# Output, target (N, 3, sH, sW) and frames (N, T, 4, H, W) -> the output aligned to the target, and where it
# is valid, bool (N, 1, sH, sW).
Align = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def create_judge(dataset: "BaseDataset", align: Align | None = None) -> "Judge":
    """The judge of what a data set scores, as its options say; `align` is for the kind "aligned"."""
    opt, settings = dataset.opt, {}
    if dataset.scores in ("raw", "srgb"):
        settings = {"illumination_correction": getattr(opt, "illumination_correction", False)}
    elif dataset.scores == "aligned":
        settings = {"sca_flow": getattr(opt, "sca_flow", "dis")}
    return Judge(dataset.scores, settings, align)


class Judge:
    """Makes of restored images what metrics are given.

    Args:
        kind: "picture": 16-bit mu-law pictures; "radiance": linear light; "raw": packed planes, and "srgb": a
            simple view of these, in 0..255. Of bursts, whose results are taken with 14 bits as published:
            "linear14": linear values; "display": these by a display's curve, at the white level of the
            sample; "aligned": these aligned to the target by `align`. "guided": camera RGB, the target with
            what the sample's shot tells of itself and where it is valid.
        settings: what a table must say besides the kind: `illumination_correction` of raw and srgb, whether
            they are compared at the brightness of the target; `sca_flow` of aligned, by which flow.
    """

    def __init__(self, kind: str, settings: Mapping[str, Any], align: Align | None = None) -> None:
        self.kind, self.settings, self.align = kind, settings, align

    def images(
        self,
        view: Pictures,
        images: Mapping[str, torch.Tensor],
        frames: torch.Tensor,
        sample: Mapping[str, Any],
    ) -> dict[str, np.ndarray]:
        """The images (1, C, h, w) of a sample by method, and TRUTH if it has one, as they are scored.

        `frames` are its normalised ones.
        """
        target = images.get(TRUTH)
        if self.kind == "guided":
            judged = {name: _pixels(image) for name, image in images.items()}
            if target is not None:
                trusted = trust(frames, sample["exposure"], sample["mask"])
                judged[TRUTH] = target_planes(target, trusted, sample.get("valid"))
            return judged
        if self.kind in BURST_METRICS:
            images = {
                name: image if name == TRUTH else torch.from_numpy(quantised14(image.cpu().numpy()))
                for name, image in images.items()
            }
        if self.kind == "aligned" and target is not None:
            return {
                name: _pixels(image) if name == TRUTH else self._aligned(image, target, frames)
                for name, image in images.items()
            }
        return {name: self._image(view, image, target) for name, image in images.items()}

    def _image(self, view: Pictures, image: torch.Tensor, target: torch.Tensor | None) -> np.ndarray:
        if self.kind == "picture":
            return view.picture(image)
        if self.kind == "radiance":
            return view.light(image, saturates=False)
        if self.kind == "display":
            return denoising_display(_pixels(image), float(view.meta["white_level"]))
        if self.kind in BURST_METRICS:
            return _pixels(image)
        planes, truth = (None if one is None else one[0].cpu().numpy() for one in (image, target))
        truth = truth if self.settings["illumination_correction"] else None
        return raw_image(planes, truth) if self.kind == "raw" else srgb_view(planes, truth, view.meta)

    def _aligned(self, image: torch.Tensor, target: torch.Tensor, frames: torch.Tensor) -> np.ndarray:
        """The image on the grid and in the colours of the target, and where it is valid: (h, w, 4)."""
        aligned = self.align(*(values.to(frames.device) for values in (image, target)), frames)
        return np.concatenate([_pixels(part) for part in aligned], axis=2)

    def reference(self, demosaic: str, is_given: bool) -> str:
        """What images are compared with, in words; `is_given`: pictures that come with the data set."""
        if self.kind == "picture":
            return GIVEN if is_given else f"ground truth rendered with {demosaic}"
        return REFERENCES.get(self.kind, "ground truth")

    def facts(self) -> dict[str, Any]:
        """What a table must say of it."""
        return {"scored": self.kind, **self.settings}


def _pixels(image: torch.Tensor) -> np.ndarray:
    """An image (1, C, h, w) as float32 (h, w, C)."""
    return image[0].float().cpu().numpy().transpose(1, 2, 0)
