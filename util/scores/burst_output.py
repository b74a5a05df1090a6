"""The files of a test on bursts: linear results as published, pictures, and sheets with a detail of each."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from util.imaging.detail import detail_of, enlarged
from util.imaging.images import write_png16
from util.imaging.pictures import Pictures
from util.scores.burst_metrics import codes14
from util.scores.method_scores import RESTORED, TRUTH
from util.scores.output import Output

if TYPE_CHECKING:
    from data.base_dataset import BaseDataset


def create_output(dataset: "BaseDataset", folder: Path, label: str, scale: int) -> Output:
    """What writes the files of the weights that `label` names into a run's folder; `scale`: of results."""
    kind = Output if dataset.task.bracketed else BurstOutput
    return kind(
        folder,
        dataset.opt,
        label,
        kind=dataset.scores,
        border=dataset.border,
        scale=scale,
        one_per_scene=dataset.one_per_scene,
    )


class BurstOutput(Output):
    """As `Output`; besides, `output_<dataset>_linear14_<label>` has the results as they are scored.

    These are 16-bit PNG of 2^14 x whose channels are stored in the published order: readers that swap RGB
    and BGR, such as OpenCV, give red first (Deep-Rep specification, 10). Sheets show the base frame, the
    results and the ground truth, and below them the same detail of each.
    """

    def __init__(self, folder: Path, opt: Any, label: str, **settings: Any) -> None:
        super().__init__(folder, opt, label, **settings)
        self.linear = folder / f"output_{opt.dataset_name}_linear14_{label}"

    def write_picture(
        self, file: Path, view: Pictures, restored: torch.Tensor, sheet: dict[str, np.ndarray]
    ) -> None:
        write_png16(self.pictures / f"{file}.png", sheet[RESTORED], self.opt.tonemap != "mu_law")
        codes = codes14(restored[0].float().cpu().numpy().transpose(1, 2, 0))
        write_png16(self.linear / f"{file}.png", codes[..., ::-1], is_srgb=False)

    def sheet(
        self,
        view: Pictures,
        frames: torch.Tensor,
        sample: Mapping[str, Any],
        images: dict[str, torch.Tensor],
        pictures: dict[str, np.ndarray],
    ) -> dict[str, np.ndarray]:
        curve = view.curve(self.opt.tonemap, self.opt.ev, images.get(TRUTH, images[RESTORED]))
        if curve:
            pictures = {method: view.picture(image, curve) for method, image in images.items()}
        base = enlarged(view.picture(frames[:, 0], curve), pictures[RESTORED].shape[:2])
        shown = {f"frame 1 of {frames.shape[1]}": base, **pictures}
        detail = detail_of(pictures.get(TRUTH, pictures[RESTORED]))
        return shown | {f"detail: {name}": detail.of(picture) for name, picture in shown.items()}

    def inputs(
        self, view: Pictures, frames: torch.Tensor, sheet: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        return {"frame 1": view.picture(frames[:, 0])}

    def columns(self, sheet: dict[str, np.ndarray]) -> int:
        return len(sheet) // 2
