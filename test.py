"""Restore a data set with trained weights, write the pictures, and score them.

python test.py --name my_run --model syn --dataset_name syn --dataroot DIR        (-h lists the options)
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from data import create_dataset, create_loader, samples
from data.base_dataset import BaseDataset
from models import create_model
from models.base_model import BaseModel
from models.demosaicing import create_demosaicer
from models.networks import create_network, needs_weights, takes
from models.structure_labels import write_structure_labels
from options.test_options import TestOptions
from util.device import join, peak_memory
from util.errors import run
from util.imaging.images import write_png8, write_png16, write_radiance
from util.imaging.pictures import Pictures
from util.imaging.tonemap import mu_law_picture8
from util.scores.baselines import BASELINES, exposure_average, reference_frame
from util.scores.complexity import multiply_adds, parameter_count
from util.scores.evaluation import Evaluation, prepared, table, unbatched
from util.scores.learned_metrics import NO_REFERENCE
from util.scores.metrics import ABSOLUTE
from util.scores.report import Report

MERGE = "exposure_merge"
Baseline = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # of normalised frames and their exposures


def main() -> None:
    opt = TestOptions().parse()
    place = join(opt)
    dataset = create_dataset(opt, "test")
    for iteration in [None] if opt.load_path or not needs_weights(opt.net) else opt.load_iter:
        model = create_model(opt, place, dataset.task)
        label, loader = model.load_trained(iteration), create_loader(dataset, opt)
        if getattr(opt, "structure_labels", False):
            folder = model.folder / f"output_{label}"
            counts = write_structure_labels(model, samples(loader), folder, len(dataset))
            print(f"structure labels: {folder} ({counts.written} written, {counts.kept} kept)")
            continue
        test = Test(model, dataset, opt, label)
        for index, sample in enumerate(tqdm(samples(loader), total=len(dataset), unit="image", disable=None)):
            test.one(index, sample)
        test.summary()


def create_baselines(opt: argparse.Namespace, model: BaseModel) -> dict[str, Baseline]:
    """What else is scored: the simple results, and the merge of exposures where it is not what is tested."""
    baselines = {name: partial(baseline, scale=model.scale) for name, baseline in BASELINES.items()}
    if reference := model.task.reference:
        baselines["reference frame"] = partial(reference_frame, scale=model.scale, reference=reference)
    if opt.net != MERGE:
        settings = argparse.Namespace(**vars(opt) | {"net": MERGE, "size": None})
        merge = create_model(settings, model.place, model.task)
        merge.build()
        baselines["exposure merge"] = merge.restore
    return baselines


class Test:
    """A pass over a data set with one checkpoint; `label` names its output."""

    def __init__(self, model: BaseModel, dataset: BaseDataset, opt: argparse.Namespace, label: str) -> None:
        self.model, self.dataset, self.opt, self.label = model, dataset, opt, label
        output = f"output_{opt.dataset_name}"
        kind = "vispng" if opt.tonemap == "mu_law" else opt.tonemap  # vispng is what published scores are of
        self.picture_folder = model.folder / f"{output}_{kind}_{label}"
        self.radiance_folder = model.folder / f"{output}_hdr_{label}"
        self.report = Report(model.folder / f"report_{opt.dataset_name}_{label}")
        self.demosaic = create_demosaicer(opt, model.place)
        self.baselines = create_baselines(opt, model) if opt.baselines else {}
        metrics = opt.metrics if opt.calc_metrics else []
        settings = prepared(metrics, opt.peak_luminance, model.place.device)
        self.evaluation = partial(Evaluation, metrics, dataset.border, settings, dataset.scores)
        self.scores = {name: self.evaluation() for name in ("restored", *self.baselines)}
        self.pace: list[float] = []  # ms per megapixel of each image
        self.shape: tuple[int, ...] = ()
        self.references: set[str] = set()

    def one(self, index: int, sample: dict[str, Any]) -> None:
        """Restore a sample, score it and write its pictures."""
        frames, exposure = self.model.normalised(sample), sample["exposure"]
        images = {"restored": self.restore(frames, exposure)}
        images |= {method: baseline(frames, exposure) for method, baseline in self.baselines.items()}
        if self.baselines and "color_label" in sample:
            images["colour component"] = sample["color_label"]
            self.scores.setdefault("colour component", self.evaluation())
        target, given = sample.get("gt"), self.dataset.picture(index)
        has_target = target is not None or given is not None
        fixed_white = has_target or self.opt.isp == "published"  # BracketIRE specification, 8.1
        view = Pictures(
            self.demosaic,
            unbatched(sample["meta"]),
            white=self.model.white if fixed_white else 1 / float(exposure.min()),
            border=self.dataset.border,
            isp=self.opt.isp,
        )
        pictures = {method: view.picture(image) for method, image in images.items()}
        if has_target:
            pictures["ground truth"] = view.picture(target) if given is None else given
            self.references.add(self.reference_of(given))
        judged = pictures
        if self.dataset.scores == "radiance":
            lights = images if target is None else images | {"ground truth": target}
            judged = {method: view.light(image, saturates=False) for method, image in lights.items()}
        rows = {
            method: scores.add(sample["name"][0], judged[method], judged.get("ground truth"))
            for method, scores in self.scores.items()
        }
        file = Path(sample["scene"][0])
        if not self.dataset.one_per_scene:
            file /= sample["frame"][0]
        if self.opt.save_hdr != "none":
            light = view.light(images["restored"], saturates=not has_target)
            write_radiance(self.radiance_folder / f"{file}.{self.opt.save_hdr}", light)
        if self.opt.save_imgs:
            sheet = self.sheet(view, frames, exposure, images, pictures)
            self.write_picture(f"{file}.png", sheet["restored"], images["restored"], view)
            caption = "  ".join(f"{metric} {score:.4f}" for metric, score in rows["restored"].items())
            self.report.add(sample["name"][0], sheet, caption)

    def write_picture(self, name: str, picture: np.ndarray, image: torch.Tensor, view: Pictures) -> None:
        """Write the picture of an image: of 16 bits, or of 8 as published where radiance is scored."""
        path = self.picture_folder / name
        if self.dataset.scores == "radiance" and self.opt.tonemap == "mu_law":
            write_png8(path, mu_law_picture8(view.light(image, saturates=False)))
        else:
            write_png16(path, picture)

    def reference_of(self, given: np.ndarray | None) -> str:
        """What an image is compared with, in words."""
        if self.dataset.scores == "radiance":
            return "true radiance"
        return (
            f"ground truth rendered with {self.opt.demosaic}" if given is None else "pictures of the data set"
        )

    def sheet(
        self,
        view: Pictures,
        frames: torch.Tensor,
        exposure: torch.Tensor,
        images: dict[str, torch.Tensor],
        pictures: dict[str, np.ndarray],
    ) -> dict[str, np.ndarray]:
        """What a contact sheet shows of the frames and images of a sample, of which `pictures` are mu-law."""
        border = self.dataset.border // self.model.scale
        curve = view.curve(self.opt.tonemap, self.opt.ev, images["restored"])
        if curve:
            pictures = pictures | {method: view.picture(image, curve) for method, image in images.items()}
        if "ground truth" in pictures and self.dataset.scores == "picture":
            return {"shortest bracket": view.picture(frames[:, 0], border=border), **pictures}
        average = exposure_average(frames, exposure, self.model.scale)
        pictures = {"exposure average": view.picture(average, curve)} | pictures
        return view.as_taken(frames, exposure, border) | pictures

    def restore(self, frames: torch.Tensor, exposure: torch.Tensor) -> torch.Tensor:
        """The restored image (1, C, sH, sW) on the CPU; notes the time that it took."""
        start = time.perf_counter()
        restored = self.model.restore(frames, exposure).float().cpu()
        pixels = restored.shape[-2] * restored.shape[-1] * (4 if restored.shape[1] == 4 else 1)
        self.pace.append(1e9 * (time.perf_counter() - start) / pixels)
        if not (self.baselines and self.shape):  # what follows has other methods' memory in it
            self.peak = peak_memory(self.model.place.device)
        if not self.shape:
            self.shape, self.megapixels = tuple(frames.shape), pixels / 1e6
        return restored

    def facts(self) -> dict[str, Any]:
        """How the scores came about."""
        return {
            "model": self.opt.model,
            "network": type(self.model.network).__name__,
            "checkpoint": self.label,
            "dataset": self.opt.dataset_name,
            "frames": self.opt.frame_num,
            "protocol": self.opt.protocol,
            "scored": self.dataset.scores,
            "border": self.dataset.border,
            **({"demosaic": self.opt.demosaic, "isp": self.opt.isp} if self.model.task.channels == 4 else {}),
            "reference": ", ".join(sorted(self.references)) or "none",
            "precision": self.opt.precision,
            **({"peak_luminance": self.opt.peak_luminance} if set(ABSOLUTE) & set(self.opt.metrics) else {}),
            **self.cost(),
            "ms_per_megapixel": round(median(self.pace), 1),
            "peak_memory_mb": round(self.peak / 2**20),
            "images": len(self.dataset),
        }

    def cost(self) -> dict[str, int | float]:
        """The network's parameters, and its multiply-adds for an image where it has any."""
        network = self.model.network
        count = parameter_count(network)
        if count == 0:
            return {"parameters": 0}
        arguments = dict(network.arguments)
        with torch.device("meta"):
            network = create_network(arguments.pop("name"), **arguments).eval()
            given = {"exposure": torch.ones(self.shape[:2])} if takes(network, "exposure") else {}
            macs = multiply_adds(network, self.shape, **given)
        return {"parameters": count, "gmacs_per_image": round(macs / 1e9, 6), "megapixels": self.megapixels}

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
            alone = ", ".join(NO_REFERENCE)
            print(f"nothing to score: this data set has no ground truth; {alone} need none")
        if self.opt.save_imgs:
            page = self.report.write(self.model.folder.name, facts, means)
            print(f"pictures: {self.picture_folder}\ncontact sheets: {page}")


if __name__ == "__main__":
    run(main)
