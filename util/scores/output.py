"""The files that a test writes: pictures, radiance, contact sheets, and a page that shows all."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from util.imaging.images import write_png8, write_png16
from util.imaging.pictures import Pictures
from util.imaging.tonemap import mu_law_picture8
from util.page.radiance_data import of_mu_law
from util.scores.baselines import exposure_average
from util.scores.method_scores import RESTORED, TRUTH
from util.scores.report import Report

SHORTEST = "shortest bracket"


class Output:
    """Files of one checkpoint, named by `label`, in the folder of a run.

    Args:
        kind: what is scored, "picture" or "radiance". border: px of the result that the data set leaves out.
        scale: of the results. one_per_scene: files are named by the scene alone.
    """

    def __init__(
        self,
        folder: Path,
        opt: argparse.Namespace,
        label: str,
        *,
        kind: str,
        border: int,
        scale: int,
        one_per_scene: bool,
    ) -> None:
        self.opt, self.kind, self.border, self.scale = opt, kind, border, scale
        self.one_per_scene = one_per_scene
        output = folder / f"output_{opt.dataset_name}"
        shown = "vispng" if opt.tonemap == "mu_law" else opt.tonemap  # vispng is what published scores are of
        self.pictures = output.with_name(f"{output.name}_{shown}_{label}")
        self.radiance = output.with_name(f"{output.name}_hdr_{label}")
        self.report = Report(folder / f"report_{opt.dataset_name}_{label}")

    def write(
        self,
        sample: Mapping[str, Any],
        frames: torch.Tensor,
        view: Pictures,
        images: dict[str, torch.Tensor],
        pictures: dict[str, np.ndarray],
        scores: dict[str, dict[str, float]],
    ) -> None:
        """Write what options ask for of a sample.

        Args:
            frames: its normalised frames. images: of each method, linear. pictures: by the mu-law, and TRUTH
                where there is one. scores: of each method, by metric.
        """
        file, restored = Path(sample["scene"][0]), images[RESTORED]
        if not self.one_per_scene:
            file /= sample["frame"][0]
        if self.opt.save_hdr != "none":
            path = self.radiance / f"{file}.{self.opt.save_hdr}"
            view.write_light(path, restored, saturates=TRUTH not in pictures)
        if self.opt.save_imgs:
            sheet = self.sheet(view, frames, sample, images, pictures)
            self.write_picture(file, view, restored, sheet)
            shown = pictures | self.inputs(view, frames, sheet)
            lights = {method: of_mu_law(picture) for method, picture in shown.items()}
            if TRUTH in lights and self.kind == "picture":
                lights[TRUTH] = with_black_border(lights[TRUTH], self.border)
            self.report.add(sample["name"][0], sheet, lights, scores, self.columns(sheet))

    def inputs(
        self, view: Pictures, frames: torch.Tensor, sheet: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The first and the last frame by the mu-law, for the page; the first as the sheet may have it."""
        border = self.border // self.scale if self.kind == "picture" else 0
        first = sheet.get(SHORTEST) if self.opt.tonemap == "mu_law" else None
        if first is None:
            first = view.picture(frames[:, 0], border=border)
        count = frames.shape[1]
        last = {f"frame {count}": view.picture(frames[:, -1], border=border)} if count > 1 else {}
        return {"frame 1": first} | last

    def write_picture(
        self, file: Path, view: Pictures, restored: torch.Tensor, sheet: dict[str, np.ndarray]
    ) -> None:
        """Write the picture of a result, which `sheet` shows, under a name without suffix."""
        if self.kind == "radiance" and self.opt.tonemap == "mu_law":
            light = view.light(restored, saturates=False)
            write_png8(self.pictures / f"{file}.png", mu_law_picture8(light), is_srgb=False)
        else:
            is_srgb = self.opt.tonemap != "mu_law"
            write_png16(self.pictures / f"{file}.png", sheet[RESTORED], is_srgb)

    def columns(self, sheet: dict[str, np.ndarray]) -> int | None:
        """How many pictures of a contact sheet stand side by side; None is as many as suit their size."""
        return None

    def sheet(
        self,
        view: Pictures,
        frames: torch.Tensor,
        sample: Mapping[str, Any],
        images: dict[str, torch.Tensor],
        pictures: dict[str, np.ndarray],
    ) -> dict[str, np.ndarray]:
        """What a contact sheet shows of the frames and images of a sample, of which `pictures` are mu-law."""
        exposure = sample["exposure"]
        border = self.border // self.scale if self.kind == "picture" else 0  # others are shown as a whole
        curve = view.curve(self.opt.tonemap, self.opt.ev, images[RESTORED])
        if curve:
            pictures = pictures | {method: view.picture(image, curve) for method, image in images.items()}
        if TRUTH in pictures and self.kind == "picture":
            return {SHORTEST: view.picture(frames[:, 0], border=border), **pictures}
        average = exposure_average(frames, exposure, self.scale)
        pictures = {"exposure average": view.picture(average, curve)} | pictures
        return view.as_taken(frames, exposure, border) | pictures

    def finish(self, title: str, facts: dict[str, Any], means: dict[str, dict[str, float]]) -> None:
        """Write the page, and say where everything is."""
        if self.opt.save_imgs:
            page = self.report.write(title, facts, means)
            print(f"pictures: {self.pictures}\nto look at: {page}")


def with_black_border(light: np.ndarray, border: int) -> np.ndarray:
    """Light (H, W, 3) with so many px on each side black, as the results have it: they are not scored."""
    inner = light[border : light.shape[0] - border, border : light.shape[1] - border]
    return np.pad(inner, ((border, border), (border, border), (0, 0)))
