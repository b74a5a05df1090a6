"""Structure labels: results of SelfHDR's first network on aligned scenes, which its second learns from."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tqdm import tqdm

from models.base_model import BaseModel
from util.errors import UserError
from util.files import write_atomically
from util.imaging.radiance import write_radiance
from util.json_record import as_json, read_json
from util.locks import locked

RECORD = "labels.json"  # beside the labels: what each of them was made from


class LabelCounts(NamedTuple):
    """Labels that were written, and those that were there already."""

    written: int
    kept: int


def write_structure_labels(
    model: BaseModel, samples: Iterable[dict[str, Any]], folder: Path, total: int | None = None
) -> LabelCounts:
    """Write `<folder>/<scene>.exr`, linear RGB in float32, for each sample (SelfHDR specification, 4.4).

    With `--label_format hdr` it is `<scene>.hdr`, as published. A label has one file: the other goes.

    A label that the same weights, settings and frames have made is left as it is, so that what was stopped
    goes on where it was; any other is made anew.

    Args:
        model: with trained weights (`load_trained`). samples: whole scenes with aligned frames, in batches
        of one; `frames` are taken out of them. total: their number, for the estimate of the time.

    Raises:
        UserError: frames are not RGB; a result is not finite; a file cannot be written; the record is
            damaged; another process writes them.
    """
    if model.task.channels != 3:
        planes = f"--dataset_name {model.opt.dataset_name} gives {model.task.channels} planes"
        raise UserError(f"structure labels are RGB, {planes}")
    with locked(folder, "wait until it has ended"):
        return _write_labels(model, samples, folder, total)


def _write_labels(
    model: BaseModel, samples: Iterable[dict[str, Any]], folder: Path, total: int | None
) -> LabelCounts:
    record, kept, written = Record(folder, network_digest(model), model), 0, 0
    for sample in tqdm(samples, total=total, unit="scene", desc="structure labels", disable=None):
        scene = sample["scene"][0]
        source = digest(record.maker, sample["frames"], sample["exposure"])
        path = folder / f"{scene}.{model.opt.label_format}"
        if record.made.get(scene) == source and path.is_file():
            kept += 1
            continue
        try:
            light = model.restore(model.normalised(sample), sample)
        except UserError as error:
            raise UserError(f"scene {scene}: {error}") from error
        record.forget(scene)
        write_radiance(path, light[0].float().cpu().permute(1, 2, 0).numpy())
        path.with_suffix(".exr" if path.suffix == ".hdr" else ".hdr").unlink(missing_ok=True)
        record.add(scene, source)
        written += 1
    return LabelCounts(written, kept)


class Record:
    """Which labels of a folder the network that is at work has made (`made`: scene -> digest of its source).

    A label is forgotten before it is overwritten, so that the record never tells of one that is not there.
    """

    def __init__(self, folder: Path, maker: str, model: BaseModel) -> None:
        self.path, self.maker, self.made = folder / RECORD, maker, {}
        if not self.path.exists():
            return
        advice = "remove it, and all labels in its folder are made anew"
        found = read_json(self.path, advice)
        if not isinstance(found, dict) or not isinstance(found.get("scenes"), dict):
            raise UserError(f"{self.path} is damaged: {advice}")
        if found.get("network") == maker:
            self.made = found["scenes"]
        elif found["scenes"]:
            count = len(found["scenes"])
            model.say(f"note: {folder} holds {count} labels of other weights or settings: they are made anew")
            self._write()

    def forget(self, scene: str) -> None:
        """Before a label is overwritten."""
        if self.made.pop(scene, None):
            self._write()

    def add(self, scene: str, source: str) -> None:
        """After a label has been written."""
        self.made[scene] = source
        self._write()

    def _write(self) -> None:
        with write_atomically(self.path) as temporary:
            temporary.write_text(as_json({"network": self.maker, "scenes": self.made}, indent=1))


def network_digest(model: BaseModel) -> str:
    """Digest of all that decides what a model makes of frames: network, weights, precision, tiles, views."""
    opt, network = model.opt, model.ema.module if model.ema else model.network
    state = network.state_dict()
    settings = (model.network.arguments, opt.precision, opt.tile, opt.tile_overlap, model.views)
    return digest(repr((*settings, sorted(state))), *(state[name] for name in sorted(state)))


def digest(settings: str, *tensors: torch.Tensor) -> str:
    """SHA-256 of settings, and of the shapes, types and values of tensors."""
    result = hashlib.sha256(settings.encode())
    for tensor in tensors:
        result.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
        result.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return result.hexdigest()
