"""Long exposures of See-in-the-Dark with drawn noise, to train on (specification, 3 and 4.5)."""

import argparse
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from data.augment import Augmentation
from data.draws import Draw
from data.low_light import sample
from data.reading.named_exposures import DIGITS, FIRST_BURST, LONG, Pair, named_exposures
from data.sid_dataset import SidDataset
from data.simulate.sensor_noise import ORDERS, C, NoiseLevels, NoiseModel
from data.simulate.sensors import SENSORS, Sensor, named_sensor
from util.errors import UserError
from util.parser import boolean

if TYPE_CHECKING:
    import torch


class SidSynDataset(SidDataset):
    """Training patches of long exposures, of which short ones are drawn; validation and testing as of `sid`.

    All of a patch is a function of its `Draw`. With `--noise_on gpu` its frame is without noise, which is
    drawn when the batch is finished, by `noise_seed` and `noise_levels`.
    """

    without_effect: ClassVar[dict[str, str]] = {"syn_noise": "it is for real pairs, --dataset_name sid"}
    patches_per_epoch = 1288

    @staticmethod
    def camera_help() -> str:
        """As of the base class, and for training."""
        return f"{SidDataset.camera_help()}, but noise is drawn of all"

    @classmethod
    def add_training_options(cls, parser: argparse.ArgumentParser) -> None:
        super(SidDataset, cls).add_training_options(parser)
        parser.add_argument(
            "--noise",
            default="P+G+r+u",
            help="kinds of noise: P or p shot (Poisson or normal), G or g read (Tukey or normal), r rows, "
            "u quantisation, B colour bias",
        )
        parser.add_argument(
            "--exclude",
            type=int,
            choices=range(len(SENSORS)),
            help="camera whose noise is not drawn; default: none",
        )
        parser.add_argument(
            "--gains",
            choices=("published", "camera"),
            default="published",
            help="gains that are drawn: 0.1 to 30 ADU per photoelectron for all cameras, or its own from ISO "
            "100 to 6400",
        )
        parser.add_argument(
            "--continuous_noise",
            type=boolean,
            default=False,
            help="draw ratios from 20 to 300, not from 100 to 300",
        )
        parser.add_argument(
            "--noise_order",
            choices=ORDERS,
            default="physical",
            help="physical: quantisation last, and augmentation before the noise, so that row noise is in "
            "rows; published: quantisation first, augmentation last",
        )
        parser.add_argument(
            "--noise_on",
            choices=("cpu", "gpu"),
            default="cpu",
            help="draw noise in the loader processes, or on the device that trains",
        )

    def __init__(self, opt: argparse.Namespace, split: str) -> None:
        super().__init__(opt, split)
        if split == "train":
            self.sensors = self._sensors()
            self.noise = NoiseModel(opt.noise, opt.noise_order)
            if (opt.noise_on, opt.noise_order) == ("gpu", "published") and opt.augment != "none":
                raise UserError(
                    "--noise_order published augments after the noise: --noise_on cpu, or --augment none"
                )

    def _pairs(self) -> list[Pair]:
        """In training each long exposure with itself, as the short one is drawn."""
        if self.split != "train":
            return super()._pairs()
        return [
            Pair(long.path, long.path, 1.0, long.scene, f"{long.burst}_{long.time}s")
            for long in named_exposures(self.root / LONG)
            if long.scene.startswith(DIGITS["train"]) and long.burst == FIRST_BURST
        ]

    def _sensors(self) -> list[Sensor]:
        """The cameras whose noise is drawn."""
        include, exclude = self.opt.include, self.opt.exclude
        if exclude is not None and (include is not None or self.own_sensor):
            other = "--camera" if self.own_sensor else "--include"
            raise UserError(f"--exclude leaves one of all cameras out, {other} names a single one: choose")
        if self.own_sensor:
            return [self.own_sensor]
        chosen = range(len(SENSORS)) if include is None else [include]
        return [named_sensor(SENSORS[number]) for number in chosen if number != exclude]

    def patch(self, draw: Draw) -> dict:
        pair, cell = self.pairs[draw.index // self.cells], draw.index % self.cells
        rng = draw.generator()
        clean, notes = self.window(pair.long, *self.corner(rng, pair.long, cell))
        how = Augmentation.draw(rng)
        ratio = self.noise.draw_ratio(rng, self.opt.continuous_noise)
        levels = self.noise.draw_levels(rng, self.sensors, self.opt.gains == "camera")
        levels = levels.scaled(C / self.span(notes))
        name, gain = f"{pair.scene}-{pair.frame}", levels.gain / C
        if self.opt.noise_on == "gpu":
            clean = np.ascontiguousarray(self.augmented(clean, how).transpose(2, 0, 1))
            seed = {"noise_seed": np.array(rng.integers(2**63), np.int64)}
            drawn = seed | {"noise_levels": as_arrays(levels)}
            return sample(name, clean / np.float32(ratio), clean, gain, ratio) | drawn
        if self.noise.order == "published":
            noisy = self._noisy(clean, ratio, levels, rng)
            noisy, clean = self.augmented(np.stack([noisy, clean]), how)
        else:
            clean = self.augmented(clean, how)
            noisy = self._noisy(clean, ratio, levels, rng)
        frame, gt = (planes.transpose(2, 0, 1) for planes in (noisy, clean))
        return sample(name, frame / np.float32(ratio), gt, gain, ratio)

    def finish(self, batch: dict, device: "torch.device") -> dict:
        """With `--noise_on gpu` the noise is drawn here: each sample's by its own seed."""
        if "noise_seed" not in batch:
            return batch
        from data.simulate import sensor_noise_torch as on_device  # PyTorch is not needed before

        levels = NoiseLevels(**{name: value.to(device) for name, value in batch.pop("noise_levels").items()})
        drawn = on_device.generators(batch.pop("noise_seed").tolist(), device)
        ratio, clean = batch["ratio"][:, 0].to(device), batch["gt"].to(device)
        noisy = on_device.add(self.noise, clean, ratio, levels, drawn)
        return batch | {"frames": (noisy / ratio[:, None, None, None])[:, None]}

    def _noisy(
        self, clean: np.ndarray, ratio: float, levels: NoiseLevels, rng: np.random.Generator
    ) -> np.ndarray:
        """Clean planes (h, w, 4) -> amplified ones with noise."""
        planes = np.ascontiguousarray(clean.transpose(2, 0, 1))
        return np.ascontiguousarray(self.noise.add(planes, ratio, levels, rng).transpose(1, 2, 0))


def as_arrays(levels: NoiseLevels) -> dict[str, np.ndarray]:
    """Levels of noise as float32 arrays (), the bias (4,)."""
    return {name: np.array(value, np.float32) for name, value in levels._asdict().items()}
