"""Restores scenes of one's own: what the Python door and restore.py share."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data.burst_dataset import TASKS
from data.photos import Scene
from data.row_exposure import TASK
from models import create_model
from models.base_model import BaseModel
from models.demosaicing import create_demosaicer
from models.expectation import Expectation, expect
from models.fastest_precision import fastest_precision
from models.networks import needs_weights
from util.device import join, release_memory
from util.imaging.contact_sheet import contact_sheet
from util.imaging.images import write_png8, write_png16
from util.imaging.pictures import Pictures
from util.scores.baselines import bicubic, burst_average, exposure_average
from util.task import Task
from util.tiling import Tell


class Restorer:
    """A network with its weights, or the merge, for scenes of any kind that it takes.

    Args:
        opt: of test.py; what it says of the data set does not matter.
        chooses_precision: take half precision instead of what `opt` says where that takes less time here.
    """

    def __init__(self, opt: argparse.Namespace, chooses_precision: bool = False) -> None:
        self.opt, self.place, self.chooses_precision = opt, join(opt), chooses_precision
        self.demosaic = create_demosaicer(opt, self.place)
        self.models: dict[tuple, BaseModel] = {}  # by kind of scene, planes, frames and steps

    def model_for(self, scene: Scene) -> BaseModel:
        """The model for frames like those of a scene; the first time its precision may be tried on them.

        Raises:
            UserError: no such weights, or they are for other frames.
        """
        opt = self._options_for(scene)
        kind = scene.burst or (scene.rows and scene.rows.protocol())
        key = kind, scene.frames.shape[1], opt.frame_num, *getattr(opt, "iter_num", ())
        if key not in self.models:
            model = create_model(opt, self.place, _task(scene))
            model.load_trained("latest")
            model.network.eval()
            if self.chooses_precision and needs_weights(opt.net):  # merges are always of full precision
                sample = _sample(scene)
                opt.precision = fastest_precision(model, model.normalised(sample), sample)
            self.models[key] = model
        return self.models[key]

    def _options_for(self, scene: Scene) -> argparse.Namespace:
        """The options for as many frames; of a dark one, for no more steps than its ratio has room for.

        Where no network is named, bursts and shots with rows exposed in turn have merges of their own.
        """
        changed: dict[str, Any] = {"frame_num": len(scene.frames)}
        if self.opt.net == "exposure_merge" and (scene.burst or scene.rows):
            changed["net"] = "burst_merge" if scene.burst else "row_merge"
        if scene.burst:
            changed |= {"model": "deeprep", "dataset_name": "burst"}
        if scene.rows:
            changed |= {"model": "sve", "row_order": scene.rows.order}
        if scene.light and "iter_num" in self.opt:
            room = max(int(scene.light["ratio"]) - 2, 0)
            changed["iter_num"] = [min(number, room) for number in self.opt.iter_num]
        elif scene.light:
            changed["model"] = "eld"  # which amplifies
        return argparse.Namespace(**vars(self.opt) | changed)

    def expect(self, scene: Scene, keep: bool = True) -> Expectation:
        """The time and memory that restoring a scene takes about, by trying it on a part; `keep` as there."""
        model, sample = self.model_for(scene), _sample(scene)
        frames = model.normalised(sample)
        expected = expect(model, frames, sample)
        return expected if keep else expected._replace(memory=max(expected.memory - frames.nbytes, 0))

    def restore(self, scene: Scene, tell: Tell | None = None, keep: bool = True) -> "Restored":
        """The restored scene; `tell` is told which part of the whole frame's work, and of the tiles, is done.

        Args:
            keep: leave the scene as it is. If not, its frames are worked on in their place, which saves as
                much memory as they take.

        Raises:
            UserError: as `model_for`; or the result is not finite.
        """
        model, sample = self.model_for(scene), _sample(scene, copy=keep)
        frames = model.normalised(sample)
        image = model.restore(frames, sample, tell).float().cpu()
        release_memory()  # pictures need other parts of it
        view = Pictures(
            self.demosaic,
            scene.meta,
            white=1.0 if scene.light or scene.burst else 1 / float(scene.exposure.min()),
            border=scene.border * model.scale,
            isp=self.opt.isp,
        )
        return Restored(image, view, model.pictured(frames.cpu()), sample["exposure"], model.scale)


def _task(scene: Scene) -> Task:
    """What is asked of a model for frames like those of a scene."""
    if scene.burst:
        return TASKS[scene.burst]
    if scene.rows:
        return TASK._replace(scale=None, protocol=scene.rows.protocol())
    white = {"white": 1.0} if scene.light else {}
    carries = tuple(scene.light)
    return Task(channels=scene.frames.shape[1], reference=None, scale=None, carries=carries, **white)


def _sample(scene: Scene, copy: bool = True) -> dict[str, Any]:
    """A batch of one; the scene's own frames are not changed by what is done to a copy of them."""
    frames = torch.from_numpy(scene.frames)[None]
    return {
        "frames": frames.clone() if copy else frames,
        "exposure": torch.from_numpy(scene.exposure)[None],
        "name": [scene.name],
        **{name: torch.tensor([[value]]) for name, value in scene.light.items()},
        **({"noise_map": torch.from_numpy(scene.noise_map)[None]} if scene.burst else {}),
        **({"mask": torch.from_numpy(scene.mask)[None]} if scene.rows else {}),
    }


