"""Restore a data set with trained weights, write the pictures, and score them.

python test.py --name my_run --model syn --dataset_name syn --dataroot DIR        (-h lists the options)
"""

import util.starting  # noqa: F401 isort: skip
import argparse
from typing import Any

from torch.utils.data import DataLoader
from tqdm import tqdm

from data import create_dataset
from data.base_dataset import BaseDataset
from data.loading import create_loader, samples
from models import create_model
from models.base_model import BaseModel
from models.cost import Cost
from models.demosaicing import create_demosaicer
from models.methods import create_baselines
from models.networks import needs_weights
from models.spatial_colour import create_align
from models.structure_labels import write_structure_labels
from options.test_options import TestOptions
from util.device import Place, join
from util.door import run
from util.imaging.demosaic import Demosaicer
from util.imaging.pictures import Pictures
from util.locks import locked
from util.provenance import provenance
from util.scores.burst_output import create_output
from util.scores.evaluation import prepared, table, unbatched
from util.scores.judged import Judge, create_judge
from util.scores.learned_metrics import NO_REFERENCE
from util.scores.method_scores import RESTORED, TRUTH, MethodScores
from util.scores.metrics import ABSOLUTE
from util.scores.samples import Samples


def main() -> None:
    for opt in TestOptions().parse_each():
        test_weights(opt, join(opt))


def test_weights(opt: argparse.Namespace, place: Place) -> None:
    """Restore a data set with each of the weights that options name."""
    dataset = create_dataset(opt, "test")
    for iteration in [None] if opt.load_path or not needs_weights(opt.net) else opt.load_iter:
        model = create_model(opt, place, dataset.task)
        label, loader = model.load_trained(iteration), create_loader(dataset, opt)
        if getattr(opt, "structure_labels", False):
            folder = model.folder / f"output_{label}"
            counts = write_structure_labels(model, samples(loader), folder, len(dataset))
            print(f"structure labels: {folder} ({counts.written} written, {counts.kept} kept)")
        else:
            results = model.folder / f"output_{opt.dataset_name}_{label}"
            with locked(results, "wait until that test has ended, or give another --name"):
                test(model, dataset, loader, label)


def test(model: BaseModel, dataset: BaseDataset, loader: DataLoader, label: str) -> None:
    """Restore, score and write all samples with the weights that `label` names."""
    opt, references = model.opt, set()
    others = model.variants() | (create_baselines(model) if opt.baselines else {})
    cost, demosaic = Cost(model, alone=not others), create_demosaicer(opt, model.place)
    judge = create_judge(dataset, create_align(opt, model.place.device, dataset.scores))
    scores, tested = create_scores(model, dataset), Samples()
    output = create_output(dataset, model.folder, label, model.scale)
    for index, sample in enumerate(tqdm(samples(loader), total=len(dataset), unit="image", disable=None)):
        tested.add(sample)
        frames, given = model.normalised(sample), dataset.picture(index)
        images = {RESTORED: cost.restore(frames, sample)}
        made = {method: restore(frames, sample) for method, restore in others.items()}
        images |= {method: image for method, image in made.items() if image is not None}
        if "gt" in sample:
            images[TRUTH] = sample["gt"]
        view = create_view(opt, dataset, sample, demosaic, has_truth=TRUTH in images or given is not None)
        pictures = {method: view.picture(image) for method, image in images.items()}
        if given is not None:
            pictures[TRUTH] = given
        if TRUTH in pictures:
            references.add(judge.reference(opt.demosaic, given is not None))
        judged = pictures if judge.kind == "picture" else judge.images(view, images, frames, sample)
        rows = scores.add(sample["name"][0], judged, dataset.group(sample))
        output.write(sample, model.pictured(frames), view, images, pictures, rows)
    facts = facts_of(model, dataset, label, judge, references) | cost.facts() | {"images": len(dataset)}
    summarise(model, dataset, label, facts, scores, tested)
    output.finish(model.folder.name, facts, scores.means())


def create_scores(model: BaseModel, dataset: BaseDataset) -> MethodScores:
    """Collects the scores that options ask for."""
    metrics = model.opt.metrics if model.opt.calc_metrics else []
    settings = prepared(metrics, model.opt.peak_luminance, model.place.device)
    return MethodScores(metrics, dataset.border, settings, dataset.scores)


def create_view(
    opt: argparse.Namespace,
    dataset: BaseDataset,
    sample: dict[str, Any],
    demosaic: Demosaicer,
    has_truth: bool,
) -> Pictures:
    """What renders the images of a sample.

    Without a ground truth, white is where the shortest frame clips (BracketIRE specification, 8.1).
    """
    fixed_white = has_truth or opt.isp == "published"
    white = dataset.task.white if fixed_white else 1 / float(sample["exposure"].min())
    border = dataset.border if dataset.scores == "picture" else 0  # of others it is in the images
    return Pictures(demosaic, unbatched(sample["meta"]), white=white, border=border, isp=opt.isp)


def facts_of(
    model: BaseModel, dataset: BaseDataset, label: str, judge: Judge, references: set[str]
) -> dict[str, Any]:
    """What was restored, and how it was scored where it was."""
    opt = model.opt
    facts = {"model": opt.model, "network": type(model.network).__name__, "checkpoint": label}
    facts |= {"dataset": opt.dataset_name, "frames": opt.frame_num, "precision": opt.precision}
    facts |= {"self_ensemble": opt.self_ensemble} if opt.self_ensemble > 1 else {}
    facts |= model.facts()
    if references or set(opt.metrics) & set(NO_REFERENCE):
        facts |= {"protocol": opt.protocol, **judge.facts(), "border": dataset.border}
        facts |= {"reference": ", ".join(sorted(references)) or "none"}
    if references and set(ABSOLUTE) & set(opt.metrics):
        facts["peak_luminance"] = opt.peak_luminance
    if dataset.task.planes_out == 4:
        facts |= {"demosaic": opt.demosaic, "isp": opt.isp}
    return facts


def summarise(
    model: BaseModel,
    dataset: BaseDataset,
    label: str,
    facts: dict[str, Any],
    scores: MethodScores,
    tested: Samples,
) -> None:
    """Print the facts and the table, and write the scores."""
    shown = {key: f"{value:,}" if type(value) is int else value for key, value in facts.items()}
    print("  ".join(f"{key} {value}" for key, value in shown.items()))
    made = provenance(model.opt, model.step) | {"samples": tested.facts()}
    scores.write(model.folder / f"metrics_{model.opt.dataset_name}_{label}", facts | made)
    if means := scores.means():
        print("\n".join([table(means), *scores.notes()]))
    elif facts.get("reference", "none") != "none":
        print("nothing to score: all images are too small, as the notes say")
    elif model.opt.calc_metrics and dataset.task.scale is not None:  # there might have been a ground truth
        print(f"nothing to score: this data set has no ground truth; {', '.join(NO_REFERENCE)} need none")


if __name__ == "__main__":
    run(main, "give a smaller --tile")
