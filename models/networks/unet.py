"""UNet of raw low-light enhancement (Chen et al., CVPR 2018), told of exposures (Wang et al., ICCV 2023)."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from models.networks.parts.estimator import Estimator, arguments_of_published
from models.networks.parts.padding import mirrored
from models.networks.parts.strips import by_strips, convolved

SLOPE = 0.2  # of the leaky ReLU
REACH = 2  # px, of the two convolutions of a level


def pooled(maps: torch.Tensor) -> torch.Tensor:
    """The largest of each 2x2 px of maps (N, H, W, C)."""
    return F.max_pool2d(maps.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


class UNet(Estimator):
    """Levels of two convolutions, each level half as large and twice as wide, down and up again.

    As in the ExposureDiffusion specification, 5.1. Sides that are no multiple of 2^(levels - 1) are mirrored.

    Args:
        num_frames, in_channels, out_channels, scale, reference: see `Estimator`.
        with_photon, concat_origin, adaptive_res_and_x0, rgbg: see `Estimator`.
        resid: without an adaptive head, the result is the reference frame less what the network makes.
        mid_channels: width of the first level (32). levels: sizes of maps (5).
    """

    sizes: ClassVar[dict[str, dict[str, Any]]] = {
        "full": {},
        "small": {"mid_channels": 16, "levels": 4},
        "tiny": {"mid_channels": 4, "levels": 3},
    }

    def __init__(
        self,
        num_frames: int = 1,
        in_channels: int = 4,
        out_channels: int = 4,
        scale: int = 1,
        reference: int = 0,
        with_photon: bool = False,
        concat_origin: bool = False,
        adaptive_res_and_x0: bool = False,
        rgbg: bool = False,
        resid: bool = False,
        mid_channels: int = 32,
        levels: int = 5,
    ) -> None:
        task = num_frames, in_channels, out_channels, scale, reference
        super().__init__(*task, with_photon, concat_origin, adaptive_res_and_x0, rgbg)
        if levels < 2:
            raise ValueError("it has 2 levels or more")
        if resid:
            self.check_residual(in_channels, out_channels)
            if adaptive_res_and_x0:
                raise ValueError("resid is for a plain head, not for adaptive_res_and_x0")
        self.resid, self.levels, self.multiple = resid, levels, 2 ** (levels - 1)
        widths = [mid_channels * 2**level for level in range(levels)]
        for number, (before, width) in enumerate(zip([self.planes_in, *widths], widths, strict=False), 1):
            self._add_level(number, before, width)
        for number, width in enumerate(reversed(widths[:-1]), levels + 1):
            self.add_module(f"upv{number}", nn.ConvTranspose2d(2 * width, width, 2, 2))
            self._add_level(number, 2 * width, width)
        self.upsample = self.upsampling(mid_channels)
        self.head = f"conv{2 * levels}_1"
        self.add_module(self.head, nn.Conv2d(mid_channels, self.maps_out, 1))

    @staticmethod
    def arguments_of(state: dict[str, torch.Tensor]) -> dict[str, Any]:
        """What the names and shapes of a published state dict tell; nothing of another network's."""
        heads = [int(found[1]) for name in state if (found := re.fullmatch(r"conv(\d+)_1\.weight", name))]
        if "conv1_1.weight" not in state or max(heads) % 2:
            return {}
        first, last = state["conv1_1.weight"], state[f"conv{max(heads)}_1.weight"]
        known = {"mid_channels": first.shape[0], "levels": max(heads) // 2}
        return known | arguments_of_published(first.shape[1], last.shape[0])

    def padded(self, images: torch.Tensor, missing: tuple[int, int]) -> torch.Tensor:
        """Images (..., H, W) with so many rows and columns more, mirrored at the outermost px."""
        return mirrored(images, ((0, missing[0]), (0, missing[1])))

    def plain_head(self, raw: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        """The estimate without an adaptive head, not clipped."""
        return base - raw if self.resid else raw

    def raw_maps(
        self, planes: Callable[..., torch.Tensor], sources: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """Maps (N, h, w, planes_in), `planes(*sources)` of each strip of rows -> (N, sh, sw, maps_out).

        Without gradients the first level, the largest and cheapest, is computed twice and kept never.
        """

        def first(*sources: torch.Tensor) -> torch.Tensor:
            return self._level(1, planes(*sources))

        width = self.get_submodule(self.head).in_channels
        if torch.is_grad_enabled():
            skip = self.run(first, *sources)
            return self.run(self._last, skip, self._inner(pooled(skip)))
        strip = {"channels": 4 * width, "step": 2}

        def last(*rows: torch.Tensor) -> torch.Tensor:
            return self._last(first(*rows[:-1]), rows[-1])

        halo = 2 * REACH + (2 if self.scale > 1 else 0)
        # Nothing but `_inner` holds the pooled maps, which are freed once they have been used.
        inner = self._inner(by_strips(lambda *rows: pooled(first(*rows)), *sources, halo=REACH, **strip))
        return by_strips(last, *sources, inner, halo=halo, **strip)

    def _inner(self, x: torch.Tensor) -> torch.Tensor:
        """All between the first level, pooled, and the last, which is twice as large."""
        skips = []
        for number in range(2, self.levels + 1):
            x = pooled(skips[-1]) if skips else x
            skips.append(self.run(partial(self._by_strips, self._level), number, x))
        x = skips.pop()
        for number in range(self.levels + 1, 2 * self.levels - 1):
            x = self.run(partial(self._by_strips, self._joined), number, skips.pop(), x)
        return x

    def _by_strips(
        self, function: Callable[..., torch.Tensor], number: int, *maps: torch.Tensor
    ) -> torch.Tensor:
        width = self.get_submodule(f"conv{number}_2").out_channels
        return by_strips(partial(function, number), *maps, channels=4 * width, halo=REACH, step=2)

    def _level(self, number: int, x: torch.Tensor) -> torch.Tensor:
        """Two convolutions, each with leaky ReLU."""
        for part in (1, 2):
            x = convolved(self.get_submodule(f"conv{number}_{part}"), x)
            x = F.leaky_relu(x, SLOPE, inplace=True)
        return x

    def _joined(self, number: int, skip: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """A level on the way up, of the skip and of maps half as large."""
        x = convolved(self.get_submodule(f"upv{number}"), x)
        return self._level(number, torch.cat((x, skip), dim=-1))

    def _last(self, skip: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        features = self._joined(2 * self.levels - 1, skip, x).permute(0, 3, 1, 2)
        return self.get_submodule(self.head)(self.upsample(features)).permute(0, 2, 3, 1)

    def _add_level(self, number: int, before: int, width: int) -> None:
        self.add_module(f"conv{number}_1", nn.Conv2d(before, width, 3, padding=1))
        self.add_module(f"conv{number}_2", nn.Conv2d(width, width, 3, padding=1))
