"""Restore a data set with trained weights, write the pictures, and score them.

python test.py --name my_run --model syn --dataset_name syn --dataroot DIR        (-h lists the options)
"""

import argparse
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from data import create_dataset, create_loader, samples
from data.base_dataset import BaseDataset
from models import create_demosaicer, create_model
from models.base_model import BaseModel
from models.networks import create_network
from options.test_options import TestOptions
from util import device
from util.baselines import BASELINES
from util.complexity import multiply_adds, parameter_count
from util.errors import run
from util.evaluation import Evaluation, table, unbatched
from util.images import write_png16, write_radiance
from util.rendering import linear_srgb, render_png16
from util.report import Report


def main() -> None:
    opt = TestOptions().parse()
    place = device.join(opt)
    dataset = create_dataset(opt, "test")
    for iteration in [None] if opt.load_path else opt.load_iter:
        model = create_model(opt, place, getattr(dataset, "channels", None))
        model.build(opt.load_path or model.checkpoint_path(iteration))
        label = str(iteration or Path(opt.load_path).stem.rpartition("_model_")[2])
        test = Test(model, dataset, opt, label)
        loader = create_loader(dataset, opt)
        for index, sample in enumerate(tqdm(samples(loader), total=len(dataset), unit="image", disable=None)):
            test.one(index, sample)
        test.summary()


class Test:
    """A pass over a data set with one checkpoint; `label` names its output."""

    def __init__(self, model: BaseModel, dataset: BaseDataset, opt: argparse.Namespace, label: str) -> None:
        self.model, self.dataset, self.opt, self.label = model, dataset, opt, label
        output = f"output_{opt.dataset_name}"
        self.picture_folder = model.folder / f"{output}_vispng_{label}"
        self.radiance_folder = model.folder / f"{output}_hdr_{label}"
        self.report = Report(model.folder / f"report_{opt.dataset_name}_{label}")
        self.demosaic = create_demosaicer(opt, model.place)
        settings = {
            "pu_psnr": {"peak_luminance": opt.peak_luminance},
            "lpips": {"device": model.place.device},
        }
        methods = ["restored", *(BASELINES if opt.baselines else ())]
        self.scores = {name: Evaluation(opt.metrics, dataset.border, settings) for name in methods}
        self.pace: list[float] = []  # ms per megapixel of each image
        self.shape: tuple[int, ...] = ()
        self.references: set[str] = set()

    def one(self, index: int, sample: dict[str, Any]) -> None:
        """Restore a sample, write its pictures and score them."""
        frames = self.model.normalised(sample)
        meta, scene, frame = unbatched(sample["meta"]), sample["scene"][0], sample["frame"][0]
        images = {"restored": self.restore(frames, sample["exposure"])}
        if self.opt.save_hdr != "none":
            light = linear_srgb(images["restored"][0].numpy(), meta, self.demosaic, white=1.0, clip=False)
            write_radiance(self.radiance_folder / scene / f"{frame}.{self.opt.save_hdr}", light)
        for name in list(self.scores)[1:]:
            images[name] = BASELINES[name](frames, sample["exposure"], self.model.scale)
        pictures = {name: self.picture(image, meta) for name, image in images.items()}
        if self.opt.save_imgs:
            write_png16(self.picture_folder / scene / f"{frame}.png", pictures["restored"])
        reference = self.reference(index, sample, meta)
        row = ""
        if reference is not None and self.opt.calc_metrics:
            rows = {
                name: scores.add(sample["name"][0], pictures[name], reference)
                for name, scores in self.scores.items()
            }
            row = "  ".join(f"{metric} {rows['restored'][metric]:.4f}" for metric in self.opt.metrics)
        if self.opt.save_imgs:
            first = self.picture(frames[:, 0], meta, self.dataset.border // self.model.scale)
            shown = (
                {"shortest bracket": first}
                | pictures
                | ({} if reference is None else {"ground truth": reference})
            )
            self.report.add(sample["name"][0], shown, row)

    def restore(self, frames: torch.Tensor, exposure: torch.Tensor) -> torch.Tensor:
        """The restored image (1, C, sH, sW) on the CPU; notes the time that it took."""
        start = time.perf_counter()
        restored = self.model.restore(frames, exposure).float().cpu()
        megapixels = 4 * restored.shape[-2] * restored.shape[-1] / 1e6
        self.pace.append(1e3 * (time.perf_counter() - start) / megapixels)
        self.shape = self.shape or tuple(frames.shape)
        return restored

    def picture(self, image: torch.Tensor, meta: dict[str, Any], border: int | None = None) -> np.ndarray:
        """16-bit picture of (1, 4, h, w), in black around it the border that the data set left out."""
        border = self.dataset.border if border is None else border
        picture = render_png16(image[0].cpu().numpy(), meta, self.demosaic, white=self.model.white)
        return np.pad(picture, ((border, border), (border, border), (0, 0))) if border else picture

    def reference(self, index: int, sample: dict[str, Any], meta: dict[str, Any]) -> np.ndarray | None:
        """The picture to compare with: the data set's own, or a rendering of its ground truth, or none."""
        picture = self.dataset.picture(index)
        if picture is not None:
            self.references.add("pictures of the data set")
        elif "gt" in sample:
            self.references.add(f"ground truth rendered with {self.opt.demosaic}")
            picture = self.picture(sample["gt"], meta)
        return picture

    def facts(self) -> dict[str, Any]:
        """How the scores came about."""
        network = self.model.network
        arguments = dict(network.arguments)
        with torch.device("meta"):
            macs = multiply_adds(create_network(arguments.pop("name"), **arguments), self.shape)
        return {
            "network": type(network).__name__,
            "checkpoint": self.label,
            "protocol": self.opt.protocol,
            "border": self.dataset.border,
            "demosaic": self.opt.demosaic,
            "reference": ", ".join(sorted(self.references)) or "none",
            "precision": self.opt.precision,
            "parameters": parameter_count(network),
            "gmacs_per_image": round(macs / 1e9, 2),
            "ms_per_megapixel": round(median(self.pace), 1),
            "images": len(self.dataset),
        }

    def summary(self) -> None:
        """Write and print the tables."""
        facts = self.facts()
        print(
            "  ".join(
                f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}"
                for key, value in facts.items()
            )
        )
        scored = {name: scores for name, scores in self.scores.items() if scores.rows}
        for name, scores in scored.items():
            suffix = "" if name == "restored" else f"_{name.replace(' ', '_')}"
            scores.write(self.model.folder / f"metrics_{self.opt.dataset_name}_{self.label}{suffix}", facts)
        means = {name: scores.mean() for name, scores in scored.items()}
        if means:
            print(table(means))
        elif self.opt.calc_metrics:
            print("nothing to score: this data set has no ground truth")
        if self.opt.save_imgs:
            page = self.report.write(self.model.folder.name, facts, means)
            print(f"pictures: {self.picture_folder}\ncontact sheets: {page}")


if __name__ == "__main__":
    run(main)
