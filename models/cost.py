"""What restoring takes: parameters and multiply-adds of the network, time and memory of its use."""

import time
from collections.abc import Mapping
from statistics import median
from typing import Any

import torch

from models.base_model import BaseModel
from models.networks import create_network
from util.device import peak_memory
from util.scores.complexity import multiply_adds, parameter_count


class Cost:
    """Restores by a model, and notes what that takes.

    Args:
        alone: nothing else works in this process between two images, so that its memory is the model's.
    """

    def __init__(self, model: BaseModel, alone: bool) -> None:
        self.model, self.alone = model, alone
        self.pace: list[float] = []  # ms per megapixel of each image
        self.peak = 0  # bytes
        self.megapixels = 0.0
        self.shapes: dict[str, torch.Size] = {}  # of what the network was given of the first image

    def restore(self, frames: torch.Tensor, sample: Mapping[str, Any]) -> torch.Tensor:
        """The restored image (1, C', sH, sW) on the CPU, float32."""
        start = time.perf_counter()
        restored = self.model.restore(frames, sample).float().cpu()
        pixels = restored.shape[-2] * restored.shape[-1] * (4 if restored.shape[1] == 4 else 1)
        self.pace.append(1e9 * (time.perf_counter() - start) / pixels)
        if self.alone or not self.shapes:
            self.peak = peak_memory(self.model.place.device)
        if not self.shapes:
            shown, given = self.model.shown(frames, sample)
            self.shapes = {name: value.shape for name, value in {"frames": shown, **given}.items()}
            self.megapixels = pixels / 1e6
        return restored

    def facts(self) -> dict[str, int | float]:
        """Parameters, with them multiply-adds and megapixels of the first image, time and memory."""
        count = parameter_count(self.model.network)
        facts: dict[str, int | float] = {"parameters": count}
        if count:
            macs = self.model.evaluations * self._multiply_adds()
            facts |= {"gmacs_per_image": round(macs / 1e9, 6), "megapixels": self.megapixels}
        return facts | {
            "ms_per_megapixel": round(median(self.pace), 1),
            "peak_memory_mb": round(self.peak / 2**20),
        }

    def _multiply_adds(self) -> int:
        arguments = dict(self.model.network.arguments)
        with torch.device("meta"):
            network = create_network(arguments.pop("name"), **arguments).eval()
            given = {name: torch.ones(shape) for name, shape in self.shapes.items()}
            return multiply_adds(network, given.pop("frames").shape, **given)