class Restored:
    """A restored scene: linear light, pictures of it, and files of both."""

    def __init__(
        self, image: torch.Tensor, view: Pictures, frames: torch.Tensor, exposure: torch.Tensor, scale: int
    ) -> None:
        self.image, self.view = image, view  # (1, C, sH, sW)
        self.frames, self.exposure, self.scale = frames, exposure, scale

    def light(self) -> np.ndarray:
        """Linear sRGB (H, W, 3) float32, not clipped; 16 is white of the shortest frame, of others 1.

        Those are single files and bursts.
        """
        return self.view.light(self.image, saturates=True)

    def picture(self, tonemap: str = "reinhard", ev: float | str = "auto") -> np.ndarray:
        """sRGB (H, W, 3) uint16 by one of util.imaging.pictures.TONE_MAPS; `ev`, in stops, for "exposure"."""
        return self.view.picture(self.image, self.view.curve(tonemap, ev, self.image))

    def sheet(self, tonemap: str = "reinhard", ev: float | str = "auto") -> np.ndarray:
        """Some of the frames, what is simply made of them, and the result: uint8 (H, W, 3), side by side.

        That is the plain average, or of raw frames whose result is camera RGB, the first one enlarged.
        """
        curve = self.view.curve(tonemap, ev, self.image)
        count, is_burst = self.frames.shape[1], bool((self.exposure == self.exposure[:, :1]).all())
        if is_burst and count > 1 and self.scale == 1:
            title, simple = "burst average", burst_average(self.frames)
        elif self.image.shape[1] == self.frames.shape[2]:
            title, simple = "exposure average", exposure_average(self.frames, self.exposure, self.scale)
        else:
            title, simple = "single frame, bicubic", bicubic(self.frames, self.scale)
        shown: Mapping[str, np.ndarray] = {
            **self.view.as_taken(self.frames, self.exposure, self.view.border // self.scale),
            title: self.view.picture(simple, curve),
            "restored": self.view.picture(self.image, curve),
        }
        return contact_sheet(list(shown.values()), list(shown))

    def write(self, path: str | Path, tonemap: str = "reinhard", ev: float | str = "auto") -> None:
        """Write by suffix: `.png` a 16-bit picture, `.exr`, `.hdr` or `.dng` linear light.

        Raises:
            UserError: another suffix, or a file that cannot be written.
        """
        if Path(path).suffix.lower() == ".png":
            write_png16(Path(path), self.picture(tonemap, ev), is_srgb=tonemap != "mu_law")
        else:
            self.view.write_light(path, self.image, saturates=True)

    def write_sheet(self, path: str | Path, tonemap: str = "reinhard", ev: float | str = "auto") -> None:
        """Write the contact sheet as a PNG of 8 bits."""
        write_png8(Path(path), self.sheet(tonemap, ev))
